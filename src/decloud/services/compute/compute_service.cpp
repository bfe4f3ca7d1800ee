#include "compute_service.hpp"

#include "units.hpp"

#include <decloud/identity/signed_structs.hpp>
#include <decloud/protocol/known_answer.hpp>

namespace decloud::services {

using protocol::Checked;
using protocol::Completion;
using protocol::PreparedCall;
using protocol::refuse;
using protocol::Status;

namespace {

constexpr std::uint64_t kMaxRevocationBytes = 64 * kKiB;

/// `POST /oc/v1/compute/revoke?arg=CID` with a signed `Revocation`; free.
class RevokeCall final : public PreparedCall {
  public:
    RevokeCall(Deployments& deployments, CallLogs& logs, multiformats::Cid cid)
        : deployments_(deployments), logs_(logs), cid_(std::move(cid)) {
        terms_.subject = cid_.to_string();
        terms_.max_request_bytes = kMaxRevocationBytes;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken /*gone*/) override {
        const Bytes* text = body.whole();
        if (text == nullptr) {
            co_return Completion::failed(protocol::problem_from(Error(CommonError::internal)));
        }
        auto revocation = identity::parse_signed<identity::Revocation>(as_text(*text));
        if (!revocation) {
            co_return Completion::charged_problem({},
                refuse(400, Status::bad_request, "not a revocation: " + revocation.error().detail())
                    .error());
        }
        auto revoked = co_await deployments_.revoke(cid_, *revocation);
        if (!revoked) {
            co_return Completion::charged_problem({}, std::move(revoked.error()));
        }
        logs_.forget(cid_.to_v1().to_string());
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        (void)responder.send(std::move(head), to_bytes("{\"revoked\":true}\n"));
        co_return Completion::charged({});
    }

  private:
    Deployments& deployments_;
    CallLogs& logs_;
    multiformats::Cid cid_;
    protocol::Terms terms_;
};

class ComputeService final : public protocol::Service {
  public:
    ComputeService(Deployments& deployments, FunctionCallContext& context, LogsContext& logs)
        : deployments_(deployments), context_(context), logs_(logs) {}

    [[nodiscard]] std::string_view name() const override { return "compute"; }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return {.name = "compute",
            .summary =
                "Runs deployments: programs that somebody has uploaded, by their content id.",
            .units = {{.name = "call", .description = "one call of a deployment"},
                {.name = kCpuSecond,
                    .description = "a second of one processor; of a server, which calls share, "
                                   "the time that the call took"},
                {.name = kGibSecond,
                    .description = "a GiB of memory, as much as the deployment may use, for a "
                                   "second"}},
            .methods = {
                {.name = "call",
                    .summary = "Runs a deployment with the body as its input. Its owner pays "
                               "within their terms, else the caller.",
                    .arguments = protocol::arguments_schema({"content id of the deployment"}, 1),
                    .request = "application/octet-stream",
                    .response = "application/octet-stream",
                    .price = {.currency = context_.asset,
                        .base = {},
                        .per_unit = {{"call", context_.price}}}},
                {.name = "revoke",
                    .summary = "Ends a deployment. The body is its owner's signed Revocation.",
                    .arguments = protocol::arguments_schema({"content id of the deployment"}, 1),
                    .request = "application/json"},
                {.name = "describe",
                    .summary = "Whether a deployment runs here, and at what price. Free.",
                    .arguments = protocol::arguments_schema({"content id of the deployment"}, 1)},
                {.name = "logs",
                    .summary = "What the calls of a deployment wrote to standard error and how "
                               "they failed, one JSON object a line, for its owner alone: with a "
                               "CallAuthorization of maxPrice 0.",
                    .arguments = protocol::arguments_schema(
                        {"content id of the deployment", "\"follow\": goes on as calls come"}, 1),
                    .response = "application/x-ndjson"}}};
    }

    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        if (call->method != "call" && call->method != "revoke" && call->method != "describe" &&
            call->method != "logs") {
            co_return refuse(404, Status::method_unsupported,
                "compute has the methods call, revoke, describe and logs, not \"" + call->method +
                    "\"");
        }
        const bool is_call = call->method == "call";
        if (is_call && call->head.headers.contains("Service-Worker")) {
            co_return refuse(
                403, Status::declined, "functions of a shared origin cannot have service workers");
        }
        if (auto ready = is_call && !call->args.empty()
                             ? deployments_.find_loaded(call->args.front())
                             : nullptr) {
            co_return make_function_call(context_, std::move(ready), std::move(call));
        }
        auto cid =
            multiformats::Cid::parse(call->args.empty() ? std::string() : call->args.front());
        if (!cid) {
            co_return refuse(400, Status::bad_request, "not a content id: " + cid.error().detail());
        }
        if (call->method == "revoke") {
            co_return std::make_unique<RevokeCall>(deployments_, context_.logs, std::move(*cid));
        }
        if (call->method == "logs") {
            co_return make_logs_call(logs_, std::move(*cid), std::move(call));
        }
        if (call->method == "describe") {
            co_return co_await describe(std::move(*cid));
        }
        auto deployment = co_await deployments_.find(std::move(*cid), call->client);
        if (!deployment) {
            co_return std::unexpected(std::move(deployment.error()));
        }
        co_return make_function_call(context_, std::move(*deployment), std::move(call));
    }

  private:
    /// What does not run here is no failure of whoever asks: gateways ask everybody, which is why
    /// nothing is fetched for the answer.
    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> describe(
        multiformats::Cid cid) {
        std::string subject = cid.to_string();
        json::Object answer{{"cid", subject}};
        if (const auto found = co_await deployments_.find(std::move(cid))) {
            answer["runs"] = true;
            answer["price"] = to_string(context_.price);
            answer["currency"] = context_.asset.text;
            answer["streamIntervalMilliseconds"] = context_.stream_interval.count();
        } else if (found.error().http_status == 500 || found.error().http_status == 503) {
            co_return std::unexpected(found.error());
        } else {
            answer["runs"] = false;
        }
        co_return protocol::make_known_answer(std::move(subject), std::move(answer));
    }

    Deployments& deployments_;
    FunctionCallContext& context_;
    LogsContext& logs_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_compute_service(
    Deployments& deployments, FunctionCallContext& context, LogsContext& logs) {
    return std::make_unique<ComputeService>(deployments, context, logs);
}

}  // namespace decloud::services
