#include "internal/run.hpp"
#include "quoting.hpp"

#include <decloud/base/log.hpp>
#include <decloud/protocol/response_signature.hpp>

#include <utility>

namespace decloud::pipeline {

using protocol::Completion;
using protocol::Problem;
using protocol::Status;

namespace {

net::http::ResponseHead problem_head(const Problem& problem) {
    net::http::ResponseHead head;
    head.status = problem.http_status;
    head.headers.add("Content-Type", "application/problem+json");
    head.headers.add("OpenCloud-Status", protocol::to_string(problem.status));
    head.headers.add("X-Content-Type-Options", "nosniff");
    if (problem.http_status == 401) {
        head.headers.add("WWW-Authenticate", "OpenCloud");
    }
    for (const auto& [name, value] : problem.headers) {
        head.headers.add(name, value);
    }
    return head;
}

/// What a WebSocket is told that is not paid any further; none if it ended by itself.
std::optional<std::string> why_ended(
    const std::optional<std::string>& stopped, const std::string& receipt) {
    if (!stopped) {
        return std::nullopt;
    }
    return receipt.empty() ? *stopped : "receipt " + receipt + ": " + *stopped;
}

}  // namespace

async::Task<void> Pipeline::fail_run(Run& run, Completion completion) {
    Problem problem =
        completion.problem.value_or(protocol::problem_from(Error(CommonError::internal)));
    if (run.responder->started()) {
        if (run.hold) {
            run.hold->release(problem.detail);
        }
        run.exchange.abort();
        count(run, problem.http_status);
        co_return;
    }
    co_await refuse_run(run, std::move(problem));
}

/// Makes the charge and lets the answer go, in the order of design §6: served, durable; finished;
/// first byte.
async::Task<void> Pipeline::settle(Run& run, Completion completion) {
    ExchangeResponder& responder = *run.responder;
    Answer answer;
    if (completion.problem) {
        tell_refused(run.call->client, *completion.problem);
        answer = {problem_head(*completion.problem),
            to_bytes(protocol::problem_json(*completion.problem))};
    } else if (responder.has_answer()) {
        answer = {std::move(responder.head()), std::move(responder.body())};
        answer.head.headers.set("OpenCloud-Status", "ok");
    }
    const int status = responder.started() ? responder.status() : answer.head.status;
    if (run.hold && !responder.started()) {
        Result<void> served;
        if (!run.hold->try_served()) {
            served = co_await run.hold->served();
        }
        if (!served) {
            const auto refusal = run.hold->refusal();
            if (refusal && !run.answer_key.empty()) {
                // For a repeat, should the payment come in after all.
                answers_.put(run.answer_key, std::move(answer));
            }
            co_await refuse_run(run, refusal.value_or(protocol::problem_from(served.error())));
            co_return;
        }
        for (const auto& [name, value] : run.hold->answer_headers()) {
            answer.head.headers.set(name, value);
        }
    }
    const crypto::Sha256Digest body_digest =
        responder.started() ? responder.body_digest() : crypto::sha256(answer.body);
    const std::uint64_t body_bytes =
        responder.started() ? responder.body_bytes() : answer.body.size();
    const auto receipt = commit(run, completion.actual, status, Bytes32{body_digest}, body_bytes);
    if (!receipt) {
        // What cannot be charged is not given either.
        co_await fail_run(run, Completion::failed(protocol::problem_from(receipt.error())));
        co_return;
    }
    count(run, completion.broken ? 502 : status);
    if (completion.broken) {
        run.exchange.abort();
        co_return;
    }
    net::http::Headers extra;
    if (wants_signature(run) && run.request_digest) {
        extra = sign(*run.request_digest, body_digest, status,
            completion.problem ? completion.problem->status : Status::ok, responder.started());
    }
    if (!receipt->empty()) {
        extra.add("X-Decloud-Receipt", "/receipts/" + *receipt);
    }
    if (const std::string units = format_delivered(completion.delivered); !units.empty()) {
        extra.add("OpenCloud-Delivered", units);
    }
    if (run.hold) {
        for (const auto& [name, value] : run.hold->charged_headers()) {
            extra.add(name, value);
        }
    }
    const bool may_be_kept = !run.answer_key.empty() && !responder.started();
    if (!may_be_kept) {
        add_nonces(run, extra);
    }
    if (run.intervals) {
        extra.add("OpenCloud-Intervals", std::to_string(run.intervals->intervals()));
    }
    if (responder.upgraded()) {
        co_await responder.end_upgraded(
            why_ended(run.intervals ? run.intervals->stopped() : std::nullopt, *receipt));
        co_return;
    }
    if (responder.started()) {
        (void)co_await run.exchange.finish(std::move(extra));
        co_return;
    }
    for (const auto field : extra) {
        answer.head.headers.set(field.name, field.value);
    }
    if (may_be_kept) {
        answers_.put(run.answer_key, answer);
        add_nonces(run, answer.head.headers);
    }
    add_admitted(run, answer.head.headers);
    (void)co_await run.exchange.send(std::move(answer.head), std::move(answer.body));
}

void Pipeline::add_nonces(const Run& run, net::http::Headers& headers) {
    if (!run.call->credentials.empty()) {
        headers.add("OpenCloud-Nonce", authentication_->fresh_nonces(run.call->credentials));
    }
}

void Pipeline::add_admitted(const Run& run, net::http::Headers& headers) {
    for (const auto& [name, value] : run.admitted) {
        headers.set(name, value);
    }
}

bool Pipeline::wants_signature(const Run& run) const {
    return answer_signing_key_ != nullptr &&
           (!run.call->credentials.empty() ||
               run.call->payment.type != protocol::PaymentHeader::Type::none ||
               run.call->head.headers.contains("Accept-Signature"));
}

net::http::Headers Pipeline::sign(const Bytes32& request_digest,
    const crypto::Sha256Digest& body,
    int status,
    protocol::Status word,
    bool in_trailers) const {
    return protocol::sign_answer({.http_status = status,
                                     .opencloud_status = protocol::to_string(word),
                                     .content_digest = body,
                                     .request_digest = request_digest,
                                     .created = clock_.unix_seconds(),
                                     .in_trailers = in_trailers},
        *answer_signing_key_);
}

Result<std::string> Pipeline::commit(Run& run,
    Amount actual,
    int status,
    const Bytes32& response_digest,
    std::uint64_t response_bytes) {
    if (!run.hold) {
        return std::string();
    }
    auto receipt = run.hold->commit(actual, run.summary(status, response_digest, response_bytes));
    if (!receipt) {
        log::error("pipeline", "a served call of {} could not be charged: {}", run.terms().subject,
            receipt.error().message());
    }
    return receipt;
}

async::Task<void> Pipeline::answer_repeat(Run& run, protocol::Repeat repeat) {
    const Answer* kept = repeat.same_request ? answers_.find(repeat.key) : nullptr;
    if (kept != nullptr) {
        Answer copy = *kept;
        for (const auto& [name, value] : repeat.headers) {
            copy.head.headers.set(name, value);
        }
        count(run, copy.head.status);
        add_nonces(run, copy.head.headers);
        add_admitted(run, copy.head.headers);
        (void)co_await run.exchange.send(std::move(copy.head), std::move(copy.body));
        co_return;
    }
    Problem problem = protocol::refuse(409, Status::declined,
        repeat.same_request
            ? "this payment was used by the same request; its answer is no longer kept"
            : "this payment was used by another request",
        "sign a new authorisation")
                          .error();
    problem.receipt = repeat.receipt;
    co_await refuse_run(run, std::move(problem));
}

async::Task<void> Pipeline::refuse_run(Run& run, Problem problem) {
    if (run.hold) {
        run.hold->release(problem.detail);
        run.hold.reset();
    }
    if (problem.http_status == 402 && run.prepared) {
        describe_payments(run, problem);
    }
    count(run, problem.http_status);
    tell_refused(run.call->client, problem);
    auto head = problem_head(problem);
    std::string body = protocol::problem_json(problem);
    // Whoever is not known could make this node sign at will.
    const auto digest = run.call->credentials.empty() ? std::nullopt : run.known_digest();
    if (digest && answer_signing_key_ != nullptr) {
        const auto fields =
            sign(*digest, crypto::sha256(body), problem.http_status, problem.status, false);
        for (const auto field : fields) {
            head.headers.set(field.name, field.value);
        }
    }
    add_nonces(run, head.headers);
    add_admitted(run, head.headers);
    (void)co_await run.exchange.send(std::move(head), std::move(body));
}

async::Task<void> Pipeline::refuse(
    net::http::Exchange exchange, std::string client, Problem problem) {
    if (auto screened = screen(client); !screened) {
        problem = std::move(screened.error());
    } else {
        tell_refused(client, problem);
    }
    refused_.increment();
    co_await send_problem(std::move(exchange), std::move(problem));
}

async::Task<void> Pipeline::send_problem(net::http::Exchange exchange, Problem problem) {
    auto head = problem_head(problem);
    (void)co_await exchange.send(std::move(head), protocol::problem_json(problem));
}

void Pipeline::count(const Run& run, int status) {
    duration_.observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - run.started).count());
    if (status >= 500) {
        failed_.increment();
    } else if (status >= 400) {
        refused_.increment();
    } else {
        ok_.increment();
    }
}

}  // namespace decloud::pipeline
