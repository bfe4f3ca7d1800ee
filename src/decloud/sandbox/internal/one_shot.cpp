#include "one_shot.hpp"

#include "channel.hpp"

#include <decloud/async/event.hpp>

#include <sys/mman.h>
#include <sys/stat.h>

#include <optional>

namespace decloud::sandbox::internal {

namespace {

/// Codes that travel; everything else becomes `internal`.
std::uint32_t code_number(const Error& error) {
    const auto& code = error.code();
    return code.category() == make_error_code(CommonError::internal).category()
               ? static_cast<std::uint32_t>(code.value())
               : static_cast<std::uint32_t>(CommonError::internal);
}

CommonError parse_code(std::uint32_t number) {
    return number >= static_cast<std::uint32_t>(CommonError::invalid_input) &&
                   number <= static_cast<std::uint32_t>(CommonError::internal)
               ? static_cast<CommonError>(number)
               : CommonError::internal;
}

Result<UniqueFd> parse_reply(Message message) {
    WireReader reader(message.data);
    const auto code = reader.get<std::uint32_t>();
    std::string detail(reader.get_text());
    if (!reader.complete()) {
        return fail(CommonError::internal, "a worker's answer makes no sense");
    }
    if (code != 0) {
        return fail(parse_code(code), std::move(detail));
    }
    return message.fds.empty() ? UniqueFd() : std::move(message.fds.front());
}

}  // namespace

async::Task<Result<UniqueFd>> run_one_shot(async::Executor executor,
    std::filesystem::path executable,
    std::vector<std::string> arguments,
    Bytes request,
    std::vector<UniqueFd> fds,
    std::chrono::milliseconds limit,
    async::CancellationToken cancel) {
    CO_TRY(auto process, WorkerProcess::start(executable, arguments));
    async::Event ended(executor);
    Result<UniqueFd> reply = fail(CommonError::limit_exceeded, "took too long");
    bool replied = false;
    WorkerChannel channel(executor, std::move(process),
        {.on_message =
                [&](Message message) {
                    if (!std::exchange(replied, true)) {
                        reply = parse_reply(std::move(message));
                    }
                    return true;
                },
            .on_end =
                [&](std::string how) {
                    // Killed: by a limit that what it worked on made it reach.
                    if (!std::exchange(replied, true)) {
                        reply = fail(how.starts_with("killed") ? CommonError::limit_exceeded
                                                               : CommonError::unavailable,
                            "the worker ended early: " + how);
                    }
                    ended.set();
                }});
    const auto registration = cancel.on_cancel([&] {
        if (!std::exchange(replied, true)) {
            reply = fail(CommonError::cancelled, "the sandbox is stopping");
        }
        ended.set();
    });
    channel.send(std::move(request), std::move(fds));
    const auto waited = co_await ended.wait(limit);
    if (!waited && !std::exchange(replied, true) &&
        waited.error() != make_error_code(CommonError::timeout)) {
        reply = fail(waited.error());
    }
    // It took too long: however it ends now, that is the answer.
    replied = true;
    co_await channel.stop();
    co_return reply;
}

int serve_one_shot(int socket, const OneShotWork& work) {
    Bytes buffer(kMaximumMessage);
    auto message = receive_message(socket, buffer, 0);
    if (!message || message->data.empty()) {
        return 1;
    }
    auto result = work(WireReader(message->data), message->fds);
    WireWriter reply;
    reply.put(result ? 0U : code_number(result.error()));
    std::string detail = result ? std::string() : result.error().detail();
    detail.resize(std::min<std::size_t>(detail.size(), 4096));
    reply.put_text(detail);
    const int fd = result && *result ? result->get() : -1;
    const auto sent = send_message(
        socket, reply.bytes(), std::span(&fd, static_cast<std::size_t>(fd >= 0 ? 1 : 0)), 0);
    return sent ? 0 : 1;
}

Result<MappedFile> MappedFile::open(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        return fail(errno_error("fstat"));
    }
    if (status.st_size == 0) {
        return MappedFile(BytesView{});
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
        return fail(errno_error("mmap"));
    }
    return MappedFile(BytesView(static_cast<const std::uint8_t*>(address), size));
}

MappedFile::~MappedFile() {
    if (!view_.empty()) {
        ::munmap(const_cast<std::uint8_t*>(view_.data()), view_.size());
    }
}

}  // namespace decloud::sandbox::internal
