#include "protocol.hpp"

#include <algorithm>

namespace decloud::sandbox::wasm {

using internal::WireReader;
using internal::WireWriter;

namespace {

/// The numbers of a RunRequest as they travel.
struct RunNumbers {
    std::uint64_t id;
    std::uint64_t memory_bytes;
    std::uint64_t response_bytes;
    std::uint32_t module;
    std::uint32_t wall_ms;
    std::uint32_t stderr_bytes;
    std::uint32_t environment_count;
};

struct DoneNumbers {
    std::uint64_t id;
    std::uint64_t cpu_us;
    std::uint64_t peak_bytes;
    std::uint64_t stdout_bytes;
    std::int32_t exit_code;
    std::uint8_t end;
    std::uint8_t streamed;
    std::uint8_t padding[2];
};

constexpr std::size_t kMaximumDetail = 1000;

}  // namespace

Bytes encode(const RunRequest& request, const Environment& environment) {
    std::size_t size = 0;
    for (const auto& [name, value] : environment) {
        size += name.size() + value.size() + 2;
    }
    WireWriter writer;
    writer.reserve(sizeof(RunNumbers) + size + request.head.size() + request.body.size() + 16);
    writer.put(MessageKind::run);
    writer.put(request.input);
    writer.put(static_cast<std::uint8_t>(request.has_way_out));
    writer.put(RunNumbers{.id = request.id,
        .memory_bytes = request.memory_bytes,
        .response_bytes = request.response_bytes,
        .module = request.module,
        .wall_ms = request.wall_ms,
        .stderr_bytes = request.stderr_bytes,
        .environment_count = static_cast<std::uint32_t>(environment.size())});
    writer.put_bytes(request.head);
    writer.put(static_cast<std::uint32_t>(size));
    for (const auto& [name, value] : environment) {
        writer.put_raw(as_bytes(name));
        writer.put('=');
        writer.put_raw(as_bytes(value));
        writer.put('\0');
    }
    writer.put_bytes(request.body);
    return writer.take();
}

std::optional<RunRequest> parse_run(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    RunRequest request;
    request.input = reader.get<InputKind>();
    request.has_way_out = reader.get<std::uint8_t>() != 0;
    const auto numbers = reader.get<RunNumbers>();
    request.id = numbers.id;
    request.module = numbers.module;
    request.wall_ms = numbers.wall_ms;
    request.memory_bytes = numbers.memory_bytes;
    request.response_bytes = numbers.response_bytes;
    request.stderr_bytes = numbers.stderr_bytes;
    request.environment_count = numbers.environment_count;
    request.head = reader.get_bytes();
    request.environment = reader.get_bytes();
    request.body = reader.get_bytes();
    if (!reader.complete() || kind != MessageKind::run || request.input > InputKind::pipe) {
        return std::nullopt;
    }
    return request;
}

Bytes encode(const RunResult& result) {
    const Outcome& outcome = result.outcome;
    WireWriter writer;
    writer.reserve(sizeof(DoneNumbers) + result.output.size() + outcome.stderr_tail.size() +
                   outcome.detail.size() + 16);
    writer.put(MessageKind::done);
    writer.put(DoneNumbers{.id = result.id,
        .cpu_us = static_cast<std::uint64_t>(outcome.cpu.count()),
        .peak_bytes = outcome.peak_bytes,
        .stdout_bytes = outcome.stdout_bytes,
        .exit_code = outcome.exit_code,
        .end = static_cast<std::uint8_t>(outcome.end),
        .streamed = static_cast<std::uint8_t>(result.streamed),
        .padding = {}});
    writer.put_text(std::string_view(outcome.detail).substr(0, kMaximumDetail));
    writer.put_text(outcome.stderr_tail);
    writer.put_bytes(result.output);
    return writer.take();
}

std::optional<RunResult> parse_done(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    const auto numbers = reader.get<DoneNumbers>();
    RunResult result;
    result.id = numbers.id;
    result.streamed = numbers.streamed != 0;
    Outcome& outcome = result.outcome;
    outcome.end = static_cast<Outcome::End>(numbers.end);
    outcome.exit_code = numbers.exit_code;
    outcome.cpu =
        std::chrono::microseconds(std::min<std::uint64_t>(numbers.cpu_us, std::uint64_t{1} << 50));
    outcome.peak_bytes = numbers.peak_bytes;
    outcome.stdout_bytes = numbers.stdout_bytes;
    outcome.detail = reader.get_text();
    outcome.stderr_tail = reader.get_text();
    result.output = reader.get_bytes();
    if (!reader.complete() || kind != MessageKind::done ||
        numbers.end > static_cast<std::uint8_t>(Outcome::End::sandbox_failed) ||
        outcome.detail.size() > kMaximumDetail || result.output.size() > kInlineOutput) {
        return std::nullopt;
    }
    return result;
}

}  // namespace decloud::sandbox::wasm
