#pragma once

#include "../routing.hpp"
#include "proxy_state.hpp"
#include "request_body.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/protocol/problem.hpp>

#include <memory>
#include <optional>
#include <string>

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
    [[nodiscard]] async::Task<Outcome> forward(registry::Provider provider, std::string prefix);
    [[nodiscard]] async::Task<std::optional<Result<net::http::ClientResponse>>> ask(
        net::Url url, net::http::ClientRequest request);
    [[nodiscard]] protocol::Problem why_no_answer(
        const identity::ProviderName& name, const Error& error) const;
    // The response lives in `forward`, which waits for these.
    [[nodiscard]] async::Task<Outcome> pass_back(
        net::http::ClientResponse* response, std::string prefix);
    [[nodiscard]] async::Task<bool> pass_body(net::http::ClientResponse* response);
    [[nodiscard]] async::Task<Outcome> pass_upgrade(net::http::ClientResponse* response);

    [[nodiscard]] const net::http::RequestHead& request() const { return exchange_->request(); }
    [[nodiscard]] bool came_from_here() const;
    [[nodiscard]] net::http::ClientRequest make_request();
    [[nodiscard]] net::http::Headers make_headers() const;

    ProxyState& proxy_;
    std::shared_ptr<net::http::Exchange> exchange_;
    std::shared_ptr<RequestBody> body_;
    bool upgrade_ = false;
    int status_ = 0;
};

}  // namespace decloud::gateway::internal
