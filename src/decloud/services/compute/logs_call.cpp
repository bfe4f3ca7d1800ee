#include "logs_call.hpp"

#include <decloud/async/offload.hpp>

#include <utility>

namespace decloud::services {

using protocol::Completion;
using protocol::refuse;
using protocol::Status;

namespace {

/// An empty line so often tells proxies that the answer goes on, and shows that the reader is
/// there.
constexpr std::chrono::seconds kHeartbeat{15};

class LogsCall final : public protocol::PreparedCall {
  public:
    LogsCall(
        LogsContext& context, multiformats::Cid cid, std::shared_ptr<const protocol::Call> call)
        : context_(context), cid_(std::move(cid)), call_(std::move(call)) {
        terms_.subject = cid_.to_string();
        terms_.needs_caller = true;
        terms_.max_request_bytes = 0;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& /*body*/,
        protocol::Responder& responder,
        protocol::Charge& charge,
        async::CancellationToken gone) override {
        auto owner = co_await check_owner(charge.caller());
        if (!owner) {
            co_return Completion::charged_problem({}, std::move(owner.error()));
        }
        const std::string cid = cid_.to_v1().to_string();
        const bool follows = call_->args.size() > 1 && call_->args[1] == "follow";
        const auto follower = context_.logs.follow(to_string(*owner), cid);
        if (!follower) {
            co_return Completion::charged_problem(
                {}, refuse(429, Status::declined, "too many read logs already").error());
        }
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/x-ndjson");
        head.headers.add("Cache-Control", "no-store");
        Completion completion = Completion::charged({});
        const bool complete = (co_await responder.start(std::move(head))).has_value() &&
                              co_await send(responder, cid, *follower, follows, std::move(gone));
        completion.broken = !complete;
        co_return completion;
    }

  private:
    /// By a statement that the owner has signed for this request, and that works once.
    [[nodiscard]] async::Task<protocol::Checked<Address>> check_owner(
        std::optional<Address> caller) {
        const auto owner = co_await context_.deployments.owner_of(cid_);
        if (!owner) {
            co_return std::unexpected(owner.error());
        }
        const auto statement =
            identity::parse_signed<identity::CallAuthorization>(as_text(call_->payment.payload));
        if (!statement || !caller || *caller != *owner || statement->fields.payer != *owner) {
            co_return refuse(
                403, Status::declined, "only the owner of a deployment may read its logs");
        }
        const identity::CallAuthorization& fields = statement->fields;
        const auto fresh = co_await async::offload(context_.pool, [this, &fields] {
            return context_.spent.use(
                to_string(fields.payer), to_string(fields.nonce), {fields.valid_before});
        });
        if (!fresh) {
            co_return std::unexpected(protocol::problem_from(fresh.error()));
        }
        if (*fresh == StatementUse::too_many) {
            co_return refuse(429, Status::declined, "too many authorizations were used already",
                "wait until they expire");
        }
        if (*fresh == StatementUse::again) {
            co_return refuse(409, Status::declined, "this authorization was used already",
                "sign a new one: it shows logs once");
        }
        co_return *owner;
    }

    /// One entry at a time: a slow reader holds no more than that.
    [[nodiscard]] async::Task<bool> send(
        // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
        protocol::Responder& responder,
        std::string cid,
        CallLogs::Follower& follower,
        // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
        bool follows,
        async::CancellationToken gone) {
        const auto leaving = gone.on_cancel([&follower] { follower.wake(); });
        const std::uint64_t newest = context_.logs.newest();
        std::uint64_t last = 0;
        for (;;) {
            const std::uint64_t before = last;
            while (const auto entry = context_.logs.next(cid, last)) {
                if (!follows && entry->number > newest) {
                    break;
                }
                last = entry->number;
                const std::string line = json::to_text(to_json(*entry)) + "\n";
                if (!co_await responder.write(as_bytes(line))) {
                    co_return false;
                }
            }
            if (!follows) {
                co_return true;
            }
            if (last == before && !co_await responder.write(as_bytes("\n"))) {
                co_return false;
            }
            if (context_.logs.stopped()) {
                co_return true;
            }
            co_await follower.wait(kHeartbeat);
            if (gone.cancelled()) {
                co_return false;
            }
        }
    }

    LogsContext& context_;
    multiformats::Cid cid_;
    std::shared_ptr<const protocol::Call> call_;
    protocol::Terms terms_;
};

}  // namespace

std::unique_ptr<protocol::PreparedCall> make_logs_call(
    LogsContext& context, multiformats::Cid cid, std::shared_ptr<const protocol::Call> call) {
    return std::make_unique<LogsCall>(context, std::move(cid), std::move(call));
}

}  // namespace decloud::services
