#pragma once

#include "domain_settings.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/chain/deployment.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/kubo/api.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/net/url.hpp>
#include <decloud/payments/automatic_trials.hpp>
#include <decloud/payments/types.hpp>
#include <decloud/payments/x402_mode.hpp>
#include <decloud/protocol/request_record.hpp>
#include <decloud/services/compute/egress.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::node {

/// Bounds on what is served, or being served, and not yet on the final chain.
struct ExposureLimits {
    /// Of one channel, or one payer of another kind.
    Amount channel{1'000'000'000};
    /// Of one identity, over all its channels.
    Amount identity{2'000'000'000};
    Amount node{10'000'000'000};
};

/// Everything that an operator decides. The CLI fills it.
struct NodeSettings {
    /// The node's own state: lock, blocks/, ledger/, cache/, records.sqlite.
    std::filesystem::path home;
    /// Folder of the KeyStore.
    std::filesystem::path keys;
    /// Folder of the operator's `NAME.toml` service files; it need not exist.
    std::filesystem::path services{};
    net::Endpoint public_listen;
    /// TLS, limits and times of the public listener.
    net::http::ServerSettings public_server;
    net::Endpoint console_listen;
    std::filesystem::path operator_socket;

    /// Full name: "alice.decloud".
    std::string provider_name;
    /// The provider's account on chain.
    Address provider;
    /// As in the registry.
    std::string public_url;
    std::optional<identity::Signed<identity::Delegation>> delegation;
    /// Gateways to which tunnels are kept open; with one, callers need no way to `public_listen`.
    std::vector<net::Url> tunnels;
    /// Other nodes to begin with, besides those of the registry.
    std::vector<net::Url> peers;
    /// What may be dialled of what strangers name.
    net::OutboundPolicy outbound;
    /// Gateways whose `Forwarded` header is believed.
    std::vector<net::IpAddress> trusted_gateways;
    /// Malformed or wrongly signed requests of one client that are forgiven in a minute; 0: all.
    std::uint32_t failed_attempts_per_minute = 60;

    std::vector<std::string> rpc_urls;
    std::uint64_t chain_id = 31337;
    chain::ContractAddresses contracts;
    std::uint64_t finality_depth = 1;
    std::uint64_t first_block = 0;

    /// Of one call.
    Amount price{1000};
    /// Most disk for compiled programs, and as much again for unpacked ones.
    std::uint64_t cache_bytes = 4 * kGiB;
    /// Which runtimes are offered.
    std::vector<std::string> runtimes{"wasm", "native", "server", "oci"};
    /// How long a native program may run.
    std::chrono::milliseconds native_wall = std::chrono::seconds(15);
    /// Without a request for so long, a server stands still until the next one. Zero: never.
    std::chrono::milliseconds server_freeze = std::chrono::seconds(2);
    /// How long a WebSocket or an event stream goes on for the price of one call.
    std::chrono::milliseconds stream_interval = std::chrono::seconds(60);
    /// Which machines functions may reach.
    services::EgressSettings egress;
    /// Trustless gateways from which what a call needs is fetched if it is not held here.
    std::vector<net::Url> content_sources;
    /// Delegated routers that are asked for others where those do not give it.
    std::vector<net::Url> content_routers;
    /// Where public content is kept instead of in the home; nothing: in the home.
    std::optional<kubo::ApiSettings> kubo;
    /// Kubo is asked to tell the network of what is pinned there.
    bool announces = true;
    DomainSettings domains;
    /// Content that an owner may keep here without reserved money.
    std::uint64_t free_bytes = 0;
    /// Calls that are given away without a grant on the chain.
    payments::AutomaticTrialRules trials;
    /// When an answer paid for by x402 leaves; none: no such payments are taken.
    std::optional<payments::X402Mode> x402;
    /// In `X402Mode::sent`: what one payer may have unsettled.
    Amount x402_max_unsettled{100'000};
    /// Channels of vouchers with less are not served from.
    Amount least_channel{100'000};
    payments::SettlementThresholds thresholds{
        .payer_amount = Amount(1'000'000), .age = std::chrono::seconds(60)};
    ExposureLimits exposure;
    /// What is written to the log of each call.
    protocol::RecordSettings records;
    /// Who may do what; read again when it changes. Empty, or no such file: everybody everything.
    std::filesystem::path policy_file;
};

/// A provider: sells services over HTTP, keeps its ledger, follows the chain and settles. One per
/// home. Single threaded: made, run and destroyed on the executor's thread.
class Node {
  public:
    /// Opens the home, takes up the ledger's log, listens. Errors: StoreError::in_use if another
    /// node has the home; NetError::address_in_use naming the port; whatever a store that is
    /// damaged says, by name.
    [[nodiscard]] static async::Task<Result<std::unique_ptr<Node>>> start(
        async::Executor executor, NodeSettings settings, const Clock& clock);
    /// After `stop` has ended.
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Where it listens, with the ports that were chosen.
    [[nodiscard]] net::Endpoint public_endpoint() const;
    [[nodiscard]] net::Endpoint console_endpoint() const;
    /// Serves until `stop`.
    [[nodiscard]] async::Task<void> run();
    /// Accepts nothing new, lets running calls end (at most 20 s), makes everything durable.
    [[nodiscard]] async::Task<void> stop();

  private:
    class Impl;
    explicit Node(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::node
