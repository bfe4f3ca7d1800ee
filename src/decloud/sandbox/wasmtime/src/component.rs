//! Engines for components, and components that are ready for instances.

use crate::state::State;
use std::ffi::c_char;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Precompiled,
    Result,
};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

const WASM_STACK: usize = 1024 * 1024;
const MAXIMUM_MEMORY: usize = 1 << 32;
const MEMORIES: u32 = 2;
const CORE_INSTANCES: u32 = 32;
const TABLES: u32 = 16;

pub struct HttpEngine {
    engine: Engine,
    linker: Linker<State>,
}

pub struct HttpComponent {
    pub pre: ProxyPre<State>,
}

fn config(slots: u32) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_memory64(false);
    config.relaxed_simd_deterministic(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK);
    config.async_stack_size(2 * WASM_STACK);
    config.cranelift_opt_level(OptLevel::Speed);
    config.memory_init_cow(true);
    if slots > 0 {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots);
        pool.total_core_instances(slots * CORE_INSTANCES);
        pool.total_memories(slots * MEMORIES);
        pool.total_tables(slots * TABLES);
        pool.total_stacks(slots);
        pool.max_core_instances_per_component(CORE_INSTANCES);
        pool.max_memories_per_component(MEMORIES);
        pool.max_tables_per_component(TABLES);
        pool.max_component_instance_size(1024 * 1024);
        pool.max_core_instance_size(1024 * 1024);
        pool.max_memory_size(MAXIMUM_MEMORY);
        pool.linear_memory_keep_resident(1024 * 1024);
        pool.table_keep_resident(64 * 1024);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

impl HttpEngine {
    fn new(slots: u32) -> Result<HttpEngine> {
        let engine = Engine::new(&config(slots))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        Ok(HttpEngine { engine, linker })
    }

    /// # Safety
    /// `code` is what `compile` of an equal engine made.
    unsafe fn load(&self, code: &[u8]) -> Result<HttpComponent> {
        // SAFETY: as above.
        let component = unsafe { Component::deserialize(&self.engine, code) }?;
        let pre = self.linker.instantiate_pre(&component)?;
        Ok(HttpComponent {
            pre: ProxyPre::new(pre)?,
        })
    }

    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        let code = self.engine.precompile_component(wasm)?;
        // SAFETY: it was made just now.
        unsafe { self.load(&code) }?;
        Ok(code)
    }
}

/// Puts the first line of what `error` says into `target`, cut to its size, with a zero behind it.
fn describe(error: &wasmtime::Error, target: *mut c_char, size: usize) {
    // SAFETY: the caller's buffer has that size.
    unsafe { put_text(&reason(error), target, size) }
}

/// Why something failed: where it happened is left out.
pub fn reason(error: &wasmtime::Error) -> String {
    let text = error.root_cause().to_string();
    let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

/// # Safety
/// `target` has `size` bytes, at least one.
pub unsafe fn put_text(text: &str, target: *mut c_char, size: usize) {
    let mut end = text.len().min(size - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), target.cast(), end);
        *target.add(end) = 0;
    }
}

/// Bytes that belong to the caller.
#[repr(C)]
pub struct OwnedBytes {
    data: *mut u8,
    size: usize,
}

/// # Safety
/// As the header says, for this and all others below.
#[no_mangle]
pub unsafe extern "C" fn decloud_http_engine_new(
    slots: u32,
    error: *mut c_char,
    error_size: usize,
) -> *mut HttpEngine {
    match HttpEngine::new(slots) {
        Ok(engine) => Box::into_raw(Box::new(engine)),
        Err(problem) => {
            describe(&problem, error, error_size);
            std::ptr::null_mut()
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_engine_delete(engine: *mut HttpEngine) {
    drop(unsafe { Box::from_raw(engine) });
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_engine_tick(engine: *const HttpEngine) {
    unsafe { &*engine }.engine.increment_epoch();
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_compile(
    engine: *const HttpEngine,
    wasm: *const u8,
    size: usize,
    error: *mut c_char,
    error_size: usize,
) -> OwnedBytes {
    let wasm = unsafe { std::slice::from_raw_parts(wasm, size) };
    match unsafe { &*engine }.compile(wasm) {
        Ok(code) => {
            let code = Box::into_raw(code.into_boxed_slice());
            OwnedBytes {
                data: code.cast(),
                size: code.len(),
            }
        }
        Err(problem) => {
            describe(&problem, error, error_size);
            OwnedBytes {
                data: std::ptr::null_mut(),
                size: 0,
            }
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_bytes_delete(bytes: OwnedBytes) {
    let whole = std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.size);
    drop(unsafe { Box::from_raw(whole) });
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_is_compiled_component(code: *const u8, size: usize) -> bool {
    let code = unsafe { std::slice::from_raw_parts(code, size) };
    matches!(
        Engine::detect_precompiled(code),
        Some(Precompiled::Component)
    )
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_component_load(
    engine: *const HttpEngine,
    code: *const u8,
    size: usize,
    error: *mut c_char,
    error_size: usize,
) -> *mut HttpComponent {
    let code = unsafe { std::slice::from_raw_parts(code, size) };
    match unsafe { (*engine).load(code) } {
        Ok(component) => Box::into_raw(Box::new(component)),
        Err(problem) => {
            describe(&problem, error, error_size);
            std::ptr::null_mut()
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn decloud_http_component_delete(component: *mut HttpComponent) {
    drop(unsafe { Box::from_raw(component) });
}
