#include "node.hpp"

#include "balance_of.hpp"
#include "console.hpp"
#include "content_sources.hpp"
#include "content_upkeep.hpp"
#include "declared_services.hpp"
#include "edge.hpp"
#include "exposure.hpp"
#include "kubo_upkeep.hpp"
#include "module_settings.hpp"
#include "node_storage.hpp"
#include "openapi.hpp"
#include "operator_api.hpp"
#include "peer_exchange.hpp"
#include "process_gauges.hpp"
#include "public_content.hpp"
#include "receipts.hpp"
#include "requesters.hpp"
#include "tunnel.hpp"
#include "well_known.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/json_rpc.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/ipfs/gateway.hpp>
#include <decloud/payments/authorization_method.hpp>
#include <decloud/payments/debts.hpp>
#include <decloud/payments/owner_charging.hpp>
#include <decloud/payments/settler.hpp>
#include <decloud/payments/window_method.hpp>
#include <decloud/payments/x402_method.hpp>
#include <decloud/pipeline/failed_attempts.hpp>
#include <decloud/policy/admission.hpp>
#include <decloud/policy/barring.hpp>
#include <decloud/policy/offers.hpp>
#include <decloud/policy/priced_service.hpp>
#include <decloud/protocol/request_digest.hpp>
#include <decloud/services/compute/compute_service.hpp>
#include <decloud/services/compute/early_preparation.hpp>
#include <decloud/services/content/content_service.hpp>
#include <decloud/services/info/info_service.hpp>
#include <decloud/services/payment/payment_service.hpp>

#include <algorithm>
#include <utility>

namespace decloud::node {

namespace {

constexpr auto kStopGrace = std::chrono::seconds(20);
constexpr auto kReviewInterval = std::chrono::minutes(10);
constexpr std::size_t kBlockingThreads = 4;
/// T of an escrow that has not been asked yet: the least that the contract allows.
constexpr std::chrono::seconds kShortestCloseDelay = std::chrono::hours(1);

AssetId usdc_asset(const NodeSettings& settings) {
    return {"eip155:" + std::to_string(settings.chain_id) +
            "/erc20:" + to_string(settings.contracts.usdc)};
}

/// As whom the requests count in which a gateway does not say whose they are.
std::vector<std::string> gateway_clients(const std::vector<net::IpAddress>& gateways) {
    std::vector<std::string> out;
    for (const net::IpAddress& gateway : gateways) {
        net::PeerAddress peer;
        peer.ip = gateway;
        out.push_back(client_key(peer));
    }
    return out;
}

}  // namespace

/// Members are in the order in which they depend on each other.
class Node::Impl {
  public:
    Impl(async::Executor executor,
        NodeSettings settings,
        const Clock& clock,
        Keys keys,
        Storage storage)
        : executor_(executor),
          settings_(std::move(settings)),
          clock_(clock),
          domain_{.chain_id = settings_.chain_id, .escrow = settings_.contracts.escrow},
          asset_(usdc_asset(settings_)),
          metrics_(make_metrics_registry()),
          exposure_gauges_(*metrics_, settings_.exposure),
          process_gauges_(*metrics_, [this] { return head_.status(); }),
          storage_(std::move(storage)),
          settler_key_(std::move(keys.settler)),
          identity_{.key = std::move(keys.identity),
              .delegation = settings_.delegation,
              .audience = protocol::audience(settings_.chain_id, settings_.provider),
              .provider_name = settings_.provider_name,
              .escrow = settings_.contracts.escrow},
          transport_(chain::make_http_transport(executor)),
          rpc_(*transport_,
              settings_.rpc_urls,
              {.depth = settings_.finality_depth, .chain_id = settings_.chain_id}),
          client_(rpc_),
          head_(executor,
              client_,
              clock,
              {.depth = settings_.finality_depth,
                  .max_age = kShortestCloseDelay / 4,
                  .chain_id = settings_.chain_id}),
          escrow_(client_, settings_.contracts.escrow),
          journal_(payments::make_sender_journal(*storage_.records, pool_)),
          sender_(
              executor, client_, head_, *journal_, settler_key_, {.chain_id = settings_.chain_id}),
          sandbox_(executor, sandbox_settings(settings_, keys.module_cache, *metrics_)),
          content_sources_(make_content_sources(executor,
              {settings_.content_sources, settings_.content_routers, settings_.outbound},
              *storage_.blocks,
              *storage_.private_blocks,
              clock)),
          deployments_(executor,
              *storage_.blocks,
              *storage_.pins,
              *storage_.records,
              sandbox_,
              std::move(keys.rsa),
              content_pool_,
              {.domain = domain_,
                  .provider_node = identity::namehash(settings_.provider_name),
                  .fetcher = content_sources_.get(),
                  .egress = settings_.egress}),
          early_preparation_(executor, deployments_),
          slow_answers_(executor),
          run_metrics_(*metrics_),
          call_logs_(executor, clock),
          function_context_{executor, sandbox_, slow_answers_, asset_, settings_.price,
              settings_.stream_interval, run_metrics_, call_logs_},
          spent_statements_(*storage_.records, "logs-read/", clock),
          logs_context_{deployments_, call_logs_, spent_statements_, pool_},
          balances_(make_balance_of(client_, escrow_, settings_.contracts.usdc), clock),
          operator_servers_(executor, {}, net::OutboundPolicy::trusted()),
          pipeline_(clock, *metrics_),
          tasks_(executor) {}

