#pragma once

#include "context.hpp"

#include <cstdint>
#include <filesystem>

namespace decloud::cli {

/// What `decloud up` was told. Ports: 0 picks a free one.
struct UpOptions {
    std::uint16_t chain_port = 8545;
    std::uint16_t node_port = 8402;
    std::uint16_t console_port = 8401;
    std::uint16_t gateway_port = 8080;
    bool once = false;
    /// Chain and token as x402's clients know them by default; the provider takes x402 payments.
    bool x402_defaults = false;
    /// Empty: beside the folder of the program.
    std::filesystem::path examples;
};

/// A whole local cloud: chain, funded account, provider, gateway, examples, each called and paid
/// once. Stays until SIGINT or SIGTERM unless `once`.
[[nodiscard]] Outcome run_up(const Context& context, UpOptions options);

}  // namespace decloud::cli
