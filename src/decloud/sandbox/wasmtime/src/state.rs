//! What an instance can reach: clocks, randomness, its own variables, its standard error, and what
//! the node's proxy leads to. No files, no sockets.

use crate::host::Host;
use crate::limits::Limits;
use crate::outgoing::{Outgoing, Reply, Transmission};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// What the host keeps for one guest is bounded: so many resources, each with so many bytes.
const RESOURCES: usize = 512;
const FIELD_BYTES: usize = 32 * 1024;
const CHUNK_BYTES: usize = 32 * 1024;
const RANDOM_BYTES: u64 = 1024 * 1024;
const ERROR_BYTES: usize = 64 * 1024;

pub struct State {
    pub limits: Limits,
    pub host: Host,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl State {
    pub fn new(host: Host, memory: usize, environment: &[(String, String)]) -> State {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_BYTES);
        let wasi = WasiCtx::builder()
            .envs(environment)
            .stdout(ErrorStream(host))
            .stderr(ErrorStream(host))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        State {
            limits: Limits::new(memory),
            host,
            table,
            wasi,
            http,
            hooks: Hooks(Outgoing::new(host)),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

struct Hooks(Outgoing);

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Box<dyn Future<Output = Result<Reply, Error>> + Send> {
        Box::new(self.0.send(request, options))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// Standard output and error: what the owner of the function may read.
#[derive(Clone, Copy)]
struct ErrorStream(Host);

impl IsTerminal for ErrorStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for ErrorStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(*self)
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(*self)
    }
}

impl tokio::io::AsyncWrite for ErrorStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.write_error(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ErrorStream {
    async fn ready(&mut self) {}
}

impl OutputStream for ErrorStream {
    fn write(&mut self, data: Bytes) -> StreamResult<()> {
        self.0.write_error(&data);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(ERROR_BYTES)
    }
}
