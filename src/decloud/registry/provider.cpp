#include "provider.hpp"

#include <fmt/format.h>

#include <utility>

namespace decloud::registry {

namespace {

std::unexpected<Error> unusable(const identity::ProviderName& name, std::string_view why) {
    return fail(RegistryError::unusable_record, fmt::format("{}: {}", name.full(), why));
}

}  // namespace

Result<Provider> parse_provider(
    const identity::ProviderName& name, const chain::ProviderRecord& record) {
    if (record.address.is_zero()) {
        return unusable(name, "it has no address");
    }
    if (record.url.empty()) {
        return unusable(name, "it has no URL");
    }
    auto url = net::parse_url(record.url);
    if (!url) {
        return unusable(name, fmt::format("its URL is bad: {}", url.error().detail()));
    }
    if (url->scheme == net::Scheme::unix_socket) {
        return unusable(name, "its URL is not http or https");
    }
    if (url->target != "/") {
        return unusable(name, "its URL has a path or a query");
    }
    Provider provider{.name = name,
        .address = record.address,
        .url = std::move(*url),
        .rsa_key = std::nullopt,
        .lowest_epoch = record.lowest_epoch};
    if (!record.rsa_jwk.empty()) {
        auto key = crypto::RsaPublicKey::from_jwk(record.rsa_jwk);
        if (!key) {
            return unusable(name, fmt::format("its RSA key is bad: {}", key.error().message()));
        }
        provider.rsa_key = std::move(*key);
    }
    return provider;
}

}  // namespace decloud::registry
