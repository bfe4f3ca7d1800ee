#pragma once

#include "escrow_channels.hpp"
#include "ledger_test_support.hpp"
#include "settler.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/chain/deployment.hpp>
#include <decloud/chain/sender_test_support.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/store/record_store.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace decloud::payments::testing {

namespace escrow_abi = contracts::escrow;

/// Anvil's accounts 1 and 2.
inline const Address kAlice = parse_address("0x70997970c51812dc3a010c7d01b50e0d17dc79c8").value();
inline const Address kBob = parse_address("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc").value();
inline constexpr std::uint64_t kUsdc = 1'000'000;

/// The real wire, which counts what goes over it and can keep one answer back.
class WatchedTransport final : public chain::JsonRpcTransport {
  public:
    WatchedTransport(chain::JsonRpcTransport& inner, const async::Executor& executor)
        : released(executor), arrived(executor), inner_(inner) {}

    async::Task<Result<std::string>> post(
        std::string url, std::string body, std::chrono::milliseconds timeout) override {
        const bool counts = body.find("eth_call") != std::string::npos;
        calls += counts ? 1 : 0;
        if (body.find("eth_getLogs") != std::string::npos) {
            ++log_queries;
        }
        under_way += counts ? 1 : 0;
        most_under_way = std::max(most_under_way, under_way);
        auto answer = co_await inner_.post(std::move(url), std::move(body), timeout);
        if (counts && keep_back > 0) {
            --keep_back;
            arrived.set();
            EXPECT_TRUE(co_await released.wait(chain::testing_support::kLimit));
        }
        under_way -= counts ? 1 : 0;
        co_return answer;
    }
    async::Task<void> stop() override { co_return; }

    /// How many of the next eth_call answers wait for `released`.
    int keep_back = 0;
    async::Event released;
    async::Event arrived;
    int calls = 0;
    int log_queries = 0;
    int under_way = 0;
    int most_under_way = 0;

  private:
    chain::JsonRpcTransport& inner_;
};

/// Keeps the last value of each gauge.
class Gauges final : public metrics::Registry {
  public:
    metrics::Counter& counter(
        std::string_view name, std::string_view help, metrics::Labels labels) override {
        return metrics::null_registry().counter(name, help, std::move(labels));
    }
    metrics::Gauge& gauge(
        std::string_view name, std::string_view /*help*/, metrics::Labels /*labels*/) override {
        return all_[std::string(name)];
    }
    metrics::Histogram& histogram(std::string_view name,
        std::string_view help,
        metrics::Labels labels,
        std::vector<double> bounds) override {
        return metrics::null_registry().histogram(name, help, std::move(labels), std::move(bounds));
    }
    [[nodiscard]] double value(const std::string& name) { return all_[name].last; }

  private:
    struct Last final : metrics::Gauge {
        void set(double value) override { last = value; }
        double last = 0;
    };
    std::map<std::string, Last> all_;
};

/// A fresh chain with the contracts, and a provider's ledger, follower and settler on it, which can
/// be stopped and started. Blocks come when a test says so. The provider is anvil's account 0.
class EscrowBench {
  public:
    using Bench = chain::testing_support::Bench;

    static async::Task<std::unique_ptr<EscrowBench>> start(async::Executor executor) {
        auto out = std::unique_ptr<EscrowBench>(new EscrowBench(executor));
        out->chain_ = co_await Bench::start(executor);
        out->provider = out->chain_->key.address();
        std::optional<Result<chain::ContractAddresses>> deployed;
        async::TaskGroup deploying(executor);
        deploying.spawn([](Bench* bench, std::optional<Result<chain::ContractAddresses>>* into)
                            -> async::Task<void> {
            *into = co_await chain::deploy_development_contracts(*bench->client, *bench->sender);
        }(out->chain_.get(), &deployed));
        EXPECT_TRUE(co_await out->mine_until([&] { return deployed.has_value(); }));
        co_await deploying.join();
        out->contracts = deployed.value_or(fail(CommonError::timeout)).value();
        co_await out->open();
        co_return out;
    }

