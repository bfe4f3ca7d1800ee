//! Wasmtime's C API, re-exported so that one archive holds every symbol the C++ side links.

pub use wasmtime_c_api::*;
