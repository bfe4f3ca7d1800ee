#include "module_settings.hpp"

#include <algorithm>

namespace decloud::node {

sandbox::SandboxSettings sandbox_settings(
    const NodeSettings& node, const crypto::Secret& key, metrics::Registry& metrics) {
    sandbox::SandboxSettings settings;
    settings.cache_dir = node.home / "cache";
    settings.compiled_cache_bytes = node.cache_bytes;
    settings.unpacked_cache_bytes = node.cache_bytes;
    settings.native_wall = node.native_wall;
    settings.server_freeze = node.server_freeze;
    settings.metrics = &metrics;
    settings.runtimes = node.runtimes;
    std::ranges::copy(key.view().first(settings.mac_key.size()), settings.mac_key.begin());
    return settings;
}

payments::LedgerSettings ledger_settings(const NodeSettings& settings) {
    payments::LedgerSettings out;
    out.directory = settings.home / "ledger";
    out.max_exposure = settings.exposure.node;
    out.max_exposure_per_owner = settings.exposure.identity;
    out.max_exposure_per_payer = settings.exposure.channel;
    return out;
}

}  // namespace decloud::node
