#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace decloud::ipfs {

/// How much of routers that may lie or dawdle is borne.
struct RouterLimits {
    /// For the whole answer of one router; all are asked at once.
    std::chrono::milliseconds time = std::chrono::seconds(5);
    std::size_t max_bytes = std::size_t{256} << 10U;
    /// Records of one answer that are looked at, and addresses of one record.
    std::size_t max_records = 100;
    std::size_t max_addresses = 16;
    /// Gateways that are taken from all answers together, by turns.
    std::size_t max_gateways = 6;
    /// Questions in one minute, whoever causes them.
    std::size_t max_questions = 300;
    /// How long it is remembered who has a cid, and that nobody is known.
    std::chrono::seconds found_for{60};
    std::chrono::seconds absent_for{10};
    /// Answers that are remembered; beyond it the oldest go.
    std::size_t max_remembered = 1024;
};

/// The gateways that an answer of Delegated Routing V1 names: of records of the schema "peer" that
/// speak `transport-ipfs-gateway-http`, or do not say what, the addresses that are HTTP or HTTPS.
/// What is unknown is passed over. Errors: invalid_input for what is no such answer.
[[nodiscard]] Result<std::vector<net::Url>> parse_providers(
    std::string_view text, const RouterLimits& limits);

/// Asks delegated routers (ipfs/specs http-routing-v1) which trustless gateways have something.
/// Whatever they say is a stranger's word. Single threaded.
class Routers {
  public:
    /// `client` dials the routers, and outlives this.
    Routers(net::http::Client& client, std::vector<net::Url> routers, RouterLimits limits = {});

    /// Each gateway once; none if no router knows one. Ends within `limits.time`. Error:
    /// unavailable if no router gave an answer, and why not, or they were asked too much.
    [[nodiscard]] async::Task<Result<std::vector<net::Url>>> find(multiformats::Cid cid);

  private:
    using Gateways = std::vector<net::Url>;
    struct Remembered {
        std::string key;
        Gateways gateways;
        std::chrono::steady_clock::time_point until;
    };

    [[nodiscard]] async::Task<Result<Gateways>> ask(net::Url router, std::string cid);
    [[nodiscard]] async::Task<Result<std::vector<Result<Gateways>>>> ask_all(std::string cid);
    /// False if this minute has had its questions.
    [[nodiscard]] bool may_ask();
    [[nodiscard]] Gateways merge(const std::vector<Result<Gateways>>& answers) const;
    void remember(std::string key, const Gateways& gateways);

    net::http::Client& client_;
    std::vector<net::Url> routers_;
    RouterLimits limits_;
    std::chrono::steady_clock::time_point minute_ends_;
    std::size_t questions_ = 0;
    /// The newest last.
    std::list<Remembered> remembered_;
    std::unordered_map<std::string, std::list<Remembered>::iterator> by_key_;
};

}  // namespace decloud::ipfs
