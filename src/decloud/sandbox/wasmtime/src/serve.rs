//! One request to a fresh instance, and its answer in CGI's form.

use crate::body::RequestBody;
use crate::component::{put_text, reason, HttpComponent};
use crate::host::{Callbacks, Host, Stopped};
use crate::state::State;
use futures_util::future::{select, Either};
use http_body_util::BodyExt;
use std::cell::OnceCell;
use std::ffi::{c_char, c_int};
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// What a CGI answer's head may be, with room for its first line.
const HEAD_BYTES: usize = 16 * 1024 - 64;
/// How long a short piece of the answer may wait for a longer one.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often a run that waits is looked after.
const WATCH: Duration = Duration::from_millis(20);

#[repr(C)]
pub struct RunSettings {
    head: *const u8,
    head_size: usize,
    environment: *const u8,
    environment_size: usize,
    memory_bytes: u64,
}

#[repr(C)]
pub struct RunResult {
    end: c_int,
    exit_code: c_int,
    memory_refused: bool,
    peak_bytes: u64,
    detail: [c_char; 304],
}

enum End {
    /// The guest has ended, and its answer is out.
    Answered,
    /// Whoever looks after the run says so.
    Stopped,
    /// The guest broke.
    Trapped(String),
    /// The guest asked to be ended.
    Exited(i32),
    /// It asked for more than any guest gets.
    Limit(String),
    /// Not the guest's doing.
    Failed(String),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> End {
        End::Stopped
    }
}

type Answer = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// What a guest used.
#[derive(Default)]
struct Usage {
    bytes: usize,
    refused: bool,
}

fn parse_head(head: &str, host: Host) -> Option<http::Request<RequestBody>> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut request = http::Request::builder()
        .method(first.next()?)
        .uri(first.next()?);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim().as_bytes());
    }
    request.body(RequestBody::new(host)).ok()
}

fn parse_environment(text: &[u8]) -> Vec<(String, String)> {
    text.split(|byte| *byte == 0)
        .filter_map(|variable| std::str::from_utf8(variable).ok()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The answer's head as a CGI program prints it.
fn cgi_head(answer: &http::response::Parts) -> Result<Vec<u8>, End> {
    let mut head = format!("Status: {}\n", answer.status.as_u16()).into_bytes();
    for (name, value) in &answer.headers {
        if name != "status" && name != "content-length" {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.push(b'\n');
        }
    }
    head.push(b'\n');
    if head.len() > HEAD_BYTES {
        let detail = format!("the head of the answer is longer than {HEAD_BYTES} bytes");
        return Err(End::Limit(detail));
    }
    Ok(head)
}

async fn run_guest(
    component: &HttpComponent,
    mut store: Store<State>,
    request: http::Request<RequestBody>,
    answer: oneshot::Sender<Answer>,
    usage: &mut Usage,
) -> Result<(), End> {
    let scheme = match request.headers().get("x-forwarded-proto") {
        Some(scheme) if scheme == "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    let called = async {
        use wasmtime_wasi_http::WasiHttpView;
        let request = store
            .data_mut()
            .http()
            .new_incoming_request(scheme, request)?;
        let answer = store.data_mut().http().new_response_outparam(answer)?;
        let guest = component.pre.instantiate_async(&mut store).await?;
        guest
            .wasi_http_incoming_handler()
            .call_handle(&mut store, request, answer)
            .await
    }
    .await;
    usage.bytes = store.data().limits.used();
    usage.refused = store.data().limits.refused();
    called.map_err(|error| match error.downcast_ref::<I32Exit>() {
        Some(exit) => End::Exited(exit.0),
        None => End::Trapped(reason(&error)),
    })
}

async fn send_answer(host: Host, answer: oneshot::Receiver<Answer>) -> Result<(), End> {
    let answer = match answer.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(code)) => return Err(End::Trapped(format!("it answered with {code:?}"))),
        Err(_) => return Err(End::Trapped("it ended without an answer".to_owned())),
    };
    let (head, mut body) = answer.into_parts();
    host.write(&cgi_head(&head)?).await?;
    let mut due = Some(Instant::now() + PATIENCE);
    loop {
        let frame = match due {
            Some(time) => match tokio::time::timeout_at(time, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => {
                    host.push().await?;
                    due = None;
                    continue;
                }
            },
            None => body.frame().await,
        };
        let frame = match frame {
            None => return Ok(()),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                return Err(End::Trapped(format!("the answer is not whole: {error}")))
            }
        };
        if let Ok(data) = frame.into_data() {
            host.write(&data).await?;
            due = due.or_else(|| Some(Instant::now() + PATIENCE));
        }
    }
}

