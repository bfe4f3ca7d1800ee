#ifndef DECLOUD_WASMTIME_H
#define DECLOUD_WASMTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A host for components that export wasi:http/incoming-handler (WASI 0.2). What fails says why in
/// `error`: one line with a zero behind it, cut to `error_size` bytes.

/// An engine of its own: components cannot be run by the C API's. Thread safe.
typedef struct decloud_http_engine decloud_http_engine_t;
/// A component that is ready for instances. Thread safe. Keeps its engine.
typedef struct decloud_http_component decloud_http_component_t;
/// Bytes that belong to the caller; null if there are none.
typedef struct decloud_http_bytes {
    uint8_t* data;
    size_t size;
} decloud_http_bytes_t;

/// `slots` is how many instances may live at the same time; 0 makes an engine that only compiles.
/// Null: failed.
decloud_http_engine_t* decloud_http_engine_new(uint32_t slots, char* error, size_t error_size);
void decloud_http_engine_delete(decloud_http_engine_t* engine);
/// Makes every run of the engine ask `check` soon.
void decloud_http_engine_tick(const decloud_http_engine_t* engine);

/// Compiles a component and makes sure that it can be loaded.
decloud_http_bytes_t decloud_http_compile(const decloud_http_engine_t* engine,
    const uint8_t* wasm,
    size_t size,
    char* error,
    size_t error_size);
void decloud_http_bytes_delete(decloud_http_bytes_t bytes);
/// False also for what is no compiled code.
bool decloud_http_is_compiled_component(const uint8_t* code, size_t size);
/// `code` must be what `decloud_http_compile` made: it is not checked. Null: failed.
decloud_http_component_t* decloud_http_component_load(const decloud_http_engine_t* engine,
    const uint8_t* code,
    size_t size,
    char* error,
    size_t error_size);
void decloud_http_component_delete(decloud_http_component_t* component);

/// What a run asks of its caller, on the thread that calls `decloud_http_serve`. None may block.
typedef struct decloud_http_callbacks {
    void* data;
    /// False: the run must end.
    bool (*check)(void* data);
    /// The next bytes of the request's body. 0: its end, -1: none now, -2: the run must end.
    ssize_t (*read)(void* data, uint8_t* target, size_t size);
    /// Readable when `read` has more.
    int (*input_descriptor)(void* data);
    /// Takes the front of the answer's next bytes and returns how many. -1: the run must end.
    ssize_t (*offer)(void* data, const uint8_t* bytes, size_t size);
    /// Sends what was taken on its way. 0: done, 1: again when the output is writable, -1: the run
    /// must end.
    int (*push)(void* data);
    /// Writable when `push` can go on.
    int (*output_descriptor)(void* data);
    /// What the guest writes to standard output and standard error.
    void (*write_error)(void* data, const uint8_t* bytes, size_t size);
    /// A new connection to the proxy that the guest's own requests go through: a stream socket that
    /// does not block and that the run then owns. -1: there can be no more. Null: the guest may
    /// send no requests.
    int (*connect)(void* data);
} decloud_http_callbacks_t;

typedef struct decloud_http_settings {
    /// An HTTP/1.1 request's head, complete.
    const uint8_t* head;
    size_t head_size;
    /// "NAME=VALUE\0" one after the other: the guest's variables.
    const uint8_t* environment;
    size_t environment_size;
    /// Most that its memories may have together.
    uint64_t memory_bytes;
} decloud_http_settings_t;

typedef enum decloud_http_end {
    DECLOUD_HTTP_ANSWERED = 0,
    /// A callback wanted it.
    DECLOUD_HTTP_STOPPED = 1,
    DECLOUD_HTTP_TRAPPED = 2,
    /// It ended itself, with `exit_code`.
    DECLOUD_HTTP_EXITED = 3,
    /// It wanted more than any component gets.
    DECLOUD_HTTP_LIMIT = 4,
    /// Not its own doing.
    DECLOUD_HTTP_FAILED = 5,
} decloud_http_end_t;

typedef struct decloud_http_result {
    int end;
    int exit_code;
    /// It asked for more memory than it may have.
    bool memory_refused;
    uint64_t peak_bytes;
    /// Why, in one line with a zero behind it.
    char detail[304];
} decloud_http_result_t;

/// Gives one request to a fresh instance and its answer to `offer`, as a CGI program prints it.
/// Returns when the instance is gone.
void decloud_http_serve(const decloud_http_component_t* component,
    const decloud_http_callbacks_t* callbacks,
    const decloud_http_settings_t* settings,
    decloud_http_result_t* result);

#ifdef __cplusplus
}
#endif

#endif
