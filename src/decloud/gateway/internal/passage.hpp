#pragma once

#include "../routing.hpp"
#include "preferences.hpp"
#include "proxy_state.hpp"
#include "request_body.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/protocol/problem.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::gateway::internal {

/// One request on its way through the gateway. Lives in its handler.
class Passage {
  public:
    Passage(ProxyState& proxy, net::http::Exchange exchange);

    /// Answers it.
    [[nodiscard]] async::Task<void> run();
    /// Of the answer; 0 if none was begun.
    [[nodiscard]] int status() const { return status_; }

  private:
    using Outcome = protocol::Checked<void>;

    [[nodiscard]] async::Task<Outcome> serve();
    [[nodiscard]] async::Task<Outcome> answer_health();
    [[nodiscard]] async::Task<Outcome> answer_readiness();
    [[nodiscard]] async::Task<void> answer_text(int status, std::string text);
    [[nodiscard]] async::Task<void> refuse(protocol::Problem problem);
    [[nodiscard]] async::Task<Outcome> serve_provider(ProviderRoute route);
    [[nodiscard]] async::Task<Outcome> serve_cid(CidRoute route);
    [[nodiscard]] async::Task<Outcome> serve_alias(AliasRoute route);
    /// Refuses what this gateway takes from nobody.
    [[nodiscard]] Outcome admit(std::string_view provider) const;

    /// Those who may get it, in `serve_cid`.
    [[nodiscard]] async::Task<protocol::Checked<std::vector<Offer>>> find_offers(
        std::string cid, std::optional<Address> named);
    /// Tries one after the other, as far as that is safe.
    [[nodiscard]] async::Task<Outcome> forward_to_one_of(
        std::string cid, std::vector<Offer> offers, Preference preference);
    [[nodiscard]] bool may_try_another(const Result<net::http::ClientResponse>& response) const;
    void note(const Offer& offer,
        const Result<net::http::ClientResponse>& response,
        std::chrono::steady_clock::time_point asked);

    [[nodiscard]] async::Task<Outcome> forward(registry::Provider provider);
    /// The client's body may be read.
    [[nodiscard]] async::Task<Outcome> begin_body();
    /// Nothing: the client has gone.
    [[nodiscard]] async::Task<std::optional<Result<net::http::ClientResponse>>> ask(
        const registry::Provider* provider, net::http::ClientRequest request);
    [[nodiscard]] async::Task<Outcome> answer(
        const registry::Provider* provider, Result<net::http::ClientResponse>* response);
    [[nodiscard]] protocol::Problem why_no_answer(
        const identity::ProviderName& name, const Error& error) const;
    // The response lives in `forward`, which waits for these.
    [[nodiscard]] async::Task<Outcome> pass_back(net::http::ClientResponse* response);
    [[nodiscard]] async::Task<bool> pass_body(net::http::ClientResponse* response);
    [[nodiscard]] async::Task<Outcome> pass_upgrade(
        identity::ProviderName name, net::http::ClientResponse* response);

    /// Nothing but a refusal; the request is under way until it is destroyed.
    [[nodiscard]] Outcome enter(protocol::Checked<RequestLimiter::Place> place);
    [[nodiscard]] Outcome check_payer(const Address& provider);
    void count_payer(const net::http::ResponseHead& head);

    [[nodiscard]] const net::http::RequestHead& request() const { return exchange_->request(); }
    [[nodiscard]] bool came_from_here() const;
    [[nodiscard]] net::http::ClientRequest make_request();
    [[nodiscard]] net::http::Headers make_headers() const;
    /// What the gateway itself says of an answer.
    void sign_head(net::http::ResponseHead& head) const;

    ProxyState& proxy_;
    std::shared_ptr<net::http::Exchange> exchange_;
    std::shared_ptr<RequestBody> body_;
    bool upgrade_ = false;
    int status_ = 0;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::string id_;
    /// What is sent on.
    std::string target_;
    /// What the answer's origin shares with others; empty if nobody else is there.
    std::string shared_prefix_;
    /// "/{cid}" that an alias stands for; empty: it is no alias.
    std::string alias_prefix_;
    std::vector<RequestLimiter::Place> places_;
    /// Whom a payment is counted against, once it is taken.
    std::optional<std::string> payer_;
    net::http::Headers headers_;
    protocol::RequestRecord record_;
    /// Who was asked last, and when.
    std::string provider_;
    std::chrono::steady_clock::time_point asked_{};
};

}  // namespace decloud::gateway::internal