async fn watch(host: Host) -> End {
    loop {
        tokio::time::sleep(WATCH).await;
        if !host.check() {
            return End::Stopped;
        }
    }
}

async fn serve(
    component: &HttpComponent,
    host: Host,
    settings: &RunSettings,
    usage: &mut Usage,
) -> End {
    // SAFETY: the caller's texts are valid during the call.
    let (head, environment) = unsafe {
        (
            std::slice::from_raw_parts(settings.head, settings.head_size),
            std::slice::from_raw_parts(settings.environment, settings.environment_size),
        )
    };
    let request = std::str::from_utf8(head)
        .ok()
        .and_then(|head| parse_head(head, host));
    let Some(request) = request else {
        return End::Limit("the request cannot be given to a component".to_owned());
    };
    let memory = usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX);
    let state = State::new(host, memory, &parse_environment(environment));
    let mut store = Store::new(component.pre.engine(), state);
    store.limiter(|state| &mut state.limits);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        if store.data().host.check() {
            // Others of this run get a turn: its answer, its watch.
            Ok(UpdateDeadline::Yield(1))
        } else {
            Err(wasmtime::Error::msg("the run has ended"))
        }
    });
    let (sender, receiver) = oneshot::channel();
    let run = async {
        let guest = pin!(run_guest(component, store, request, sender, usage));
        let answer = pin!(send_answer(host, receiver));
        match select(guest, answer).await {
            Either::Left((ended, answer)) => {
                ended?;
                answer.await
            }
            Either::Right((Ok(()), guest)) => guest.await,
            // Why it gave no answer is known better by its end.
            Either::Right((Err(End::Trapped(why)), guest)) => {
                guest.await?;
                Err(End::Trapped(why))
            }
            Either::Right((Err(end), _)) => Err(end),
        }
    };
    match select(pin!(run), pin!(watch(host))).await {
        Either::Left((Ok(()), _)) => End::Answered,
        Either::Left((Err(end), _)) | Either::Right((end, _)) => end,
    }
}

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn decloud_http_serve(
    component: *const HttpComponent,
    callbacks: *const Callbacks,
    settings: *const RunSettings,
    result: *mut RunResult,
) {
    let (host, result) = unsafe { (Host::new(callbacks), &mut *result) };
    let mut usage = Usage::default();
    let end = RUNTIME.with(|cell| {
        if cell.get().is_none() {
            match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => drop(cell.set(runtime)),
                Err(error) => return End::Failed(error.to_string()),
            }
        }
        let runtime = cell.get().expect("was made above");
        let end = runtime.block_on(unsafe { serve(&*component, host, &*settings, &mut usage) });
        // What the run has left behind ends in its next turn: connections among it.
        runtime.block_on(tokio::task::yield_now());
        end
    });
    let (number, exit_code, detail) = match end {
        End::Answered => (0, 0, String::new()),
        End::Stopped => (1, 0, String::new()),
        End::Trapped(why) => (2, 0, why),
        End::Exited(code) => (3, code, String::new()),
        End::Limit(why) => (4, 0, why),
        End::Failed(why) => (5, 0, why),
    };
    result.end = number;
    result.exit_code = exit_code;
    result.memory_refused = usage.refused;
    result.peak_bytes = usage.bytes as u64;
    unsafe { put_text(&detail, result.detail.as_mut_ptr(), result.detail.len()) }
}
