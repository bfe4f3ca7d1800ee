#include "internal/run.hpp"
#include "quoting.hpp"
#include "service_template.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::Completion;
using protocol::Problem;
using protocol::Status;

namespace {

constexpr const char* kDigestMismatch = "the body is not what Content-Digest says";

/// What a service sees of the money.
class RunCharge final : public protocol::Charge {
  public:
    explicit RunCharge(protocol::PaymentHold* hold) : hold_(hold) {}
    [[nodiscard]] std::optional<Address> caller() const override {
        return hold_ == nullptr ? std::nullopt : hold_->payer();
    }
    [[nodiscard]] Amount held() const override {
        return hold_ == nullptr ? Amount() : hold_->held();
    }
    Result<void> extend(Amount more) override {
        if (hold_ == nullptr) {
            return fail(CommonError::unavailable, "a free call holds no money");
        }
        return hold_->extend(more);
    }

  private:
    protocol::PaymentHold* hold_;
};

/// True if the body is read and verified before anything runs. Without a length that is tried.
bool is_small(const protocol::Call& call) {
    return call.content_length.value_or(0) <= kWholeBodyBytes;
}

std::uint64_t small_body_bytes(const protocol::Call& call) {
    return call.content_length.value_or(kWholeBodyBytes);
}

std::unexpected<Problem> no_room() {
    auto busy = protocol::refuse(503, Status::server_error,
        "too many bodies are being received; nothing was charged",
        "send Content-Digest with a paid request, or try again");
    busy.error().headers.emplace_back("Retry-After", "1");
    return busy;
}

}  // namespace

Pipeline::Pipeline(const Clock& clock,
    metrics::Registry& metrics,
    AnswerCache::Limits answers,
    BodyBudget::Limits unpaid_bodies)
    : clock_(clock),
      answers_(answers, clock),
      unpaid_bodies_(unpaid_bodies),
      duration_(metrics.histogram("decloud_request_duration_seconds",
          "From a request's head to its answer.",
          {},
          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15})),
      ok_(metrics.counter(
          "decloud_requests_total", "Requests by how they ended.", {{"result", "ok"}})),
      refused_(metrics.counter(
          "decloud_requests_total", "Requests by how they ended.", {{"result", "refused"}})),
      failed_(metrics.counter(
          "decloud_requests_total", "Requests by how they ended.", {{"result", "failed"}})) {}

Pipeline::~Pipeline() = default;

void Pipeline::add_service(std::shared_ptr<protocol::Service> service) {
    std::string name(service->name());
    services_.insert_or_assign(std::move(name), std::move(service));
}

void Pipeline::add_payment_method(std::unique_ptr<protocol::PaymentMethod> method) {
    methods_.push_back(std::move(method));
}

void Pipeline::add_admission(std::unique_ptr<protocol::Admission> rule) {
    admissions_.push_back(std::move(rule));
}

std::vector<std::string> Pipeline::services() const {
    std::vector<std::string> names;
    names.reserve(services_.size());
    for (const auto& [name, service] : services_) {
        names.push_back(name);
    }
    return names;
}

std::vector<protocol::ServiceDescription> Pipeline::descriptions() const {
    std::vector<protocol::ServiceDescription> all;
    all.reserve(services_.size());
    for (const auto& [name, service] : services_) {
        all.push_back(service->description());
    }
    return all;
}

protocol::Service* Pipeline::find_service(std::string_view name) const {
    const auto found = services_.find(name);
    return found == services_.end() ? nullptr : found->second.get();
}

void Pipeline::remove_service(std::string_view name) {
    if (const auto found = services_.find(name); found != services_.end()) {
        services_.erase(found);
    }
}

std::vector<std::string> Pipeline::payment_methods() const {
    std::vector<std::string> names;
    names.reserve(methods_.size());
    for (const auto& method : methods_) {
        names.emplace_back(method->name());
    }
    return names;
}

