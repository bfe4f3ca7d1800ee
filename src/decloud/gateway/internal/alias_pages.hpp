#pragma once

#include "alias_store.hpp"

#include <decloud/async/task.hpp>
#include <decloud/net/http/server.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace decloud::gateway::internal {

/// `/.well-known/decloud/aliases` on the gateway's own host: GET tells the gateway's domain, and
/// under an alias its bindings; PUT takes a new one. Single threaded.
class AliasPages {
  public:
    /// `store` outlives this.
    AliasPages(AliasStore& store, std::string domain, std::function<bool(std::string_view)> is_own)
        : store_(store), domain_(std::move(domain)), is_own_host_(std::move(is_own)) {}

    /// True if the request is for these pages.
    [[nodiscard]] bool is_meant(const net::http::RequestHead& request) const;
    /// Answers it.
    [[nodiscard]] async::Task<void> answer(net::http::Exchange exchange);

  private:
    // The exchange lives in `answer`.
    [[nodiscard]] async::Task<protocol::Checked<json::Object>> serve(net::http::Exchange* exchange);
    [[nodiscard]] async::Task<protocol::Checked<json::Object>> put(
        net::http::Exchange* exchange, std::string alias);

    AliasStore& store_;
    std::string domain_;
    std::function<bool(std::string_view)> is_own_host_;
};

}  // namespace decloud::gateway::internal
