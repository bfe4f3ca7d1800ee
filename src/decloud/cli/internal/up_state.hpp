#pragma once

#include "../context.hpp"
#include "../up.hpp"

#include <decloud/client/deployments.hpp>
#include <decloud/client/provider_setup.hpp>
#include <decloud/registry/provider.hpp>

#include <string>
#include <vector>

namespace decloud::cli::internal {

inline constexpr std::string_view kUpProvider = "alice.decloud";
inline constexpr Amount kUpPrice{1000};
inline constexpr std::uint64_t kUpChainId = 31337;
/// Base Sepolia's, whose USDC x402's clients pay with by default.
inline constexpr std::uint64_t kX402ChainId = 84532;
inline constexpr std::string_view kX402Usdc = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
inline constexpr Amount kUpBudget{5'000'000};

/// Sets what is 0 to a port that is free and checks that the others are. Error: port_in_use naming
/// port and flag; nothing was changed.
[[nodiscard]] Result<void> choose_ports(UpOptions& options);

/// What `up` knows while it builds a cloud.
struct UpState {
    const Context& context;
    UpOptions options;
    Workspace workspace;
    std::filesystem::path examples;
};

/// Contracts of this build on the chain, their addresses in the settings; what stayed in older ones
/// is told.
[[nodiscard]] async::Task<Result<void>> ensure_contracts(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    async::Executor executor);

/// Accounts with money, the provider in the registry, the reserved budget.
[[nodiscard]] async::Task<Result<void>> ensure_accounts(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    client::ChainSession& session
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// An example that was deployed and called.
struct UpFunction {
    std::string name;
    std::string cid;
};

/// Deploys the examples that changed.
[[nodiscard]] async::Task<Result<std::vector<UpFunction>>> deploy_examples(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    UpState& state,
    client::ChainSession& session,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Calls one example through the gateway with its own input and checks the answer. Error: remote if
/// it is not what the example should say.
[[nodiscard]] async::Task<Result<void>> call_example(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    UpFunction function,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// Width of a JPEG by its frame header, 0 if it is none.
[[nodiscard]] unsigned jpeg_width(BytesView image);

/// What the chain says about the owner and the provider.
struct UpMoney {
    Amount free;
    Amount reserved;
    Amount claimed;
    std::uint64_t calls = 0;
    Amount earned;
};
[[nodiscard]] async::Task<Result<UpMoney>> read_money(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const UpState& state,
    client::ChainSession& session
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// The addresses of the home's owner and provider accounts.
struct UpAddresses {
    Address owner;
    Address provider;
};
[[nodiscard]] Result<UpAddresses> read_addresses(const UpState& state);

/// `http://127.0.0.1:PORT`.
[[nodiscard]] std::string local_url(std::uint16_t port);

}  // namespace decloud::cli::internal