    /// The node's part; `follow` starts its follower and settler, too.
    async::Task<void> open(bool follow = true) {
        if (chain_->head == nullptr) {
            co_await chain_->open();
        }
        engine_ = make_sqlite_state_engine(folder_.path() / "slices.sqlite", pool_).value();
        LedgerSettings settings = small_settings();
        settings.directory = folder_.path() / "ledger";
        ledger_ = Ledger::open(settings, executor_, *engine_, clock).value();
        records = store::RecordStore::open(folder_.path() / "records.sqlite").value();
        wire = std::make_unique<WatchedTransport>(*chain_->chain.transport, executor_);
        rpc_ = std::make_unique<chain::JsonRpc>(*wire, std::vector{chain_->chain.process->url()});
        client_ = std::make_unique<chain::EthereumClient>(*rpc_);
        escrow_ = std::make_unique<chain::EscrowView>(*client_, contracts.escrow);
        channels = std::make_unique<EscrowChannels>(executor_, *client_, *chain_->head, *escrow_,
            ledger(), clock, *records, pool_,
            EscrowChannelsSettings{.provider = provider, .asset = kAsset});
        EXPECT_TRUE(co_await channels->start());
        settler = std::make_unique<Settler>(executor_, ledger(), *chain_->sender, *channels, clock,
            gauges,
            SettlerSettings{.provider = provider,
                .escrow = contracts.escrow,
                .asset = kAsset,
                .thresholds = {.payer_amount = Amount(Uint128{100} * kUsdc),
                    .age = std::chrono::hours(9),
                    .row_cost = row_cost},
                .poll = std::chrono::milliseconds(20),
                .max_rows = max_rows});
        group = std::make_unique<async::TaskGroup>(executor_);
        if (follow) {
            group->spawn(channels->run());
            group->spawn(settler->run());
        }
    }

    async::Task<void> close() {
        group->cancel();
        co_await group->join();
        EXPECT_TRUE(co_await ledger().close());
        settler.reset();
        channels.reset();
        ledger_.reset();
        engine_.reset();
        records.reset();
        co_await chain_->close();
    }

    async::Task<void> stop() {
        co_await close();
        co_await chain_->chain.stop();
    }

    Ledger& ledger() { return *ledger_; }
    Bench& chain() { return *chain_; }
    chain::EscrowView& view() { return *escrow_; }

    /// Mines a block at a time until it is so.
    async::Task<bool> mine_until(std::function<bool()> condition) {
        const auto end = std::chrono::steady_clock::now() + chain::testing_support::kLimit;
        while (!condition() && std::chrono::steady_clock::now() < end) {
            co_await chain_->chain.mine();
            const auto head = (co_await chain_->client->block_number()).value();
            (void)co_await chain_->head->wait_for_head(head, std::chrono::milliseconds(100));
            co_await async::delay(std::chrono::milliseconds(5));
        }
        co_return condition();
    }

    /// Until what is in the newest block now was taken over.
    async::Task<void> follow() {
        const auto head = (co_await chain_->client->block_number()).value();
        EXPECT_TRUE(co_await mine_until(
            [this, head] { return channels->followed() && *channels->followed() >= head; }));
    }

    /// `follow`, and how far that came is on disk.
    async::Task<void> follow_durably() {
        co_await follow();
        // One block is read after what was read before it was written down.
        co_await chain_->chain.mine();
        co_await follow();
    }

    /// Makes the newest block final for the head follower, without anything being taken over.
    async::Task<void> finalize() {
        const auto head = (co_await chain_->client->block_number()).value();
        EXPECT_TRUE(co_await mine_until([this, head] {
            return chain_->head->finalized() && chain_->head->finalized()->number >= head;
        }));
    }

    /// A transaction of one of anvil's accounts, in a block of its own.
    async::Task<void> act(Address from, Address to, Bytes data) {
        const json::Object call{{"from", to_string(from)}, {"to", to_string(to)},
            {"data", "0x" + to_hex(data)}, {"gas", "0x100000"}};
        const json::Value hash = co_await chain_->chain.ask("eth_sendTransaction", {call});
        co_await chain_->chain.mine();
        const auto receipt =
            (co_await chain_->client->transaction_receipt(parse_bytes32(hash.as_string()).value()))
                .value();
        EXPECT_TRUE(receipt.has_value() && receipt->succeeded) << to_hex(data);
    }

