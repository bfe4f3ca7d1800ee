/// A component in C without a standard library: answers with the path and then the body of what it
/// was asked; behind /to/AUTHORITY with what that host says to GET /. The imports are named, and
/// their arguments passed, as the component model's canonical ABI says.

#include <stddef.h>
#include <stdint.h>

#define TYPES "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

typedef int32_t handle_t;

/// What a function returns that does not fit into one number.
typedef struct {
    uint8_t is_error;
    handle_t value;
} handle_result_t;
typedef struct {
    uint8_t is_some;
    const uint8_t* data;
    size_t size;
} optional_text_t;
typedef struct {
    uint8_t is_error;
    const uint8_t* data;
    size_t size;
} read_result_t;
typedef struct {
    uint8_t is_error;
    uint32_t kind;
    handle_t error;
} write_result_t;
/// `error-code` aligns to eight bytes.
typedef struct {
    uint64_t words[5];
} finish_result_t;
/// A handle, or an `error-code`, whose first byte says which.
typedef union {
    handle_t value;
    uint8_t error;
    uint64_t words[4];
} handle_or_error_t;
typedef struct {
    uint64_t is_error;
    handle_or_error_t it;
} started_result_t;
typedef struct {
    uint64_t is_some;
    uint64_t was_taken;
    uint8_t is_error;
    handle_or_error_t it;
} arrived_result_t;

IMPORT(TYPES, "[method]incoming-request.path-with-query")
void request_path(handle_t request, optional_text_t* path);
IMPORT(TYPES, "[method]incoming-request.consume")
void request_consume(handle_t request, handle_result_t* body);
IMPORT(TYPES, "[method]incoming-body.stream")
void incoming_stream(handle_t body, handle_result_t* stream);
IMPORT(TYPES, "[constructor]fields") handle_t fields_new(void);
IMPORT(TYPES, "[constructor]outgoing-response") handle_t response_new(handle_t fields);
IMPORT(TYPES, "[method]outgoing-response.body")
void response_body(handle_t response, handle_result_t* body);
IMPORT(TYPES, "[static]response-outparam.set")
void set_response(handle_t outparam,
    int32_t is_error,
    handle_t response,
    int32_t unused_1,
    int64_t unused_2,
    int32_t unused_3,
    int32_t unused_4,
    int32_t unused_5,
    int32_t unused_6);
IMPORT(TYPES, "[method]outgoing-body.write")
void outgoing_stream(handle_t body, handle_result_t* stream);
IMPORT(TYPES, "[static]outgoing-body.finish")
void body_finish(handle_t body, int32_t has_trailers, handle_t trailers, finish_result_t* result);
IMPORT(TYPES, "[constructor]outgoing-request") handle_t request_new(handle_t fields);
IMPORT(TYPES, "[method]outgoing-request.set-authority")
int32_t set_authority(handle_t request, int32_t is_some, const uint8_t* text, size_t size);
IMPORT(TYPES, "[method]outgoing-request.set-scheme")
int32_t set_scheme(
    handle_t request, int32_t is_some, int32_t scheme, const uint8_t* other, size_t other_size);
IMPORT(TYPES, "[method]outgoing-request.set-path-with-query")
int32_t set_path(handle_t request, int32_t is_some, const uint8_t* text, size_t size);
IMPORT("wasi:http/outgoing-handler@0.2.12", "handle")
void send_request(
    handle_t request, int32_t has_options, handle_t options, started_result_t* result);
IMPORT(TYPES, "[method]future-incoming-response.subscribe") handle_t subscribe(handle_t future);
IMPORT(TYPES, "[method]future-incoming-response.get")
void future_get(handle_t future, arrived_result_t* result);
IMPORT("wasi:io/poll@0.2.12", "[method]pollable.block") void pollable_block(handle_t pollable);
IMPORT(TYPES, "[method]incoming-response.consume")
void response_consume(handle_t response, handle_result_t* body);
IMPORT(STREAMS, "[method]input-stream.blocking-read")
void stream_read(handle_t stream, uint64_t most, read_result_t* result);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
void stream_write(handle_t stream, const uint8_t* data, size_t size, write_result_t* result);
IMPORT(STREAMS, "[resource-drop]output-stream") void output_stream_drop(handle_t stream);

