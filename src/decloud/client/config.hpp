#pragma once

#include "economics.hpp"
#include "home.hpp"
#include "spending.hpp"
#include "x402_challenge.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/chain/deployment.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/net/host_rules.hpp>
#include <decloud/registry/ens.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// `[chain]`: where the chain is and which contracts are decloud's.
struct ChainConfig {
    std::vector<std::string> rpc_urls;
    std::uint64_t chain_id = 0;
    chain::ContractAddresses contracts;
    /// A block this far below the head is final for us.
    std::uint64_t finality_depth = 2;
    /// Where the contracts' history begins.
    std::uint64_t first_block = 0;
    /// `[chain.ens]`: names under `.eth`.
    registry::EnsSettings ens{};
};

/// `[gateway.per_address]` and its like: what one of them may ask of the gateway. 0: no limit.
struct RequestLimitConfig {
    std::uint64_t per_second = 0;
    /// Beyond that, at once; 0: as many as in a second.
    std::uint64_t burst = 0;
    std::uint64_t concurrent = 0;
};

/// `[gateway]`: which gateway is used, and the one that `gateway run` makes.
struct GatewayConfig {
    /// Where this home's commands find a gateway.
    std::string url = "http://127.0.0.1:8080";
    /// What `gateway run` listens on and what its hosts end in.
    std::string listen = "127.0.0.1:8080";
    std::string domain = "localhost";
    /// Whether registry URLs may lead to this machine or a private network.
    bool allow_local_providers = false;
    /// Where `gateway run` answers /metrics; empty: nowhere.
    std::string console;
    /// PEM files: with them `gateway run` speaks TLS.
    std::string tls_certificate;
    std::string tls_key;
    RequestLimitConfig per_address;
    RequestLimitConfig per_payer;
    RequestLimitConfig per_deployment;
    /// A line of the log for each request.
    bool access_log = false;
    /// Of the traces, those whose spans are written to the log.
    std::uint64_t traces_per_thousand = 0;
};

