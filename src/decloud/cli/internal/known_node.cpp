#include "known_node.hpp"

#include <decloud/client/call.hpp>
#include <decloud/client/error.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <utility>

namespace decloud::cli::internal {

namespace {

Result<std::vector<client::RequestRoute>> route_by_url(net::Url url, const std::string& path) {
    std::string base = url.target;
    while (base.ends_with('/')) {
        base.pop_back();
    }
    const std::string name = url.authority();
    return std::vector{
        client::RequestRoute{.url = std::move(url), .target = base + path, .name = name}};
}

/// Whoever answers has to be whom the registry names.
Result<void> check_registered(const client::NodeFacts& facts,
    const registry::Provider& provider,
    std::uint64_t chain_id,
    const std::string& node) {
    const std::string audience = protocol::audience(chain_id, provider.address);
    if (facts.audience != audience) {
        return fail(ClientError::not_authorised,
            node + " answers as " + facts.audience + ", and the registry says " + audience);
    }
    if (facts.delegation_epoch && *facts.delegation_epoch < provider.lowest_epoch) {
        return fail(
            ClientError::not_authorised, "the key of " + node + " was revoked by its provider");
    }
    return {};
}

}  // namespace

bool is_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

async::Task<Result<client::KnownNode>> find_node(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Workspace& workspace,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession* session,
    std::string node,
    bool with_provider) {
    client::KnownNode out;
    if (session == nullptr || is_url(node)) {
        CO_TRY(net::Url url, net::parse_url(node));
        out.routes = [url = std::move(url)](
                         const std::string& path) { return route_by_url(url, path); };
    } else {
        CO_TRY(const auto name, identity::ProviderName::parse(node));
        CO_TRY(registry::Provider provider, co_await session->find_provider(name));
        out.provider = provider;
        out.routes = [gateway = workspace.config.gateway.url, provider = std::move(provider)](
                         const std::string& path) {
            return client::routes_to(gateway, provider, path);
        };
    }
    CO_TRY(out.facts, co_await client::ask_node(http, out.routes, system_clock().unix_seconds()));
    if (session != nullptr && with_provider && !out.provider) {
        CO_TRY(const auto name, identity::ProviderName::parse(out.facts.name));
        CO_TRY(out.provider, co_await session->find_provider(name));
    }
    if (out.provider) {
        CO_TRY_VOID(check_registered(out.facts, *out.provider, session->config().chain_id, node));
    }
    co_return out;
}

Result<client::OpenCloudId> opencloud_id(const Context& context, const Workspace& workspace) {
    TRY(identity::KeyStore keys, context.keys(workspace));
    return client::open_opencloud_id(keys, workspace.home.successions_file());
}

}  // namespace decloud::cli::internal
