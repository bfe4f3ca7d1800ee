//! Requests of a guest's own: through the node's proxy, which decides where they may go, finds
//! names, speaks TLS and counts. Here is no network: each request gets a connection to the proxy.

use crate::host::Host;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout, Sleep};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Connections of one run at the same time; the proxy takes no more either.
const AT_ONCE: usize = 16;
/// The call's own time limit comes first.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long a refused request is still read.
const REFUSAL: Duration = Duration::from_millis(100);
/// How the proxy names itself (RFC 9209).
const PROXY: &str = "decloud";

pub type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;
pub type Reply = (http::Response<WasiBody>, Transmission);

/// The requests of one run.
pub struct Outgoing {
    host: Host,
    free: Arc<Semaphore>,
}

impl Outgoing {
    pub fn new(host: Host) -> Outgoing {
        Outgoing {
            host,
            free: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Connects to the proxy at once; the result sends the request.
    pub fn send(
        &self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> impl Future<Output = Result<Reply, Error>> + Send {
        let connection = self.connect(&request);
        async move {
            match connection {
                Ok((stream, permit)) => {
                    exchange(stream, permit, request, options.unwrap_or_default()).await
                }
                Err(error) => {
                    // Some guests break when a request ends that they are still writing.
                    let _ = timeout(REFUSAL, drain(request.into_body())).await;
                    Err(error)
                }
            }
        }
    }

    fn connect(
        &self,
        request: &http::Request<WasiBody>,
    ) -> Result<(UnixStream, OwnedSemaphorePermit), Error> {
        if !self.host.has_way_out() {
            return Err(Error::HttpRequestDenied);
        }
        if request.method() == http::Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        if request.uri().host().is_none() {
            return Err(Error::HttpRequestUriInvalid);
        }
        let permit = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| Error::ConnectionLimitReached)?;
        let stream = self
            .host
            .connect()
            .and_then(|descriptor| UnixStream::from_std(descriptor.into()))
            .map_err(|error| Error::InternalError(Some(error.to_string())))?;
        Ok((stream, permit))
    }
}

/// `permit` is given back when the connection ends: at the latest when the guest lets go of the
/// answer.
async fn exchange(
    stream: UnixStream,
    permit: OwnedSemaphorePermit,
    request: http::Request<WasiBody>,
    options: RequestOptions,
) -> Result<Reply, Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = spawn(async move {
        let _permit = permit;
        connection.await
    });
    // The proxy connects to the host when it has the request: both waits are one here.
    let limit = [options.connect_timeout, options.first_byte_timeout]
        .map(|limit| limit.unwrap_or(PATIENCE))
        .iter()
        .fold(Duration::ZERO, |sum, limit| sum.saturating_add(*limit));
    let answer = timeout(limit, sender.send_request(request))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)?
        .map_err(broken)?;
    if let Some(error) = refusal(answer.headers()) {
        return Err(error);
    }
    let between = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let answer = answer.map(|incoming| {
        ResponseBody {
            incoming,
            between,
            waiting: None,
        }
        .boxed_unsync()
    });
    Ok((
        answer,
        Box::new(async move { connection.await.map_err(broken) }),
    ))
}

async fn drain(mut body: WasiBody) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn broken(error: hyper::Error) -> Error {
    if error.is_incomplete_message() || error.is_body_write_aborted() || error.is_canceled() {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}

/// Why the proxy did not pass the request on, if it did not: the answer is then its own.
fn refusal(headers: &http::HeaderMap) -> Option<Error> {
    let status = headers.get("proxy-status")?.to_str().ok()?;
    let mut parts = status.split(';').map(str::trim);
    if parts.next() != Some(PROXY) {
        return None;
    }
    let kind = parts.find_map(|part| part.strip_prefix("error="))?;
    Some(match kind {
        "http_request_denied" => Error::HttpRequestDenied,
        "http_request_error" => Error::HttpRequestUriInvalid,
        "dns_error" => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        "destination_ip_prohibited" => Error::DestinationIpProhibited,
        "connection_refused" => Error::ConnectionRefused,
        "connection_terminated" => Error::ConnectionTerminated,
        "connection_timeout" => Error::ConnectionTimeout,
        "connection_limit_reached" => Error::ConnectionLimitReached,
        "tls_protocol_error" => Error::TlsProtocolError,
        "tls_certificate_error" => Error::TlsCertificateError,
        "http_response_timeout" => Error::HttpResponseTimeout,
        "http_protocol_error" => Error::HttpProtocolError,
        "http_upgrade_failed" => Error::HttpUpgradeFailed,
        other => Error::InternalError(Some(other.to_owned())),
    })
}

/// An answer's body, with a limit for each wait.
struct ResponseBody {
    incoming: Incoming,
    between: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(broken)));
        }
        let between = self.between;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(between)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
