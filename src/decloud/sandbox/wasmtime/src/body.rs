//! A request's body as the guest reads it: as much as it asks for, when it asks.

use crate::host::{Host, Input};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use tokio::io::unix::AsyncFd;
use wasmtime_wasi_http::Error;

const CHUNK: usize = 64 * 1024;

pub struct RequestBody {
    host: Host,
    /// Made when there is something to wait for.
    descriptor: Option<AsyncFd<BorrowedFd<'static>>>,
    ended: bool,
}

impl RequestBody {
    pub fn new(host: Host) -> RequestBody {
        RequestBody {
            host,
            descriptor: None,
            ended: false,
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let failed = |error: std::io::Error| Error::InternalError(Some(error.to_string()));
        if self.descriptor.is_none() {
            self.descriptor = Some(self.host.input().map_err(failed)?);
        }
        let descriptor = self.descriptor.as_ref().expect("was made above");
        ready!(descriptor.poll_read_ready(context))
            .map_err(failed)?
            .clear_ready();
        Poll::Ready(Ok(()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut chunk = BytesMut::zeroed(CHUNK);
        loop {
            match self.host.read(&mut chunk) {
                Ok(Input::Data(count)) => {
                    chunk.truncate(count);
                    return Poll::Ready(Some(Ok(Frame::data(chunk.freeze()))));
                }
                Ok(Input::End) => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                Ok(Input::WouldBlock) => {
                    if let Err(error) = ready!(self.wait(context)) {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Err(_) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
                }
            }
        }
    }
}
