#include "protocol.hpp"

namespace decloud::sandbox::native {

using internal::WireReader;
using internal::WireWriter;

Bytes encode_run(std::uint64_t id,
    const ProgramStart& start,
    const Environment& environment,
    const Limits& limits,
    Network network) {
    std::string text;
    for (const auto& [name, value] : environment) {
        text += name;
        text += '=';
        text += value;
        text += '\0';
    }
    WireWriter writer;
    writer.put(MessageKind::run);
    writer.put(RunNumbers{.id = id,
        .memory_bytes = limits.memory_bytes,
        .tmp_bytes = limits.tmp_bytes,
        .wall_ms = static_cast<std::uint32_t>(limits.wall.count()),
        .pids = limits.pids,
        .cpu_millis = limits.cpu_millis,
        .tmp_inodes = limits.tmp_inodes,
        .files = limits.files,
        .has_way_out = network == Network::way_out ? 1U : 0U,
        .user = start.user,
        .group = start.group});
    writer.put_text(start.root);
    writer.put_text(start.folder);
    std::string arguments;
    for (const std::string& argument : start.arguments) {
        arguments += argument;
        arguments += '\0';
    }
    writer.put_text(arguments);
    writer.put_text(text);
    return writer.take();
}

std::optional<RunRequest> parse_run(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    RunRequest request;
    request.numbers = reader.get<RunNumbers>();
    request.package = reader.get_text();
    request.folder = reader.get_text();
    request.arguments = reader.get_text();
    request.environment = reader.get_text();
    return reader.complete() && kind == MessageKind::run ? std::optional(std::move(request))
                                                         : std::nullopt;
}

Bytes encode(const RunDone& done) {
    WireWriter writer;
    writer.put(MessageKind::done);
    writer.put(done.id);
    writer.put(static_cast<std::uint8_t>(done.end));
    writer.put(done.exit_code);
    writer.put(done.cpu_us);
    writer.put(done.peak_bytes);
    writer.put_text(done.detail);
    return writer.take();
}

std::optional<RunDone> parse_done(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    RunDone done;
    done.id = reader.get<std::uint64_t>();
    const auto end = reader.get<std::uint8_t>();
    done.exit_code = reader.get<std::int32_t>();
    done.cpu_us = reader.get<std::uint64_t>();
    done.peak_bytes = reader.get<std::uint64_t>();
    done.detail = reader.get_text();
    if (!reader.complete() || kind != MessageKind::done ||
        end > static_cast<std::uint8_t>(Outcome::End::sandbox_failed)) {
        return std::nullopt;
    }
    done.end = static_cast<Outcome::End>(end);
    return done;
}

Bytes encode(const FreezerState& state) {
    WireWriter writer;
    writer.put(MessageKind::freezer);
    writer.put(state.id);
    writer.put(static_cast<std::uint8_t>(state.frozen));
    return writer.take();
}

std::optional<FreezerState> parse_freezer(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    FreezerState state;
    state.id = reader.get<std::uint64_t>();
    state.frozen = reader.get<std::uint8_t>() != 0;
    return reader.complete() && kind == MessageKind::freezer ? std::optional(state) : std::nullopt;
}

Bytes encode_text(MessageKind kind, std::string_view text) {
    WireWriter writer;
    writer.put(kind);
    writer.put_text(text);
    return writer.take();
}

}  // namespace decloud::sandbox::native
