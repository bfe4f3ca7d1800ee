#include "function_call.hpp"

#include "units.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/net/websocket/handshake.hpp>

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace decloud::services {

using protocol::Completion;
using protocol::refuse;
using protocol::Status;
using sandbox::Outcome;

namespace {

/// What the client says after an upgrade.
class UpgradedBody final : public sandbox::BodySource {
  public:
    explicit UpgradedBody(protocol::Responder& responder) : responder_(responder) {}
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override {
        return responder_.read(target);
    }

  private:
    protocol::Responder& responder_;
};

/// The request's body for the sandbox. The pipeline's body outlives the run.
class CallBody final : public sandbox::BodySource {
  public:
    explicit CallBody(protocol::RequestBody& body) : body_(body) {}
    [[nodiscard]] const Bytes* whole() const override { return body_.whole(); }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override {
        auto count = co_await body_.read(target);
        // A body that is not wanted any more has not failed.
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (!count && state.cancelled() == boost::asio::cancellation_type::none) {
            error_ = count.error();
        }
        co_return count;
    }
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  private:
    protocol::RequestBody& body_;
    std::optional<Error> error_;
};

std::string percent_decoded(std::string_view path) {
    auto decoded = percent_decode(path);
    return decoded ? std::move(*decoded) : std::string(path);
}

/// The host without its port, and the port.
std::pair<std::string, std::uint16_t> split_host(std::string_view host) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) {
        return {std::string(host), 80};
    }
    unsigned port = 0;
    for (const char c : host.substr(colon + 1)) {
        port = port * 10 + static_cast<unsigned>(c - '0');
    }
    return {std::string(host.substr(0, colon)), static_cast<std::uint16_t>(port)};
}

class FunctionCall final : public protocol::PreparedCall {
  public:
    FunctionCall(FunctionCallContext& context,
        std::shared_ptr<const Deployment> deployment,
        std::shared_ptr<const protocol::Call> call)
        : context_(context),
          deployment_(std::move(deployment)),
          call_(std::move(call)),
          limits_(limits_within(deployment_->limits, call_->quote.get())) {
        const protocol::DeploymentSpec& spec = deployment_->spec();
        terms_.asset = context_.asset;
        terms_.max_price = context_.price;
        terms_.stream_interval = context_.stream_interval;
        terms_.units = most_units(limits_);
        terms_.subject = deployment_->cid;
        terms_.program = deployment_->program;
        terms_.max_request_bytes = spec.manifest.limits.request_bytes;
        terms_.sponsor = protocol::Sponsor{.owner = spec.owner,
            .terms = {deployment_, &spec.owner_pays},
            .max_price = spec.max_price};
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken gone) override {
        auto source = std::make_shared<CallBody>(body);
        auto output = std::make_shared<CallOutput>(
            responder, context_.slow_answers, output_mode(), call_->prefix, context_.executor);
        const auto began = std::chrono::steady_clock::now();
        std::shared_ptr<sandbox::BodySource> input = source;
        if (may_upgrade()) {
            input = std::make_shared<UpgradedBody>(responder);
        }
        const Outcome outcome =
            co_await context_.sandbox.answer(deployment_->artifact, request(body),
                deployment_->variables, std::move(input), output, limits_, std::move(gone));
        const auto took = std::chrono::steady_clock::now() - began;
        context_.runs.record(deployment_->artifact->runtime(), outcome, took);
        keep_log(outcome);
        Completion completion = co_await answer(outcome, *output, responder, source->error());
        completion.delivered = delivered_units(limits_, outcome,
            {.took = std::chrono::ceil<std::chrono::milliseconds>(took),
                .is_server = deployment_->spec().manifest.server.has_value()});
        co_return completion;
    }

  private:
    [[nodiscard]] async::Task<Completion> answer(Outcome outcome,
        CallOutput& output,
        protocol::Responder& responder,
        std::optional<Error> body_error) const {
        if (!outcome.succeeded()) {
            co_return co_await failed(std::move(outcome), output, responder, std::move(body_error));
        }
        const auto finished = co_await output.finish();
        if (finished) {
            co_return Completion::charged(terms_.max_price);
        }
        co_return ended_badly(
            responder, 502, "the program's answer cannot be sent: " + finished.error().detail());
    }

    /// Nothing of what the program said there ever goes to the caller. A server's is kept as it
    /// comes, as it belongs to no call.
    void keep_log(const Outcome& outcome) const {
        const bool is_server = deployment_->spec().manifest.server.has_value();
        context_.logs.keep(
            deployment_->cid, outcome, is_server ? std::string_view() : outcome.stderr_tail);
    }

    [[nodiscard]] bool may_upgrade() const {
        return deployment_->spec().manifest.server && !deployment_->artifact->answers_with_head() &&
               call_->content_length == 0U && net::websocket::asks_for_websocket(call_->head);
    }

    /// The answer of a server or component always has its head.
    [[nodiscard]] sandbox::CgiParser::Mode output_mode() const {
        using Mode = sandbox::CgiParser::Mode;
        const protocol::FunctionManifest& manifest = deployment_->spec().manifest;
        if (may_upgrade()) {
            return Mode::upgrade;
        }
        const bool has_head = manifest.server || deployment_->artifact->answers_with_head();
        return has_head ? Mode::cgi : parser_mode(manifest.output);
    }