    [[nodiscard]] async::Task<Result<void>> start();
    [[nodiscard]] async::Task<void> run();
    [[nodiscard]] async::Task<void> stop();

    [[nodiscard]] net::Endpoint public_endpoint() const { return public_server_->local_endpoint(); }
    [[nodiscard]] net::Endpoint console_endpoint() const {
        return console_server_->local_endpoint();
    }

  private:
    [[nodiscard]] Result<void> open_ledger();
    void register_everything();
    [[nodiscard]] json::Object tell() const;
    [[nodiscard]] policy::AdmissionSettings policy_settings() {
        return {.usdc = asset_, .facts = &balances_};
    }
    [[nodiscard]] async::Task<Result<Bytes>> open_window_key(std::string jwe);
    [[nodiscard]] Result<void> listen();
    [[nodiscard]] async::Task<void> answer_public(net::http::Exchange exchange);
    [[nodiscard]] async::Task<void> review();
    [[nodiscard]] async::Task<void> learn_close_delay();

    async::Executor executor_;
    NodeSettings settings_;
    const Clock& clock_;
    identity::Domain domain_;
    AssetId asset_;
    std::unique_ptr<MetricsRegistry> metrics_;
    ExposureGauges exposure_gauges_;
    ProcessGauges process_gauges_;
    boost::asio::thread_pool pool_{kBlockingThreads};
    /// Of its own, as an engine of content may be slow, which is not to hold up the ledger.
    boost::asio::thread_pool content_pool_{kBlockingThreads};
    Storage storage_;
    crypto::Secp256k1PrivateKey settler_key_;
    NodeIdentity identity_;
    EdgeSettings edge_;

    std::unique_ptr<chain::JsonRpcTransport> transport_;
    chain::JsonRpc rpc_;
    chain::EthereumClient client_;
    chain::HeadFollower head_;
    chain::EscrowView escrow_;
    std::unique_ptr<chain::SenderJournal> journal_;
    chain::TransactionSender sender_;

    std::unique_ptr<payments::StateEngine> engine_;
    std::unique_ptr<payments::Ledger> ledger_;
    std::unique_ptr<payments::EscrowChannels> channels_;
    std::unique_ptr<payments::Settler> settler_;
    std::unique_ptr<payments::AutomaticTrials> trials_;
    std::unique_ptr<payments::EscrowCharging> charging_;
    std::unique_ptr<payments::X402Settlements> x402_;
    std::unique_ptr<payments::Debts> debts_;
    std::unique_ptr<SuccessionRecords> successions_;

