#pragma once

#include "node.hpp"
#include "receipts.hpp"

#include <decloud/crypto/rsa.hpp>
#include <decloud/pipeline/pipeline.hpp>
#include <decloud/sandbox/sandbox.hpp>

#include <string>

namespace decloud::node {

/// `/.well-known/decloud`: who this node is, what it sells, what it takes.
[[nodiscard]] std::string well_known_json(const NodeSettings& settings,
    const sandbox::Sandbox& sandbox,
    const NodeIdentity& node_identity,
    const pipeline::Pipeline& pipeline,
    const crypto::RsaPublicKey& key,
    const AssetId& asset);

}  // namespace decloud::node
