#pragma once

#include "node.hpp"

#include <decloud/base/metrics.hpp>
#include <decloud/crypto/secret.hpp>
#include <decloud/payments/ledger.hpp>
#include <decloud/sandbox/sandbox.hpp>

namespace decloud::node {

// What the node's settings are to the modules below.

/// `key` authenticates compiled programs; `metrics` outlives the sandbox.
[[nodiscard]] sandbox::SandboxSettings sandbox_settings(
    const NodeSettings& node, const crypto::Secret& key, metrics::Registry& metrics);
[[nodiscard]] payments::LedgerSettings ledger_settings(const NodeSettings& settings);

}  // namespace decloud::node