    sandbox::Sandbox sandbox_;
    std::unique_ptr<ContentSources> content_sources_;
    services::Deployments deployments_;
    services::EarlyPreparation early_preparation_;
    services::SlowAnswers slow_answers_;
    services::RunMetrics run_metrics_;
    services::CallLogs call_logs_;
    services::FunctionCallContext function_context_;
    services::SpentStatements spent_statements_;
    services::LogsContext logs_context_;
    std::unique_ptr<policy::PolicyKeeper> policy_;
    policy::AccountBalances balances_;
    std::unique_ptr<services::ContentContext> content_context_;
    std::unique_ptr<PublicContent> public_content_;
    std::unique_ptr<KuboUpkeep> kubo_upkeep_;
    /// For the servers behind declared services, which are the operator's own.
    net::http::Client operator_servers_;
    std::unique_ptr<services::DeclaredContext> declared_context_;
    std::unique_ptr<PeerExchange> peers_;
    pipeline::Pipeline pipeline_;
    std::unique_ptr<DeclaredServices> declared_;

    std::unique_ptr<OperatorContext> operator_context_;
    std::unique_ptr<ConsoleContext> console_context_;
    std::unique_ptr<net::http::Server> public_server_;
    std::unique_ptr<TunnelKeeper> tunnels_;
    std::unique_ptr<net::http::Server> console_server_;
    std::unique_ptr<net::http::Server> operator_server_;
    async::TaskGroup tasks_;
    bool stopped_ = false;
};

Result<void> Node::Impl::open_ledger() {
    std::error_code ignored;
    std::filesystem::create_directories(settings_.home / "ledger", ignored);
    TRY(engine_,
        payments::make_sqlite_state_engine(settings_.home / "ledger" / "slices.sqlite", pool_));
    TRY(ledger_, payments::Ledger::open(ledger_settings(settings_), executor_, *engine_, clock_));
    const payments::LedgerRecovery& recovery = ledger_->recovery();
    if (!recovery.cut_at.empty()) {
        log::warning("node", "the ledger's log had a torn tail: {} bytes were cut at {}",
            recovery.bytes_cut, recovery.cut_at);
    }
    if (recovery.held_released + recovery.served_released > 0) {
        log::warning("node",
            "{} running calls, {} of them served, were released: {} units are not charged",
            recovery.held_released + recovery.served_released, recovery.served_released,
            to_string(recovery.amount_released));
    }
    channels_ = std::make_unique<payments::EscrowChannels>(executor_, client_, head_, escrow_,
        *ledger_, clock_, *storage_.records, pool_,
        payments::EscrowChannelsSettings{
            .provider = settings_.provider, .asset = asset_, .first_block = settings_.first_block});
    settler_ = std::make_unique<payments::Settler>(executor_, *ledger_, sender_, *channels_, clock_,
        *metrics_,
        payments::SettlerSettings{.provider = settings_.provider,
            .escrow = settings_.contracts.escrow,
            .asset = asset_,
            .thresholds = settings_.thresholds});
    trials_ = std::make_unique<payments::AutomaticTrials>(
        *ledger_, clock_, settings_.provider, settings_.trials);
    charging_ = std::make_unique<payments::EscrowCharging>(payments::EscrowCharging{*ledger_,
        *channels_, clock_, asset_, settings_.provider, settings_.provider_name, trials_.get(),
        policy::make_least_bid(policy_settings(), *policy_, clock_)});
    debts_ = std::make_unique<payments::Debts>(
        payments::DebtsContext{executor_, *ledger_, *storage_.records, clock_},
        payments::DebtsSettings{.asset = asset_});
    if (settings_.x402) {
        x402_ = std::make_unique<payments::X402Settlements>(
            payments::X402Context{
                executor_, *ledger_, client_, head_, sender_, *storage_.records, pool_, clock_},
            payments::X402Settings{.asset = asset_,
                .token = settings_.contracts.usdc,
                .chain_id = settings_.chain_id,
                .pay_to = settings_.provider,
                .public_url = settings_.public_url,
                .mode = *settings_.x402,
                .max_unsettled = settings_.x402_max_unsettled});
    }
    return {};
}

/// Where services, payment methods and admission rules join.
void Node::Impl::register_everything() {
    content_context_ = std::make_unique<services::ContentContext>(
        services::ContentContext{*storage_.blocks, *storage_.pins, *ledger_, clock_, content_pool_,
            {.free_bytes = settings_.free_bytes}, channels_.get(), storage_.private_blocks.get(),
            [this](const content::Cid& root) { early_preparation_.add(root); }});
    public_content_ = std::make_unique<PublicContent>(*storage_.blocks, *storage_.private_blocks,
        *policy_, *storage_.ipns_records, clock_,
        peer_record(identity_.key.public_key(), settings_.public_url), settings_.domains);
    if (storage_.kubo) {
        kubo_upkeep_ = std::make_unique<KuboUpkeep>(*storage_.kubo, content_pool_,
            public_content_->gateway().visibility,
            settings_.announces ? KuboUpkeep::Announces::yes : KuboUpkeep::Announces::no);
    }
    pipeline_.set_answer_key(identity_.key);
    successions_ =
        std::make_unique<SuccessionRecords>(*storage_.records, [this](const std::string& id) {
            return policy_->current()->names(id) || !debts_->find(id).promised.is_zero();
        });
    pipeline_.set_authentication(
        make_authentication(clock_, identity_.audience, settings_.public_url, *successions_));
    pipeline_.add_admission(pipeline::make_failed_attempts_rule(
        {.per_minute = settings_.failed_attempts_per_minute,
            .exempt = gateway_clients(settings_.trusted_gateways)},
        clock_, *metrics_));
    pipeline_.add_admission(
        policy::make_policy_rule(policy_settings(), *policy_, clock_, *metrics_));
    const auto priced = [this](std::unique_ptr<protocol::Service> service) {
        return policy::make_priced_service(std::move(service), policy_settings(), *policy_, clock_);
    };
    pipeline_.add_service(
        priced(services::make_compute_service(deployments_, function_context_, logs_context_)));
    pipeline_.add_service(priced(services::make_content_service(*content_context_)));
    pipeline_.add_service(services::make_info_service([this] { return tell(); }));
    pipeline_.add_service(services::make_payment_service(*debts_));
    peers_ = std::make_unique<PeerExchange>(executor_, clock_, client_, head_, identity_,
        PeerSettings{.provider_name = settings_.provider_name,
            .public_url = settings_.public_url,
            .configured = settings_.peers,
            .policy = settings_.outbound,
            .services = [this] { return pipeline_.services(); },
            .registry = settings_.contracts.registry,
            .first_block = settings_.first_block});
    pipeline_.add_service(services::make_peers_service(peers_->context()));
    pipeline_.add_payment_method(payments::make_authorization_method(*charging_, domain_));
    pipeline_.add_payment_method(payments::make_window_method(*charging_, domain_,
        [this](std::string jwe) { return open_window_key(std::move(jwe)); },
        {.least_budget = settings_.least_channel}));
    if (x402_) {
        pipeline_.add_payment_method(payments::make_x402_method(*x402_));
    }
    pipeline_.add_payment_method(payments::make_promise_method(*debts_, *ledger_, clock_,
        policy::make_promise_limits(policy_settings(), *policy_, clock_)));
    pipeline_.add_payment_method(payments::make_owner_method(*charging_));
    declared_context_ = std::make_unique<services::DeclaredContext>(
        services::DeclaredContext{*pipeline_.find_service("compute"), operator_servers_, asset_});
    declared_ = std::make_unique<DeclaredServices>(
        settings_.services, settings_.provider_name, pipeline_, *declared_context_, priced);
    (void)declared_->reload();
}

json::Object Node::Impl::tell() const {
    return well_known(
        settings_, sandbox_, identity_, pipeline_, deployments_.current_key(), asset_);
}

async::Task<Result<Bytes>> Node::Impl::open_window_key(std::string jwe) {
    CO_TRY(
        identity::Jwe parsed, identity::Jwe::parse(jwe, {.max_bytes = 4096, .max_recipients = 4}));
    co_return co_await async::offload(pool_,
        [keys = deployments_.keys(), parsed = std::move(parsed)] { return parsed.decrypt(keys); });
}

Result<void> Node::Impl::listen() {
    edge_ = {.provider_name = settings_.provider_name,
        .provider_short_name = settings_.provider_name.substr(0, settings_.provider_name.find('.')),
        .audience = identity_.audience,
        .trusted_gateways = settings_.trusted_gateways};
    console_context_ = std::make_unique<ConsoleContext>(ConsoleContext{*metrics_,
        [this] { return head_.status(); }, settings_.provider_name,
        [this] {
            process_gauges_.set();
            exposure_gauges_.set(measure_exposure(*ledger_, asset_, settings_.thresholds.row_cost));
        }});
    operator_context_ = std::make_unique<OperatorContext>(OperatorContext{settings_, asset_,
        *ledger_, *channels_, *settler_, *trials_, head_, *content_context_, *storage_.blocks,
        *declared_, *debts_, *storage_.ipns_records, *storage_.ipns_publisher, clock_});
    TRY(public_server_,
        net::http::Server::listen(executor_, settings_.public_listen, settings_.public_server,
            [this](net::http::Exchange exchange) { return answer_public(std::move(exchange)); }));
    tunnels_ = std::make_unique<TunnelKeeper>(executor_, settings_.tunnels, identity_,
        settings_.public_server,
        [this](net::http::Exchange exchange) { return answer_public(std::move(exchange)); });
    TRY(console_server_, net::http::Server::listen(executor_, settings_.console_listen, {},
                             [this](net::http::Exchange exchange) {
                                 return answer_console(std::move(exchange), *console_context_);
                             }));
    net::Endpoint socket;
    socket.unix_path = settings_.operator_socket.string();
    TRY(operator_server_, net::http::Server::listen(executor_, std::move(socket), {},
                              [this](net::http::Exchange exchange) {
                                  return answer_operator(std::move(exchange), *operator_context_);
                              }));
    return {};
}

async::Task<Result<void>> Node::Impl::start() {
    CO_TRY(policy_, policy::PolicyKeeper::open(settings_.policy_file));
    CO_TRY_VOID(open_ledger());
    CO_TRY_VOID(co_await channels_->start());
    CO_TRY_VOID(co_await deployments_.start());
    sandbox_.on_full_cache([this] { return deployments_.release_one(); });
    sandbox_.on_server_errors([this](const std::string& cid, std::string_view errors) {
        call_logs_.keep_server(cid, errors);
    });
    CO_TRY_VOID(co_await sender_.start());
    CO_TRY_VOID(co_await debts_->start());
    if (x402_) {
        CO_TRY_VOID(co_await x402_->start());
    }
    register_everything();
    CO_TRY_VOID(listen());
    co_return Result<void>{};
}

async::Task<void> Node::Impl::run() {
    tasks_.spawn(head_.run());
    tasks_.spawn(channels_->run());
    tasks_.spawn(sender_.run());
    tasks_.spawn(settler_->run());
    if (x402_) {
        tasks_.spawn(x402_->run());
    }
    tasks_.spawn(policy_->run(pool_));
    tasks_.spawn(peers_->run());
    tasks_.spawn(keep_published(*storage_.ipns_publisher, pool_));
    if (kubo_upkeep_) {
        tasks_.spawn(kubo_upkeep_->run());
    }
    tasks_.spawn(review());
    tasks_.spawn(learn_close_delay());
    async::TaskGroup servers(executor_);
    servers.spawn(console_server_->run());
    servers.spawn(operator_server_->run());
    servers.spawn(public_server_->run());
    servers.spawn(tunnels_->run());
    log::info("node", "{} serves at {}", settings_.provider_name, public_endpoint().to_string());
    co_await servers.join();
}

async::Task<void> Node::Impl::stop() {
    if (std::exchange(stopped_, true)) {
        co_return;
    }
    call_logs_.stop();
    if (content_sources_) {
        co_await content_sources_->stop();
    }
    if (tunnels_) {
        co_await tunnels_->stop(kStopGrace);
    }
    if (public_server_) {
        co_await public_server_->stop(kStopGrace);
    }
    if (console_server_) {
        co_await console_server_->stop(std::chrono::seconds(1));
    }
    if (operator_server_) {
        co_await operator_server_->stop(std::chrono::seconds(1));
    }
    if (kubo_upkeep_) {
        kubo_upkeep_->stop();
    }
    tasks_.cancel();
    co_await tasks_.join();
    if (x402_) {
        co_await x402_->stop();
    }
    if (debts_) {
        co_await debts_->stop();
    }
    if (peers_) {
        co_await peers_->stop();
    }
    co_await operator_servers_.stop();
    co_await slow_answers_.stop();
    co_await sandbox_.stop();
    co_await early_preparation_.stop();
    co_await transport_->stop();
    if (ledger_) {
        if (const auto closed = co_await ledger_->close(); !closed) {
            log::error("node", "the ledger did not close cleanly: {}", closed.error().message());
        }
    }
    content_pool_.join();
    pool_.join();
    log::info("node", "{} has stopped", settings_.provider_name);
}

/// A payer can leave within T, so that a head older than a quarter of it stops paid serving.
async::Task<void> Node::Impl::learn_close_delay() {
    for (;;) {
        if (const auto delay = co_await escrow_.close_delay()) {
            head_.set_max_age(*delay / 4);
            co_return;
        }
        co_await async::delay(std::chrono::seconds(1));
    }
}

async::Task<void> Node::Impl::review() {
    for (;;) {
        co_await async::delay(kReviewInterval);
        co_await debts_->review();
        co_await review_content(*content_context_, *storage_.blocks);
    }
}

async::Task<void> Node::Impl::answer_public(net::http::Exchange exchange) {
    if (ipfs::is_proxied(exchange)) {
        co_await ipfs::answer_proxied(std::move(exchange), public_content_->gateway(),
            ipfs::own_origins(public_endpoint(), settings_.public_url));
        co_return;
    }
    if (ipfs::is_content_origin(exchange, public_content_->gateway())) {
        co_await ipfs::answer_content(std::move(exchange), public_content_->gateway());
        co_return;
    }
    auto route = route_request(exchange, edge_, clock_);
    if (!route) {
        std::string client = client_key(exchange.request(), exchange.peer(), edge_);
        co_await pipeline_.refuse(std::move(exchange), std::move(client), std::move(route.error()));
        co_return;
    }
    switch (route->kind) {
        case Route::Kind::call: {
            const auto record = begin_record(*route->call, settings_.records);
            if (auto open = policy::bar_content(*policy_->current(), *route->call); !open) {
                co_await pipeline_.refuse(
                    std::move(exchange), route->call->client, std::move(open.error()));
                co_return;
            }
            co_await pipeline_.handle(std::move(exchange), std::move(route->call));
            co_return;
        }
        case Route::Kind::receipt:
            co_await answer_receipt(std::move(exchange), std::move(route->id), *ledger_, identity_);
            co_return;
        case Route::Kind::health:
            co_await answer_health(std::move(exchange));
            co_return;
        case Route::Kind::ready:
            co_await answer_readiness(std::move(exchange), head_.status());
            co_return;
        case Route::Kind::well_known: {
            net::http::ResponseHead head;
            head.headers.add("Content-Type", "application/json");
            (void)co_await exchange.send(std::move(head), json::to_text(tell()) + "\n");
            co_return;
        }
        case Route::Kind::ipfs:
            co_await ipfs::answer_content(std::move(exchange), public_content_->gateway());
            co_return;
        case Route::Kind::routing:
            co_await ipfs::answer_routing(
                std::move(exchange), public_content_->gateway(), public_content_->self());
            co_return;
        case Route::Kind::openapi: {
            net::http::ResponseHead head;
            head.headers.add("Content-Type", "application/json");
            (void)co_await exchange.send(
                std::move(head), openapi_json(pipeline_.descriptions(), settings_.public_url));
            co_return;
        }
    }
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

async::Task<Result<std::unique_ptr<Node>>> Node::start(
    async::Executor executor, NodeSettings settings, const Clock& clock) {
    CO_TRY(Storage storage, open_storage(settings.home, settings.keys, settings.kubo));
    CO_TRY(Keys keys, open_keys(settings.keys));
    auto impl = std::make_unique<Impl>(
        std::move(executor), std::move(settings), clock, std::move(keys), std::move(storage));
    if (auto started = co_await impl->start(); !started) {
        // What did start, such as the ledger's upkeep, has to end before it is destroyed.
        co_await impl->stop();
        co_return fail(started.error());
    }
    co_return std::unique_ptr<Node>(new Node(std::move(impl)));
}

net::Endpoint Node::public_endpoint() const { return impl_->public_endpoint(); }
net::Endpoint Node::console_endpoint() const { return impl_->console_endpoint(); }
async::Task<void> Node::run() { co_await impl_->run(); }
async::Task<void> Node::stop() { co_await impl_->stop(); }

}  // namespace decloud::node
