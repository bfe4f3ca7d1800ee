#pragma once

#include "node.hpp"
#include "receipts.hpp"

#include <decloud/base/json.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/pipeline/pipeline.hpp>
#include <decloud/sandbox/sandbox.hpp>

namespace decloud::node {

/// `/.well-known/decloud` and `info.info`: who this node is, what it sells, what it takes.
[[nodiscard]] json::Object well_known(const NodeSettings& settings,
    const sandbox::Sandbox& sandbox,
    const NodeIdentity& node_identity,
    const pipeline::Pipeline& pipeline,
    const crypto::RsaPublicKey& key,
    const AssetId& asset);

}  // namespace decloud::node
