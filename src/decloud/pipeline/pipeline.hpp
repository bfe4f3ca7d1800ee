#pragma once

#include "answer_cache.hpp"
#include "authentication.hpp"
#include "body_budget.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/protocol/payment_method.hpp>
#include <decloud/protocol/service.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace decloud::pipeline {

/// The one way through which every request of every service goes: valid? admitted? paid? served,
/// settled and recorded, answered. Services, admission rules and payment methods join by
/// registration. Single threaded.
class Pipeline {
  public:
    /// Both outlive the pipeline.
    Pipeline(const Clock& clock,
        metrics::Registry& metrics,
        AnswerCache::Limits answers = {},
        BodyBudget::Limits unpaid_bodies = {});
    ~Pipeline();

    /// Under its name; another service of that name is replaced.
    void add_service(std::shared_ptr<protocol::Service> service);
    /// Calls that run go on. Nothing happens if there is none of that name.
    void remove_service(std::string_view name);
    /// Null if there is none. Lives until it is removed or replaced.
    [[nodiscard]] protocol::Service* find_service(std::string_view name) const;
    /// Asked in the order of registration.
    void add_payment_method(std::unique_ptr<protocol::PaymentMethod> method);
    void add_admission(std::unique_ptr<protocol::Admission> rule);

    /// Says who sends a request. Without it nobody is known and no signature is looked at.
    void set_authentication(std::unique_ptr<Authentication> authentication);

    /// Signs answers to requests that are signed, pay or ask for it (`Accept-Signature`). The key
    /// outlives the pipeline.
    void set_answer_key(const crypto::Ed25519PrivateKey& key) { answer_signing_key_ = &key; }

    /// Names of what was added: services sorted, payment methods in the order of registration.
    [[nodiscard]] std::vector<std::string> services() const;
    [[nodiscard]] std::vector<std::string> payment_methods() const;
    /// What every service says of itself, sorted by name.
    [[nodiscard]] std::vector<protocol::ServiceDescription> descriptions() const;

    /// Answers `exchange`, which `call` was made from.
    [[nodiscard]] async::Task<void> handle(
        net::http::Exchange exchange, std::shared_ptr<const protocol::Call> call);

    /// Refuses a request of `client` from which no call could be made; admission rules are told.
    [[nodiscard]] async::Task<void> refuse(
        net::http::Exchange exchange, std::string client, protocol::Problem problem);

    /// Answers with a problem, without more; for what is not a call.
    [[nodiscard]] static async::Task<void> send_problem(
        net::http::Exchange exchange, protocol::Problem problem);

  private:
    struct Run;

    [[nodiscard]] protocol::Checked<void> identify(Run& run);
    [[nodiscard]] async::Task<protocol::Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        Run& run, protocol::Service& service);
    [[nodiscard]] async::Task<protocol::Checked<void>> admit(Run& run);
    [[nodiscard]] async::Task<protocol::Checked<bool>> pay(Run& run);
    [[nodiscard]] protocol::Checked<void> screen(std::string_view client);
    void tell_refused(std::string_view client, const protocol::Problem& problem);
    [[nodiscard]] async::Task<protocol::Checked<void>> find_digest(Run& run);
    [[nodiscard]] async::Task<protocol::Checked<void>> receive_body(Run& run);
    [[nodiscard]] async::Task<protocol::Checked<protocol::HeaderFields>> ask_rules(Run& run);
    [[nodiscard]] async::Task<void> serve(Run& run);
    // streams.cpp
    void begin_stream(Run& run, net::http::ResponseHead& head);
    [[nodiscard]] async::Task<protocol::Checked<void>> admit_again(Run& run);
    [[nodiscard]] static async::Task<void> stop_stream(Run& run);
    [[nodiscard]] static async::Task<protocol::Completion> end_stream(
        Run& run, protocol::Completion completion);
    [[nodiscard]] async::Task<bool> body_matches(Run& run);
    [[nodiscard]] async::Task<void> settle(Run& run, protocol::Completion completion);
    [[nodiscard]] async::Task<void> fail_run(Run& run, protocol::Completion completion);
    [[nodiscard]] async::Task<void> refuse_run(Run& run, protocol::Problem problem);
    [[nodiscard]] async::Task<void> answer_repeat(Run& run, protocol::Repeat repeat);
    [[nodiscard]] Result<std::string> commit(Run& run,
        Amount actual,
        int status,
        const Bytes32& response_digest,
        std::uint64_t response_bytes);
    [[nodiscard]] protocol::PaymentMethod* method_for(const Run& run) const;
    void describe_payments(const Run& run, protocol::Problem& problem) const;
    [[nodiscard]] static protocol::Problem no_payment(const Run& run);
    void count(const Run& run, int status);

    [[nodiscard]] bool wants_signature(const Run& run) const;
    void add_nonces(const Run& run, net::http::Headers& headers);
    static void add_admitted(const Run& run, net::http::Headers& headers);
    [[nodiscard]] net::http::Headers sign(const Bytes32& request_digest,
        const crypto::Sha256Digest& body,
        int status,
        protocol::Status word,
        bool in_trailers) const;

    const Clock& clock_;
    const crypto::Ed25519PrivateKey* answer_signing_key_ = nullptr;
    std::unique_ptr<Authentication> authentication_;
    AnswerCache answers_;
    BodyBudget unpaid_bodies_;
    std::map<std::string, std::shared_ptr<protocol::Service>, std::less<>> services_;
    std::vector<std::unique_ptr<protocol::PaymentMethod>> methods_;
    std::vector<std::unique_ptr<protocol::Admission>> admissions_;
    metrics::Histogram& duration_;
    metrics::Counter& ok_;
    metrics::Counter& refused_;
    metrics::Counter& failed_;
};

}  // namespace decloud::pipeline