async::Task<void> Pipeline::handle(
    net::http::Exchange exchange, std::shared_ptr<const protocol::Call> call) {
    Run run{.exchange = std::move(exchange),
        .call = std::move(call),
        .prepared = {},
        .admitted = {},
        .body = {},
        .hold = {},
        .responder = {},
        .announced_digest = {},
        .request_digest = {},
        .answer_key = {}};
    if (auto screened = screen(run.call->client); !screened) {
        co_await refuse_run(run, std::move(screened.error()));
        co_return;
    }
    if (auto known = identify(run); !known) {
        co_await refuse_run(run, std::move(known.error()));
        co_return;
    }
    const auto service = services_.find(run.call->service);
    if (service == services_.end()) {
        co_await refuse_run(run, protocol::refuse(404, Status::service_unsupported,
                                     "this node has no service \"" + run.call->service + "\"")
                                     .error());
        co_return;
    }
    // It may be removed while this call waits.
    const std::shared_ptr<protocol::Service> asked = service->second;
    auto prepared = co_await prepare(run, *asked);
    if (!prepared) {
        co_await refuse_run(run, std::move(prepared.error()));
        co_return;
    }
    run.prepared = std::move(*prepared);
    run.body = std::make_unique<ExchangeBody>(run.exchange, run.terms().max_request_bytes);
    if (auto admitted = co_await admit(run); !admitted) {
        co_await refuse_run(run, std::move(admitted.error()));
        co_return;
    }
    auto paid = co_await pay(run);
    if (!paid) {
        co_await refuse_run(run, std::move(paid.error()));
        co_return;
    }
    if (*paid) {
        co_await serve(run);
    }
}

async::Task<Checked<std::unique_ptr<protocol::PreparedCall>>> Pipeline::prepare(
    Run& run, protocol::Service& service) {
    if (is_template_method(run.call->method)) {
        const protocol::ServiceDescription description = service.description_for(*run.call);
        if (description.find(run.call->method) == nullptr) {
            co_return make_template_call(
                description, *run.call, {.key = answer_signing_key_, .now = clock_.unix_seconds()});
        }
    }
    Checked<std::shared_ptr<const protocol::Quote>> quote = nullptr;
    if (answer_signing_key_ != nullptr) {
        quote = find_quote(*run.call, answer_signing_key_->public_key(), clock_.unix_seconds());
    }
    if (quote && *quote) {
        auto quoted = std::make_shared<protocol::Call>(*run.call);
        quoted->quote = *quote;
        auto prepared = co_await service.prepare(quoted);
        if (!prepared) {
            co_return prepared;
        }
        auto priced = make_quoted_call(std::move(*prepared), **quote);
        if (priced) {
            run.call = std::move(quoted);
            co_return priced;
        }
        quote = std::unexpected(std::move(priced.error()));
    }
    if (!quote && quote.error().http_status != 402) {
        co_return std::unexpected(std::move(quote.error()));
    }
    auto prepared = co_await service.prepare(run.call);
    if (prepared && !quote) {
        // Refused with what it costs without the quote.
        run.prepared = std::move(*prepared);
        co_return std::unexpected(std::move(quote.error()));
    }
    co_return prepared;
}

void Pipeline::set_authentication(std::unique_ptr<Authentication> authentication) {
    authentication_ = std::move(authentication);
}

Checked<void> Pipeline::identify(Run& run) {
    if (!authentication_) {
        return {};
    }
    auto credentials = authentication_->check(*run.call);
    if (!credentials) {
        return std::unexpected(std::move(credentials.error()));
    }
    if (!credentials->empty()) {
        auto call = std::make_shared<protocol::Call>(*run.call);
        call->credentials = std::move(*credentials);
        run.call = std::move(call);
    }
    return {};
}

async::Task<Checked<void>> Pipeline::admit(Run& run) {
    const std::uint64_t length = run.call->content_length.value_or(0);
    if (length > run.terms().max_request_bytes) {
        co_return protocol::refuse(413, Status::bad_request,
            "the body has " + std::to_string(length) + " bytes, at most " +
                std::to_string(run.terms().max_request_bytes) + " are accepted here");
    }
    if (const auto field = run.call->head.headers.find("Content-Digest")) {
        auto digest = protocol::parse_content_digest(*field);
        if (digest) {
            run.announced_digest = *digest;
            run.body->expect(*digest);
        } else if (digest.error() == make_error_code(CommonError::invalid_input)) {
            co_return protocol::refuse(400, Status::bad_request, digest.error().detail());
        }
    }
    auto verdict = co_await ask_rules(run);
    if (!verdict) {
        co_return std::unexpected(std::move(verdict.error()));
    }
    run.admitted = std::move(*verdict);
    co_return Checked<void>{};
}

