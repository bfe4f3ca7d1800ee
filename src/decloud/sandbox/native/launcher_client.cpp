#include "launcher_client.hpp"

#include <decloud/base/log.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace decloud::sandbox::native {

using internal::UniqueFd;
using internal::WireReader;
using internal::WireWriter;

namespace {

constexpr std::chrono::seconds kReadyTime{10};
constexpr std::chrono::seconds kTidyTime{2};
constexpr std::uint32_t kMaximumLines = 16;

}  // namespace

std::optional<LauncherReport> parse_ready(BytesView message) {
    WireReader reader(message);
    const auto kind = reader.get<MessageKind>();
    LauncherReport report;
    report.usable = reader.get<std::uint8_t>() != 0;
    const auto lines = reader.get<std::uint32_t>();
    for (std::uint32_t i = 0; i < lines && i < kMaximumLines; ++i) {
        report.missing.emplace_back(reader.get_text());
    }
    report.no_freezer = reader.get_text();
    return reader.complete() && kind == MessageKind::ready ? std::optional(std::move(report))
                                                           : std::nullopt;
}

LauncherClient::LauncherClient(async::Executor executor, internal::WorkerProcess process)
    : ready_(executor) {
    channel_ = std::make_unique<internal::WorkerChannel>(executor, std::move(process),
        internal::WorkerChannel::Handlers{
            .on_message = [this](internal::Message message) { return on_message(message.data); },
            .on_end = [this](const std::string& how) { on_end(how); }});
}

async::Task<Result<void>> LauncherClient::ready() {
    CO_TRY_VOID(co_await ready_.wait(kReadyTime));
    if (!failure_.empty()) {
        co_return fail(CommonError::unavailable, failure_);
    }
    co_return Result<void>{};
}

void LauncherClient::start(
    PendingRun& run, std::uint64_t id, Bytes message, std::vector<UniqueFd> fds) {
    if (ended_) {
        run.done.set();
        return;
    }
    if (message.size() > internal::kMaximumMessage) {
        // The launcher could not read it.
        run.result.emplace();
        run.result->id = id;
        run.result->end = Outcome::End::limit;
        run.result->detail = "its command and environment are too long";
        run.done.set();
        return;
    }
    runs_[id] = &run;
    channel_->send(std::move(message), std::move(fds));
}

void LauncherClient::kill_run(std::uint64_t id) { send_about(MessageKind::kill, id); }

void LauncherClient::terminate_run(std::uint64_t id) { send_about(MessageKind::terminate, id); }

void LauncherClient::freeze_run(std::uint64_t id) { send_about(MessageKind::freeze, id); }

void LauncherClient::thaw_run(std::uint64_t id) { send_about(MessageKind::thaw, id); }

void LauncherClient::send_about(MessageKind kind, std::uint64_t id) {
    if (!runs_.contains(id)) {
        return;
    }
    WireWriter writer;
    writer.put(kind);
    writer.put(id);
    channel_->send(writer.take());
}

bool LauncherClient::on_ready(BytesView message) {
    const auto report = parse_ready(message);
    if (!report) {
        return false;
    }
    const std::string missing = fmt::format("{}", fmt::join(report->missing, "; "));
    if (!report->usable) {
        failure_ = "native programs cannot be contained on this machine: " + missing +
                   " (see `decloud doctor`)";
    } else if (!missing.empty()) {
        log::warning("sandbox", "native programs run without a layer, as configured: {}", missing);
    }
    can_freeze_ = report->no_freezer.empty();
    ready_.set();
    return true;
}

bool LauncherClient::on_freezer(BytesView message) {
    const auto state = parse_freezer(message);
    if (!state) {
        return false;
    }
    // The run may have ended meanwhile.
    if (const auto place = runs_.find(state->id); place != runs_.end()) {
        place->second->frozen = state->frozen;
        place->second->freezer_answered.set();
    }
    return true;
}

void LauncherClient::end(PendingRun& run) {
    run.done.set();
    run.freezer_answered.set();
}

bool LauncherClient::on_message(BytesView message) {
    if (static_cast<MessageKind>(message.front()) == MessageKind::ready) {
        return on_ready(message);
    }
    if (static_cast<MessageKind>(message.front()) == MessageKind::freezer) {
        return on_freezer(message);
    }
    auto done = parse_done(message);
    if (!done) {
        return false;
    }
    const auto place = runs_.find(done->id);
    if (place == runs_.end()) {
        return false;
    }
    PendingRun& run = *place->second;
    runs_.erase(place);
    run.result = std::move(done);
    end(run);
    return true;
}

void LauncherClient::on_end(const std::string& how) {
    ended_ = true;
    if (failure_.empty()) {
        failure_ = "the launcher ended: " + how;
    }
    ready_.set();
    for (auto& [id, run] : std::exchange(runs_, {})) {
        end(*run);
    }
}

async::Task<void> LauncherClient::stop() { co_await channel_->stop(kTidyTime); }

}  // namespace decloud::sandbox::native
