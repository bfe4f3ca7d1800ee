#include <decloud/sandbox/native/launcher_client.hpp>
#include <decloud/sandbox/wasm/protocol.hpp>

/// What a worker sends may have been written by the program it ran.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const decloud::BytesView message(data, size);
    static_cast<void>(decloud::sandbox::wasm::parse_run(message));
    static_cast<void>(decloud::sandbox::wasm::parse_done(message));
    static_cast<void>(decloud::sandbox::native::parse_run(message));
    static_cast<void>(decloud::sandbox::native::parse_done(message));
    static_cast<void>(decloud::sandbox::native::parse_ready(message));
    static_cast<void>(decloud::sandbox::native::parse_freezer(message));
    return 0;
}
