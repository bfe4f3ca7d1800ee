#include "component.hpp"

#include "../internal/one_shot.hpp"
#include "engine.hpp"
#include "runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace decloud::sandbox::wasm {

namespace {

using Reason = std::array<char, 304>;

/// What the callbacks of a run work on.
struct Run {
    Stdio& stdio;
    const Connect& connect;
};

Stdio& stdio_of(void* data) { return static_cast<Run*>(data)->stdio; }

int connect(void* data) { return static_cast<Run*>(data)->connect().release(); }

bool check(void* data) { return stdio_of(data).check(); }

ssize_t read(void* data, std::uint8_t* target, std::size_t size) {
    Stdio& stdio = stdio_of(data);
    const auto count = stdio.try_read({target, size});
    if (!count) {
        return -1;
    }
    return stdio.stop() == Stdio::Stop::none ? static_cast<ssize_t>(*count) : -2;
}

int input_descriptor(void* data) { return stdio_of(data).input(); }

ssize_t offer(void* data, const std::uint8_t* bytes, std::size_t size) {
    const auto count = stdio_of(data).offer({bytes, size});
    return count ? static_cast<ssize_t>(*count) : -1;
}

int push(void* data) {
    switch (stdio_of(data).push()) {
        case Stdio::Progress::done:
            return 0;
        case Stdio::Progress::blocked:
            return 1;
        case Stdio::Progress::stopped:
            break;
    }
    return -1;
}

int output_descriptor(void* data) { return stdio_of(data).output(); }

void write_error(void* data, const std::uint8_t* bytes, std::size_t size) {
    stdio_of(data).write_error({bytes, size});
}

Outcome judge(const decloud_http_result_t& result, const Stdio& stdio) {
    Outcome outcome;
    outcome.detail = result.detail;
    switch (static_cast<decloud_http_end_t>(result.end)) {
        case DECLOUD_HTTP_ANSWERED:
            outcome.end = Outcome::End::exited;
            break;
        case DECLOUD_HTTP_TRAPPED:
            outcome.end = Outcome::End::trapped;
            break;
        case DECLOUD_HTTP_EXITED:
            outcome.end = Outcome::End::exited;
            outcome.exit_code = result.exit_code;
            break;
        case DECLOUD_HTTP_LIMIT:
            outcome.end = Outcome::End::limit;
            break;
        case DECLOUD_HTTP_STOPPED:
        case DECLOUD_HTTP_FAILED:
            break;
    }
    if (stdio.stop() != Stdio::Stop::none) {
        outcome = stopped(stdio.stop());
    } else if (outcome.end == Outcome::End::trapped && result.memory_refused) {
        outcome.end = Outcome::End::out_of_memory;
        outcome.detail = fmt::format(
            "{} bytes of memory were in use: {}", result.peak_bytes, std::string(result.detail));
    }
    return outcome;
}

}  // namespace

bool is_component_file(BytesView wasm) {
    // Behind the magic number: a module's version is 1 in 32 bits, a component's layer is 1 in the
    // upper 16 of them.
    constexpr std::size_t kLayer = 6;
    return wasm.size() >= 8 && wasm[kLayer] == 1 && wasm[kLayer + 1] == 0;
}

Result<bool> is_component_code(const internal::UniqueFd& code) {
    TRY(const auto file, internal::MappedFile::open(code.get()));
    return decloud_http_is_compiled_component(file.view().data(), file.view().size());
}

Result<ComponentEngine> ComponentEngine::make(std::uint32_t slots) {
    Reason reason{};
    auto* engine = decloud_http_engine_new(slots, reason.data(), reason.size());
    if (engine == nullptr) {
        return fail(
            CommonError::unavailable, "engine for components: " + std::string(reason.data()));
    }
    return ComponentEngine(engine);
}

Result<internal::UniqueFd> ComponentEngine::compile(BytesView wasm) const {
    Reason reason{};
    const auto code =
        decloud_http_compile(engine_.get(), wasm.data(), wasm.size(), reason.data(), reason.size());
    if (code.data == nullptr) {
        return fail(CommonError::invalid_input, "compiling: " + std::string(reason.data()));
    }
    auto memory = internal::make_sealed_memory({code.data, code.size});
    decloud_http_bytes_delete(code);
    return memory;
}

Result<Component> ComponentEngine::load(BytesView code) const {
    Reason reason{};
    auto* component = decloud_http_component_load(
        engine_.get(), code.data(), code.size(), reason.data(), reason.size());
    if (component == nullptr) {
        return fail(CommonError::invalid_input, std::string(reason.data()));
    }
    return Component(component);
}

Outcome run_component(const Component& component,
    const RunRequest& request,
    Stdio& stdio,
    const Connect& connect_run) {
    const auto begin = thread_time();
    Run run{.stdio = stdio, .connect = connect_run};
    const decloud_http_callbacks_t callbacks{.data = &run,
        .check = check,
        .read = read,
        .input_descriptor = input_descriptor,
        .offer = offer,
        .push = push,
        .output_descriptor = output_descriptor,
        .write_error = write_error,
        .connect = request.has_way_out ? connect : nullptr};
    const decloud_http_settings_t settings{.head = request.head.data(),
        .head_size = request.head.size(),
        .environment = request.environment.data(),
        .environment_size = request.environment.size(),
        .memory_bytes = std::min(request.memory_bytes, kMaximumMemory)};
    decloud_http_result_t result{};
    decloud_http_serve(component.get(), &callbacks, &settings, &result);
    Outcome outcome = judge(result, stdio);
    outcome.cpu = thread_time() - begin;
    outcome.peak_bytes = result.peak_bytes;
    outcome.stdout_bytes = stdio.written();
    outcome.stderr_tail = stdio.error_tail();
    return outcome;
}

}  // namespace decloud::sandbox::wasm
