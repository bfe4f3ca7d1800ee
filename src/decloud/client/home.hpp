#pragma once

#include <decloud/base/result.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace decloud::client {

/// How settings are read from the environment; nothing if it is not set. Tests give their own.
using EnvironmentReader = std::function<std::optional<std::string>(const std::string&)>;
/// Reads this process's environment.
[[nodiscard]] EnvironmentReader process_environment();

/// The folders of one cloud's user and node: one tree (`--home`, `DECLOUD_HOME`) or XDG's. Plain
/// paths; `open_home` makes them.
struct Home {
    std::filesystem::path config;
    std::filesystem::path data;
    std::filesystem::path state;
    std::filesystem::path cache;
    /// The tree's root, or empty for XDG folders.
    std::filesystem::path root;

    /// The settings, in TOML.
    [[nodiscard]] std::filesystem::path config_file() const { return config / "config.toml"; }
    /// Who may do what at this home's node, in TOML.
    [[nodiscard]] std::filesystem::path policy_file() const { return config / "policy.toml"; }
    /// The folder of the KeyStore.
    [[nodiscard]] std::filesystem::path keys() const { return data / "keys"; }
    /// The names of what was deployed, as `Deployments` keeps them.
    [[nodiscard]] std::filesystem::path deployments_file() const {
        return data / "deployments.json";
    }
    /// One file of secrets for each function's name.
    [[nodiscard]] std::filesystem::path secrets() const { return data / "secrets"; }
    /// What was deployed: specs and program content, for `secret` to build a new version from.
    [[nodiscard]] std::filesystem::path versions() const { return data / "versions"; }
    /// What this home has paid, in SQLite.
    [[nodiscard]] std::filesystem::path spending_file() const { return data / "spending.sqlite"; }
    /// The OpenCloud ids that this home's has followed, with the word of each.
    [[nodiscard]] std::filesystem::path successions_file() const {
        return data / "successions.json";
    }
    /// What this home has promised to pay later.
    [[nodiscard]] std::filesystem::path promises_file() const { return data / "promises.sqlite"; }
    /// The account's signed word for the node's identity key.
    [[nodiscard]] std::filesystem::path delegation_file() const { return data / "delegation.json"; }
    /// The node's own: lock, blocks, ledger, cache.
    [[nodiscard]] std::filesystem::path node() const { return data / "node"; }
    /// What aliases stand for at this home's gateway.
    [[nodiscard]] std::filesystem::path aliases_file() const { return data / "aliases.sqlite"; }
    /// Where a running node answers its operator; a Unix socket.
    [[nodiscard]] std::filesystem::path operator_socket() const { return state / "node.sock"; }
    /// Where a running pay-proxy needs no token; a Unix socket.
    [[nodiscard]] std::filesystem::path pay_proxy_socket() const {
        return state / "pay-proxy.sock";
    }
    /// The development chain's.
    [[nodiscard]] std::filesystem::path chain() const { return data / "chain"; }
    /// Output of the processes that this home started.
    [[nodiscard]] std::filesystem::path logs() const { return state / "logs"; }
    /// Channels whose vouchers this home signs, by payer and provider.
    [[nodiscard]] std::filesystem::path lanes() const { return data / "lanes"; }
    /// Transactions that are under way, by account.
    [[nodiscard]] std::filesystem::path wallets() const { return state / "wallets"; }
    /// What `--home` or the environment has to say for another process to use the same home.
    [[nodiscard]] std::string describe() const;
};

/// `flag`, else DECLOUD_HOME, else XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME and
/// XDG_CACHE_HOME with their defaults under HOME, each with `/decloud`. Error: usage if nothing
/// says where.
[[nodiscard]] Result<Home> locate_home(
    const std::string& flag, const EnvironmentReader& environment);

/// The format of a home that this build writes; in `data/format`.
inline constexpr unsigned kHomeFormat = 1;

/// Brings `data` from one format to the next.
struct HomeMigration {
    unsigned from = 0;
    std::function<Result<void>(const Home&)> apply;
};

/// Makes missing folders (0700) and checks `data/format`. An older format is migrated after
/// `data` was copied beside itself. Errors: StoreError::newer_format naming the file and both
/// versions; corrupt.
[[nodiscard]] Result<void> open_home(const Home& home);
/// The same for other formats than this build's; for tests.
[[nodiscard]] Result<void> open_home(
    const Home& home, unsigned current, std::span<const HomeMigration> migrations);

}  // namespace decloud::client