    [[nodiscard]] sandbox::CgiRequest request(const protocol::RequestBody& body) const {
        sandbox::CgiRequest request;
        request.method = call_->head.method;
        request.script_name = call_->prefix;
        request.path_info = percent_decoded(call_->path_info);
        request.query = call_->head.query();
        request.request_uri = call_->head.target;
        std::tie(request.server_name, request.server_port) =
            split_host(call_->head.headers.find("Host").value_or("localhost"));
        request.server_protocol = call_->head.http_1_0 ? "HTTP/1.0" : "HTTP/1.1";
        request.remote_address = call_->client;
        for (const auto field : call_->head.headers) {
            request.headers.emplace_back(field.name, field.value);
        }
        request.content_length = call_->content_length;
        if (const Bytes* whole = body.whole()) {
            request.content_length = whole->size();
        }
        if (may_upgrade()) {
            request.upgrade = net::websocket::kProtocol;
        }
        request.cid = deployment_->cid;
        request.deadline = limits_.wall;
        return request;
    }

    /// Nothing is charged to anybody for a failure of the provider; everything else is the
    /// program's.
    [[nodiscard]] async::Task<Completion> failed(Outcome outcome,
        CallOutput& output,
        protocol::Responder& responder,
        std::optional<Error> body_error) const {
        if (outcome.provider_fault()) {
            co_await output.close();
            log::error("services", "a run of {} failed in the sandbox: {}", deployment_->cid,
                outcome.detail);
            co_return Completion::failed(refuse(
                503, Status::server_error, "the provider's sandbox failed; nothing was charged")
                    .error());
        }
        log::debug("services", "a run of {} ended as {}: {}", deployment_->cid,
            sandbox::to_string(outcome.end), outcome.detail);
        if (output.received() > 0 && outcome.end != Outcome::End::killed) {
            (void)co_await output.stream();
        }
        co_await output.close();
        if (body_error && !responder.started()) {
            co_return Completion::charged_problem(
                terms_.max_price, protocol::body_problem_from(*body_error));
        }
        if (output.received() > 0) {
            Completion completion = Completion::charged(terms_.max_price);
            completion.broken = true;
            co_return completion;
        }
        co_return ended_badly(responder, status_of(outcome), describe(outcome));
    }

    [[nodiscard]] Completion ended_badly(
        const protocol::Responder& responder, int status, std::string detail) const {
        if (responder.started()) {
            Completion completion = Completion::charged(terms_.max_price);
            completion.broken = true;
            return completion;
        }
        return Completion::charged_problem(
            terms_.max_price, refuse(status, Status::server_error, std::move(detail)).error());
    }

    [[nodiscard]] static int status_of(const Outcome& outcome) {
        return outcome.end == Outcome::End::timed_out ? 504 : 502;
    }

    [[nodiscard]] static std::string describe(const Outcome& outcome) {
        switch (outcome.end) {
            case Outcome::End::exited:
                return "the program ended with exit code " + std::to_string(outcome.exit_code) +
                       " and no answer";
            case Outcome::End::trapped:
                return "the program crashed: " + outcome.detail;
            case Outcome::End::timed_out:
                return "the program did not end in time";
            case Outcome::End::out_of_memory:
                return "the program needed more memory than its limit";
            case Outcome::End::limit:
                return "the program passed a limit: " + outcome.detail;
            case Outcome::End::killed:
                return "the call was cancelled";
            case Outcome::End::sandbox_failed:
                return "the provider's sandbox failed";
        }
        return "the program failed";
    }

    FunctionCallContext& context_;
    std::shared_ptr<const Deployment> deployment_;
    std::shared_ptr<const protocol::Call> call_;
    sandbox::Limits limits_;
    protocol::Terms terms_;
};

}  // namespace

sandbox::Manifest sandbox_manifest(const protocol::FunctionManifest& manifest) {
    sandbox::Manifest out;
    out.runtime = manifest.runtime;
    out.entry = manifest.entry;
    out.limits.wall = manifest.limits.wall;
    out.limits.memory_bytes = manifest.limits.memory_bytes;
    out.limits.pids =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(manifest.limits.processes, 65'535));
    out.limits.request_bytes = manifest.limits.request_bytes;
    out.limits.response_bytes = manifest.limits.response_bytes;
    out.limits.tmp_bytes = manifest.limits.tmp_bytes;
    if (manifest.server) {
        out.serves = true;
        out.concurrency = static_cast<std::uint32_t>(manifest.server->concurrency);
        out.idle = manifest.server->idle;
    }
    return out;
}

std::unique_ptr<protocol::PreparedCall> make_function_call(FunctionCallContext& context,
    std::shared_ptr<const Deployment> deployment,
    std::shared_ptr<const protocol::Call> call) {
    return std::make_unique<FunctionCall>(context, std::move(deployment), std::move(call));
}

}  // namespace decloud::services
