/// A verifier whose requests' first byte says what it does with the responses.

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

enum { kMinimum = 3, kPage = 65536 };

extern uint8_t __heap_base;
static size_t used;
static int32_t calls;

EXPORT("alloc") void* allocate(size_t size) {
    const size_t begin = used ? used : (size_t)&__heap_base;
    const size_t missing = begin + size > __builtin_wasm_memory_size(0) * kPage
                               ? begin + size - __builtin_wasm_memory_size(0) * kPage
                               : 0;
    if (missing) {
        __builtin_wasm_memory_grow(0, (missing + kPage - 1) / kPage);
    }
    used = begin + size;
    return (void*)begin;
}

EXPORT("minRequests") int32_t min_requests(void) { return kMinimum; }

/// One byte for each answer: those that differ from the first are wrong.
static int32_t compare(const uint8_t* responses, size_t size) {
    int32_t wrong = 0;
    for (size_t i = 0; i < size; ++i) {
        wrong |= (int32_t)(responses[i] != responses[0]) << i;
    }
    return wrong;
}

static int32_t grow(void) {
    int32_t pages = 0;
    while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
        ++pages;
    }
    return pages;
}

/// Sign and payload of a NaN that came out of a calculation.
static int32_t nan_bits(const uint8_t* responses) {
    volatile float zero = (float)(responses[0] - responses[0]);
    union {
        float number;
        uint32_t bits;
    } result = {.number = zero / zero};
    return (int32_t)(result.bits >> 1);
}

/// Nothing of it is in memory, so that the engine's own stack ends it; no loop can replace it.
static uint32_t deep(uint32_t depth) { return depth == 0 ? 1 : deep(depth - 1) * 3 + depth; }

EXPORT("verify")
int32_t verify(const uint8_t* requests,
    size_t requests_size,
    const uint8_t* responses,
    size_t responses_size) {
    ++calls;
    switch (requests_size ? requests[0] : 0) {
        case 'c':
            return compare(responses, responses_size);
        case 'u':
            return -1;
        case 'i':
            return -2;
        case 'n':
            return nan_bits(responses);
        case 'g':
            return grow();
        case 'f':
            return calls;
        case 's':
            return (int32_t)responses_size;
        case 'd':
            return (int32_t)deep(UINT32_MAX);
        case 'l':
            for (volatile int32_t i = 0;; ++i) {
            }
        default:
            __builtin_trap();
    }
}