/// What all rules say beside the answer, if none refuses the call.
async::Task<Checked<protocol::HeaderFields>> Pipeline::ask_rules(Run& run) {
    protocol::HeaderFields told;
    for (const auto& rule : admissions_) {
        if (!rule->checks_calls()) {
            continue;
        }
        auto verdict = co_await rule->check(run.call, run.shared_terms());
        if (!verdict) {
            co_return std::unexpected(std::move(verdict.error()));
        }
        std::ranges::move(*verdict, std::back_inserter(told));
    }
    co_return told;
}

Checked<void> Pipeline::screen(std::string_view client) {
    for (const auto& rule : admissions_) {
        if (auto verdict = rule->screen(client); !verdict) {
            return verdict;
        }
    }
    return {};
}

void Pipeline::tell_refused(std::string_view client, const Problem& problem) {
    for (const auto& rule : admissions_) {
        rule->refused(client, problem);
    }
}

/// Completes a 402: what every payment method would take for this call.
void Pipeline::describe_payments(const Run& run, Problem& problem) const {
    problem.acceptable.clear();
    for (const auto& method : methods_) {
        for (auto& payment : method->acceptable(run.terms())) {
            problem.acceptable.push_back(std::move(payment));
        }
        method->describe(*run.call, run.terms(), problem);
    }
}

Problem Pipeline::no_payment(const Run& run) {
    const protocol::Terms& terms = run.terms();
    if (run.call->payment.type == protocol::PaymentHeader::Type::deferred) {
        return protocol::payment_required(Status::payment_no_defer,
            "this node takes no promise for this call", "pay now, by one of the ways below", {});
    }
    return protocol::payment_required(Status::payment_acceptable,
        "this call costs " + to_string(terms.max_price) + " of " + terms.asset.text +
            " and the request brings no payment that this node takes",
        "decloud call --pay pays from your channel; decloud escrow approve opens one", {});
}

protocol::PaymentMethod* Pipeline::method_for(const Run& run) const {
    for (const auto& method : methods_) {
        if (method->handles(*run.call, run.terms())) {
            return method.get();
        }
    }
    return nullptr;
}

/// True if the call is to be served, false if it was answered as a repeat.
async::Task<Checked<bool>> Pipeline::pay(Run& run) {
    const protocol::Terms& terms = run.terms();
    const bool brings_payment = run.call->payment.type != protocol::PaymentHeader::Type::none;
    protocol::PaymentMethod* method = method_for(run);
    if (method == nullptr && (brings_payment || !terms.max_price.is_zero() || terms.needs_caller)) {
        co_return std::unexpected(no_payment(run));
    }
    if (method != nullptr) {
        auto inspected = method->inspect(*run.call, terms);
        if (!inspected) {
            co_return std::unexpected(std::move(inspected.error()));
        }
        if (method->needs_digest()) {
            auto known = co_await find_digest(run);
            if (!known) {
                co_return std::unexpected(std::move(known.error()));
            }
        }
        auto outcome = co_await method->hold({.call = run.call,
            .terms = run.shared_terms(),
            .digest = run.request_digest,
            .inspected = std::move(*inspected)});
        if (!outcome) {
            co_return std::unexpected(std::move(outcome.error()));
        }
        if (auto repeat = std::move(outcome->repeat)) {
            co_await answer_repeat(run, std::move(*repeat));
            co_return false;
        }
        run.hold = std::move(outcome->hold);
        run.answer_key = std::move(outcome->key);
        if (!run.hold->try_ready()) {
            if (auto ready = co_await run.hold->ready(); !ready) {
                co_return std::unexpected(protocol::problem_from(ready.error()));
            }
        }
    }
    if (is_small(*run.call) && !run.body->loaded()) {
        const auto room =
            unpaid_bodies_.reserve(run.call->client, run.hold ? 0 : small_body_bytes(*run.call));
        if (!room) {
            co_return no_room();
        }
        auto received = co_await receive_body(run);
        if (!received) {
            co_return std::unexpected(std::move(received.error()));
        }
    }
    co_return true;
}

