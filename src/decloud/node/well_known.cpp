#include "well_known.hpp"

#include "exposure.hpp"

#include <decloud/base/json.hpp>
#include <decloud/identity/did_key.hpp>

namespace decloud::node {

namespace {

json::Array to_array(const std::vector<std::string>& texts) {
    json::Array out(texts.begin(), texts.end());
    return out;
}

}  // namespace

json::Object well_known(const NodeSettings& settings,
    const sandbox::Sandbox& sandbox,
    const NodeIdentity& node_identity,
    const pipeline::Pipeline& pipeline,
    const crypto::RsaPublicKey& key,
    const AssetId& asset) {
    json::Object provider;
    provider["name"] = settings.provider_name;
    provider["address"] = to_string(settings.provider);
    provider["url"] = settings.public_url;
    provider["audience"] = node_identity.audience;
    json::Object chain;
    chain["id"] = settings.chain_id;
    chain["escrow"] = to_string(settings.contracts.escrow);
    chain["registry"] = to_string(settings.contracts.registry);
    chain["usdc"] = to_string(settings.contracts.usdc);
    json::Object call_price;
    call_price["service"] = "compute";
    call_price["method"] = "call";
    call_price["currency"] = asset.text;
    call_price["amount"] = to_string(settings.price);
    call_price["streamIntervalMilliseconds"] = settings.stream_interval.count();

    json::Object body;
    body["provider"] = std::move(provider);
    body["node"] = json::Object{{"id", identity::to_did_key(node_identity.key.public_key())}};
    if (node_identity.delegation) {
        body["delegation"] = identity::to_json(*node_identity.delegation);
    }
    body["rsaKey"] = key.to_jwk();
    body["chain"] = std::move(chain);
    body["services"] = to_array(pipeline.services());
    body["payments"] = to_array(pipeline.payment_methods());
    json::Object limits;
    for (const char* const runtime : {"native", "oci", "server", "wasm"}) {
        if (sandbox.has_runtime(runtime)) {
            limits[runtime] =
                json::Object{{"wallMilliseconds", sandbox.most(runtime).wall.count()}};
        }
    }
    body["limits"] = std::move(limits);
    body["egress"] = to_array(net::to_texts(settings.egress.hosts));
    if (settings.trials.calls_per_identity > 0) {
        body["trials"] = json::Object{{"callsPerIdentity", settings.trials.calls_per_identity},
            {"callsPerDay", settings.trials.calls_per_day},
            {"for", settings.trials.anyone ? "anyone" : "listed"}};
    }
    json::Object exposure = exposure_limits_json(settings.exposure);
    exposure["asset"] = asset.text;
    body["exposure"] = std::move(exposure);
    body["prices"] = json::Array{std::move(call_price)};
    return body;
}

}  // namespace decloud::node