    async::Task<void> deposit(Address payer, std::uint64_t amount) {
        co_await act(provider, contracts.usdc,
            contracts::test_usdc::encode_mint(payer, Uint256::from(amount)));
        co_await act(payer, contracts.usdc,
            contracts::test_usdc::encode_approve(contracts.escrow, Uint256::from(amount)));
        co_await act(payer, contracts.escrow, escrow_abi::encode_deposit(amount));
    }

    async::Task<void> approve(Address payer, std::uint64_t price, std::uint64_t budget) {
        co_await act(payer, contracts.escrow, escrow_abi::encode_approve(provider, price, budget));
    }

    /// Money of each payer, and a channel with 5 USDC at 0.001 each, taken over.
    async::Task<void> open_channels(std::vector<Address> payers) {
        for (const Address& payer : payers) {
            co_await deposit(payer, 10 * kUsdc);
            co_await approve(payer, 1000, 5 * kUsdc);
        }
        co_await follow();
    }

    /// The payer's newest channel on the chain.
    async::Task<Bytes32> channel_of(Address payer) {
        const auto found = (co_await chain::EscrowView(*chain_->client, contracts.escrow)
                                .allowance(payer, provider))
                               .value();
        co_return found ? found->id : Bytes32{};
    }

    async::Task<Amount> claimed(Bytes32 id) {
        co_return (co_await chain::EscrowView(*chain_->client, contracts.escrow).channel(id))
            .value()
            .claimed;
    }

    async::Task<void> spend(PayerAccount payer, std::uint64_t amount) {
        const auto hold = co_await ledger().acquire(request(payer, amount));
        EXPECT_TRUE(hold) << hold.error().message();
        EXPECT_TRUE(ledger().commit(hold.value(), Amount(amount), call_record()));
        EXPECT_TRUE(co_await ledger().flush());
    }

    /// A flush in the background.
    struct Flush {
        std::optional<Result<Settled>> outcome;
        async::CancellationSource gone;
    };
    std::shared_ptr<Flush> flush() {
        auto out = std::make_shared<Flush>();
        group->spawn([](Settler* by, std::shared_ptr<Flush> into) -> async::Task<void> {
            into->outcome = co_await by->flush(into->gone.token());
        }(settler.get(), out));
        return out;
    }
    async::Task<Result<Settled>> settle() {
        const auto flushed = flush();
        EXPECT_TRUE(co_await mine_until([&] { return flushed->outcome.has_value(); }));
        co_return flushed->outcome.value_or(fail(CommonError::timeout));
    }

    /// Of a transaction of the settler that is opened next.
    std::size_t max_rows = 200;
    Amount row_cost;
    Address provider;
    chain::ContractAddresses contracts;
    ManualClock clock{UnixSeconds{kStart}};
    Gauges gauges;
    std::unique_ptr<store::RecordStore> records;
    std::unique_ptr<WatchedTransport> wire;
    std::unique_ptr<EscrowChannels> channels;
    std::unique_ptr<Settler> settler;
    std::unique_ptr<async::TaskGroup> group;

  private:
    explicit EscrowBench(async::Executor executor) : executor_(std::move(executor)) {}

    async::Executor executor_;
    TemporaryFolder folder_;
    boost::asio::thread_pool pool_{1};
    std::unique_ptr<Bench> chain_;
    std::unique_ptr<StateEngine> engine_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<chain::JsonRpc> rpc_;
    std::unique_ptr<chain::EthereumClient> client_;
    std::unique_ptr<chain::EscrowView> escrow_;
};

/// Runs a test's body on a bench of its own.
class EscrowTest : public ::testing::Test {
  protected:
    template <class Body>
    void run(Body body) {
        chain::testing_support::run(
            io_, [](async::Executor executor, Body inner) -> async::Task<void> {
                const auto bench = co_await EscrowBench::start(executor);
                co_await inner(*bench);
                co_await bench->stop();
            }(io_.get_executor(), std::move(body)));
    }

    boost::asio::io_context io_;
};

}  // namespace decloud::payments::testing