/// `[provider]`: what this home sells. `price` is of one call, in the smallest unit.
struct ProviderConfig {
    /// Full: "alice.decloud"; empty if this home sells nothing.
    std::string name;
    /// Which of the home's accounts it is.
    std::string account = "provider";
    std::string listen = "127.0.0.1:8402";
    std::string console = "127.0.0.1:8401";
    /// What the registry says; empty: made of `listen`.
    std::string public_url;
    /// A line of the log for each request.
    bool access_log = false;
    /// Of the traces, those whose spans are written to the log.
    std::uint64_t traces_per_thousand = 0;
    /// PEM files: with them the public listener speaks TLS.
    std::string tls_certificate;
    std::string tls_key;
    Amount price{1000};
    /// What may be served and not yet settled: of one channel, of one identity over all its
    /// channels, and in all.
    Amount max_exposure_per_channel{1'000'000'000};
    Amount max_exposure_per_identity{2'000'000'000};
    Amount max_exposure{10'000'000'000};
    /// What a row of a settlement costs is computed from: rows that would bring less than twice
    /// that wait. A price of 0 has all of them sent.
    GasMarket gas{.wei_per_gas = 0, .per_coin = Amount(3'000'000'000)};
    /// Storage for owners who have reserved nothing.
    std::uint64_t free_bytes = 0;
    /// URLs of trustless gateways: what a call needs and this node lacks is fetched from them.
    std::vector<std::string> content_sources;
    /// URLs of delegated routers, asked who has what none of those gives.
    std::vector<std::string> content_routers;
    /// DNS is asked where domains lead.
    bool dnslink = true;
    /// "ADDRESS:PORT" of DNS servers; none: those of the system.
    std::vector<std::string> dns_servers;
    /// Domains, in lower case, that are answered as websites where they come as Host.
    std::vector<std::string> websites;
    /// CONNECT is answered: the node may be the HTTP proxy of who reads content here.
    bool http_proxy = false;
    /// URLs of other nodes to begin with, besides those of the registry.
    std::vector<std::string> peers;
    /// Addresses of gateways whose word on who the client is (`Forwarded`) is believed.
    std::vector<std::string> gateways;
    /// Malformed or wrongly signed requests of one client that are forgiven in a minute; 0: all.
    std::uint64_t failed_attempts = 60;
    /// When an answer paid for by x402 leaves: "settled" or "sent"; "off": nobody pays that way.
    std::string x402 = "off";
    /// In "sent": what one x402 payer may have unsettled.
    Amount x402_max_unsettled{100'000};
    /// Most disk for compiled and for unpacked programs, each.
    std::uint64_t cache_bytes = 4 * kGiB;
    /// The kinds of programs that are run: some of "wasm", "native", "server", "oci".
    std::vector<std::string> runtimes{"wasm", "native", "server", "oci"};
    /// How long a native program may run, 1 to 900.
    std::uint64_t native_seconds = 15;
    /// Without a request for so long, a server stands still until the next one, at most 3600; 0:
    /// never.
    std::uint64_t freeze_seconds = 2;
    /// How long a WebSocket or an event stream goes on for the price of one call, 1 to 3600.
    std::uint64_t stream_seconds = 60;
    /// The hosts that functions may ask for; none: no function has a network.
    net::HostRules egress;
    /// These may be on this machine or a private network.
    bool egress_private = false;
    /// What may pass between a function and its hosts: in one call, and of a server in an hour.
    std::uint64_t egress_bytes_per_hour = kGiB;
};

/// `[content]`: where what anybody may read is kept.
struct ContentConfig {
    /// "embedded": in the home; "kubo": in the Kubo node whose RPC is at `kubo_api`.
    std::string engine = "embedded";
    std::string kubo_api = "http://127.0.0.1:5001";
    /// A file with the secret of that RPC; empty: it wants none.
    std::string kubo_secret_file;
    /// Kubo is asked to tell the network of what is pinned.
    bool announce = true;
};

/// `[trials]`: calls that the home's provider gives away by itself.
struct TrialsConfig {
    /// Who gets them: "off" nobody, "listed" those in `listed`, "anyone" every key that asks.
    std::string automatic = "off";
    /// For each identity, ever.
    std::uint64_t calls_per_identity = 10;
    /// For all identities together, in a UTC day.
    std::uint64_t calls_per_day = 1000;
    std::vector<Address> listed;
};

/// `[spending]`: what this home pays for by itself.
struct SpendingConfig {
    SpendingLimits limits;
    /// What counts as USDC beside the configured chain's own; of six decimals.
    std::vector<TokenId> tokens;
};

/// What `config.toml` holds.
struct Config {
    std::string account = "default";
    ChainConfig chain;
    GatewayConfig gateway;
    ProviderConfig provider;
    ContentConfig content;
    TrialsConfig trials;
    SpendingConfig spending;
};

/// Where signatures of this config's chain are valid.
[[nodiscard]] identity::Domain signature_domain(const ChainConfig& chain);
/// True if every RPC URL is on loopback: only then may published development keys be used.
[[nodiscard]] bool is_local_chain(const ChainConfig& chain);

/// What may be spent: the configured chain's USDC and what `[spending]` lists besides.
[[nodiscard]] std::vector<TokenId> spendable_tokens(const Config& config);

/// Strict: unknown keys and wrong types are refused with their line. `source` names the file in
/// errors. Error: ClientError::usage.
[[nodiscard]] Result<Config> parse_config(std::string_view text, std::string_view source);
/// `config.toml` (defaults if there is none), then what the environment says over it:
/// DECLOUD_ACCOUNT, DECLOUD_RPC_URL (comma separated), DECLOUD_GATEWAY_URL.
[[nodiscard]] Result<Config> load_config(const Home& home, const EnvironmentReader& environment);
/// TOML that `parse_config` reads back.
[[nodiscard]] std::string format_config(const Config& config);
/// Replaces `config.toml`, durably. Errors: as `store::write_file_atomically`.
[[nodiscard]] Result<void> save_config(const Home& home, const Config& config);
/// Replaces the table `provider` of `config.toml`; the rest of the file stays as it was written.
[[nodiscard]] Result<void> save_provider(const Home& home, const ProviderConfig& provider);

}  // namespace decloud::client
