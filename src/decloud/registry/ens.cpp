#include "ens.hpp"

#include "error.hpp"
#include "provider_directory.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/chain/json_rpc.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::registry {

namespace {

/// Far below the time between two of Ethereum's blocks.
constexpr std::chrono::seconds kPoll{4};

chain::JsonRpcSettings rpc_settings(const EnsSettings& settings) {
    return {.depth = settings.finality_depth, .chain_id = settings.chain_id};
}

Result<Provider> provider_of(
    const identity::ProviderName& name, const Result<chain::ProviderRecord>& record) {
    if (record) {
        return parse_provider(name, *record);
    }
    if (record.error() == make_error_code(ChainError::not_found)) {
        return fail(RegistryError::unknown_provider, "no provider is registered as " + name.full());
    }
    return fail(Error(record.error()).within("looking up " + name.full()));
}

}  // namespace

Address EnsSettings::default_registry() {
    return parse_address("0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e").value();
}

bool is_ens_name(const identity::ProviderName& name) { return name.full().ends_with(".eth"); }

// The view belongs to a session that the caller keeps.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
async::Task<Result<Provider>> find_now(chain::RegistryView& view, identity::ProviderName name) {
    const auto record = co_await view.resolve(name.node());
    co_return provider_of(name, record);
}

async::Task<Result<Provider>> find_by_ens(
    async::Executor executor, EnsSettings settings, identity::ProviderName name) {
    const auto record = co_await resolve_by_ens(std::move(executor), std::move(settings), name);
    co_return provider_of(name, record);
}

async::Task<Result<chain::ProviderRecord>> resolve_by_ens(
    async::Executor executor, EnsSettings settings, identity::ProviderName name) {
    const auto transport = chain::make_http_transport(executor);
    chain::JsonRpc rpc(*transport, settings.rpc_urls, rpc_settings(settings));
    chain::EthereumClient client(rpc);
    Result<chain::ProviderRecord> record = fail(ChainError::unreachable);
    const auto id = co_await client.chain_id();
    if (!id) {
        record = fail(id.error().within("ENS at " + settings.rpc_urls.front()));
    } else if (*id != settings.chain_id) {
        record =
            fail(ChainError::wrong_chain, fmt::format("{} is chain {}, and ENS is looked for on {}",
                                              settings.rpc_urls.front(), *id, settings.chain_id));
    } else {
        record = co_await chain::RegistryView(client, settings.registry).resolve(name.node());
    }
    co_await transport->stop();
    co_return record;
}

/// ENS's chain, as far as names need it.
struct EnsDirectory::Chain {
    Chain(async::Executor executor, const EnsSettings& settings, const Clock& clock)
        : transport(chain::make_http_transport(executor)),
          rpc(*transport, settings.rpc_urls, rpc_settings(settings)),
          client(rpc),
          head(executor,
              client,
              clock,
              {.poll = kPoll, .depth = settings.finality_depth, .chain_id = settings.chain_id}),
          directory(executor, client, head, settings.registry),
          tasks(executor) {}

    std::unique_ptr<chain::JsonRpcTransport> transport;
    chain::JsonRpc rpc;
    chain::EthereumClient client;
    chain::HeadFollower head;
    ProviderDirectory directory;
    async::TaskGroup tasks;
};

EnsDirectory::EnsDirectory(
    async::Executor executor, EnsSettings settings, ProviderSource& others, const Clock& clock)
    : others_(others),
      chain_(settings.rpc_urls.empty()
                 ? nullptr
                 : std::make_unique<Chain>(std::move(executor), settings, clock)) {}

EnsDirectory::~EnsDirectory() = default;

async::Task<Result<Provider>> EnsDirectory::find(identity::ProviderName name) {
    if (chain_ && is_ens_name(name)) {
        return chain_->directory.find(std::move(name));
    }
    return others_.find(std::move(name));
}

async::Task<void> EnsDirectory::run() {
    if (chain_) {
        chain_->tasks.spawn(chain_->head.run());
        co_await chain_->directory.run();
    }
}

async::Task<void> EnsDirectory::stop() {
    if (chain_) {
        co_await chain_->directory.stop();
        chain_->tasks.cancel();
        co_await chain_->tasks.join();
        co_await chain_->transport->stop();
    }
}

}  // namespace decloud::registry