/// From the body if it is small, so that a wrong one does not use up its payment; from
/// `Content-Digest` where the body is not.
async::Task<Checked<void>> Pipeline::find_digest(Run& run) {
    auto digest = run.announced_digest;
    if (is_small(*run.call)) {
        const auto room = unpaid_bodies_.reserve(run.call->client, small_body_bytes(*run.call));
        if (!room && !digest) {
            co_return no_room();
        }
        if (room) {
            auto received = co_await receive_body(run);
            if (!received) {
                co_return std::unexpected(std::move(received.error()));
            }
        }
    }
    if (!digest) {
        digest = run.body->digest();
    }
    if (!digest) {
        co_return protocol::refuse(
            413, Status::bad_request, "a paid body of more than 1 MiB needs Content-Digest");
    }
    run.request_digest = run.digest_with(*digest);
    co_return Checked<void>{};
}

async::Task<Checked<void>> Pipeline::receive_body(Run& run) {
    auto loaded = co_await run.body->load();
    if (!loaded) {
        co_return std::unexpected(protocol::body_problem_from(loaded.error()));
    }
    if (run.announced_digest && run.body->whole() != nullptr &&
        run.body->digest() != run.announced_digest) {
        co_return protocol::refuse(400, Status::bad_request, kDigestMismatch);
    }
    co_return Checked<void>{};
}

async::Task<void> Pipeline::serve(Run& run) {
    const bool body_open = run.body->whole() == nullptr;
    const bool verify_at_end = body_open && run.announced_digest.has_value();
    ExchangeResponder::Rules rules{
        .after_body = verify_at_end, .max_waiting_bytes = 16 * kMiB, .headers = run.admitted};
    if (run.hold && !run.hold->held().is_zero() && run.terms().stream_interval.count() > 0) {
        run.executor = co_await boost::asio::this_coro::executor;
        rules.on_stream = [this, &run](net::http::ResponseHead& head) { begin_stream(run, head); };
    }
    run.responder =
        std::make_unique<ExchangeResponder>(run.exchange, run.hold.get(), std::move(rules));
    // After an upgrade what reads or writes the connection sees its end.
    const auto hang_up = run.exchange.hang_up().on_cancel([&run] {
        if (!run.responder->upgraded()) {
            run.stop.cancel();
        }
    });
    RunCharge charge(run.hold.get());
    Completion completion =
        co_await run.prepared->serve(*run.body, *run.responder, charge, run.stop.token());
    if (run.intervals) {
        completion = co_await end_stream(run, std::move(completion));
    }
    if (const std::optional<Error>& refusal = run.responder->refusal()) {
        const auto told = run.hold ? run.hold->refusal() : std::nullopt;
        completion = Completion::failed(told.value_or(protocol::problem_from(*refusal)));
    }
    const bool refused = completion.problem && completion.problem->http_status < 500;
    // A program that was stopped by the mismatch may have answered, which nobody has seen.
    const bool known = run.body->digest().has_value() && !run.responder->started();
    const bool verify =
        verify_at_end && !refused && !completion.provider_fault && (!completion.broken || known);
    if (verify && !co_await body_matches(run)) {
        completion = Completion::charged_problem(
            completion.actual, protocol::refuse(400, Status::bad_request, kDigestMismatch).error());
    }
    if (const auto digest = run.body->digest(); digest && !run.request_digest) {
        run.request_digest = run.digest_with(*digest);
    }
    if (!completion.problem && !completion.broken && !run.responder->started() &&
        !run.responder->has_answer()) {
        completion = Completion::failed(
            protocol::refuse(500, Status::server_error, "the service gave no answer").error());
    }
    if (completion.provider_fault) {
        co_await fail_run(run, std::move(completion));
    } else {
        co_await settle(run, std::move(completion));
    }
}

/// The program may have left some of the body unread; the digest covers all of it.
async::Task<bool> Pipeline::body_matches(Run& run) {
    Bytes rest(64 * kKiB);
    while (!run.body->digest()) {
        const auto count = co_await run.body->read(rest);
        if (!count) {
            co_return false;
        }
    }
    co_return run.body->digest() == run.announced_digest;
}

}  // namespace decloud::pipeline