enum { kMemory = 64 * 1024, kChunk = 4096 };

static _Alignas(16) uint8_t memory[kMemory];
static size_t used;

/// Where the host puts texts and lists. They are given back by setting `used` to what it was.
EXPORT("cabi_realloc")
void* allocate(void* old, size_t old_size, size_t alignment, size_t size) {
    (void)old;
    (void)old_size;
    used = (used + alignment - 1) / alignment * alignment;
    if (size > kMemory - used) {
        __builtin_trap();
    }
    used += size;
    return memory + used - size;
}

static handle_t expect(handle_result_t result) {
    if (result.is_error) {
        __builtin_trap();
    }
    return result.value;
}

static void write(handle_t stream, const uint8_t* data, size_t size) {
    write_result_t result;
    stream_write(stream, data, size, &result);
    if (result.is_error) {
        __builtin_trap();
    }
}

static void pass(handle_t body, handle_t output) {
    handle_result_t input;
    incoming_stream(body, &input);
    while (1) {
        const size_t before = used;
        read_result_t chunk;
        stream_read(expect(input), kChunk, &chunk);
        if (chunk.is_error) {
            return;
        }
        write(output, chunk.data, chunk.size);
        used = before;
    }
}

static void echo(handle_t request, handle_t output) {
    handle_result_t body;
    request_consume(request, &body);
    pass(expect(body), output);
}

static void say_error(handle_t output, uint8_t number) {
    const uint8_t text[] = {'e', 'r', 'r', 'o', 'r', ' ', '0' + number / 10, '0' + number % 10};
    write(output, text, sizeof text);
}

static void ask(const uint8_t* authority, size_t size, handle_t output) {
    const handle_t request = request_new(fields_new());
    // 0: http.
    if (set_authority(request, 1, authority, size) || set_scheme(request, 1, 0, 0, 0) ||
        set_path(request, 1, (const uint8_t*)"/", 1)) {
        __builtin_trap();
    }
    started_result_t started = {0};
    send_request(request, 0, 0, &started);
    if (started.is_error & 0xff) {
        say_error(output, started.it.error);
        return;
    }
    pollable_block(subscribe(started.it.value));
    arrived_result_t arrived = {0};
    future_get(started.it.value, &arrived);
    if (arrived.is_error) {
        say_error(output, arrived.it.error);
        return;
    }
    handle_result_t body;
    response_consume(arrived.it.value, &body);
    pass(expect(body), output);
}

/// The length of "/to/", if the path begins with it.
static size_t begins_with_to(optional_text_t path) {
    const uint8_t prefix[] = {'/', 't', 'o', '/'};
    for (size_t i = 0; i < sizeof prefix; ++i) {
        if (!path.is_some || i >= path.size || path.data[i] != prefix[i]) {
            return 0;
        }
    }
    return sizeof prefix;
}

EXPORT("wasi:http/incoming-handler@0.2.12#handle")
void handle(handle_t request, handle_t outparam) {
    handle_result_t body;
    handle_result_t output;
    optional_text_t path;
    finish_result_t finished;
    const handle_t response = response_new(fields_new());
    response_body(response, &body);
    set_response(outparam, 0, response, 0, 0, 0, 0, 0, 0);
    outgoing_stream(expect(body), &output);
    request_path(request, &path);
    write(expect(output), path.data, path.is_some ? path.size : 0);
    write(expect(output), (const uint8_t*)"\n", 1);
    const size_t prefix = begins_with_to(path);
    if (prefix > 0) {
        ask(path.data + prefix, path.size - prefix, expect(output));
    } else {
        echo(request, expect(output));
    }
    output_stream_drop(expect(output));
    body_finish(expect(body), 0, 0, &finished);
}
