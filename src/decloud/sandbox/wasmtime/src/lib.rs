//! Wasmtime's C API, re-exported so that one archive holds every symbol the C++ side links, and a
//! host for components that export `wasi:http/incoming-handler`, which the C API cannot call.
//! `include/decloud_wasmtime.h` says what each function does.

pub use wasmtime_c_api::*;

mod body;
mod component;
mod host;
mod limits;
mod outgoing;
mod serve;
mod state;
