// Settles many channels at once, as a node does: settle_bench N FOLDER ROOT starts an anvil of its
// own with a block a second, opens N channels there, spends from each by a voucher, and measures
// from the wish to settle until all of it is final and taken over. Prints a line of JSON.

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/chain/anvil.hpp>
#include <decloud/chain/deployment.hpp>
#include <decloud/chain/escrow.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/payments/escrow_channels.hpp>
#include <decloud/payments/settler.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace decloud;            // NOLINT(google-build-using-namespace)
using namespace decloud::payments;  // NOLINT(google-build-using-namespace)
namespace escrow_abi = contracts::escrow;
using SteadyClock = std::chrono::steady_clock;

const AssetId kAsset{"eip155:31337/erc20:0x00"};
constexpr std::uint64_t kReserve = 1'000'000;
constexpr std::uint64_t kVoucher = 500'000;
constexpr std::uint64_t kSpent = 400'000;
/// Transactions of a block, well within its gas.
constexpr std::size_t kTransactionsPerBlock = 200;

/// What a Result holds; a bench goes no further without it.
template <class T>
T need(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

/// Anvil's account 0, who deploys and is the provider.
crypto::Secp256k1PrivateKey provider_key() {
    return need(crypto::Secp256k1PrivateKey::from_bytes(
        need(from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))));
}

LedgerSettings ledger_settings(const std::filesystem::path& folder) {
    LedgerSettings settings;
    settings.directory = folder / "ledger";
    settings.max_exposure_per_payer = settings.max_exposure_per_owner = settings.max_exposure =
        Amount(Uint128{1} << 100U);
    return settings;
}

/// A chain, and a provider's ledger, follower and settler on it.
class Cloud {
  public:
    Cloud(std::filesystem::path folder, async::Executor executor)
        : folder_(std::move(folder)),
          executor_(executor),
          engine_(need(make_sqlite_state_engine(folder_ / "slices.sqlite", pool_))),
          records_(need(store::RecordStore::open(folder_ / "records.sqlite"))),
          tasks_(executor) {}

    async::Task<void> run(std::size_t count, std::filesystem::path root) {
        co_await start(std::move(root));
        co_await open_channels(count);
        co_await spend(count);
        co_await settle(count);
        tasks_.cancel();
        co_await tasks_.join();
        need(co_await ledger_->close());
        co_await transport_->stop();
        co_await anvil_->stop();
    }

  private:
    async::Task<json::Value> ask(std::string method, json::Array params = {}) {
        co_return need(co_await rpc_->request(std::move(method), std::move(params)));
    }

    async::Task<void> start(std::filesystem::path root) {
        anvil_ = need(co_await chain::DevelopmentChain::start(
            executor_, {.program = need(chain::find_anvil({}, {std::move(root)})), .port = 0}));
        transport_ = chain::make_http_transport(executor_);
        rpc_ = std::make_unique<chain::JsonRpc>(*transport_, std::vector{anvil_->url()});
        client_ = std::make_unique<chain::EthereumClient>(*rpc_);
        head_ = std::make_unique<chain::HeadFollower>(executor_, *client_, system_clock());
        journal_ = make_sender_journal(*records_, pool_);
        sender_ = std::make_unique<chain::TransactionSender>(executor_, *client_, *head_, *journal_,
            key_, chain::TransactionSenderSettings{.chain_id = 31337});
        need(co_await sender_->start());
        tasks_.spawn(head_->run());
        tasks_.spawn(sender_->run());
        contracts_ = need(co_await chain::deploy_development_contracts(*client_, *sender_));
        escrow_ = std::make_unique<chain::EscrowView>(*client_, contracts_.escrow);
        ledger_ = need(Ledger::open(ledger_settings(folder_), executor_, *engine_, system_clock()));
        channels_ = std::make_unique<EscrowChannels>(executor_, *client_, *head_, *escrow_,
            *ledger_, system_clock(), *records_, pool_,
            EscrowChannelsSettings{.provider = key_.address(), .asset = kAsset});
        need(co_await channels_->start());
        settler_ = std::make_unique<Settler>(executor_, *ledger_, *sender_, *channels_,
            system_clock(), metrics::null_registry(),
            SettlerSettings{.provider = key_.address(),
                .escrow = contracts_.escrow,
                .asset = kAsset,
                .thresholds = {
                    .payer_amount = Amount(Uint128{1} << 100U), .age = std::chrono::hours(9)}});
    }

    async::Task<void> send(Address from, Address to, Bytes data) {
        const json::Object call{{"from", to_string(from)}, {"to", to_string(to)},
            {"data", to_hex_prefixed(data)}, {"gas", "0x40000"}};
        (void)co_await ask("eth_sendTransaction", {call});
    }

    /// Of one payer, each with a salt of its own; blocks come when they are full.
    async::Task<void> open_channels(std::size_t count) {
        const Address payer = need(parse_address("0x70997970c51812dc3a010c7d01b50e0d17dc79c8"));
        const std::uint64_t money = count * kReserve;
        (void)co_await ask("evm_setIntervalMining", {0});
        co_await send(key_.address(), contracts_.usdc,
            contracts::test_usdc::encode_mint(payer, Uint256::from(money)));
        co_await send(payer, contracts_.usdc,
            contracts::test_usdc::encode_approve(contracts_.escrow, Uint256::from(money)));
        (void)co_await ask("anvil_mine");
        co_await send(payer, contracts_.escrow, escrow_abi::encode_deposit(money));
        for (std::size_t i = 0; i < count; ++i) {
            if (i % kTransactionsPerBlock == 0) {
                (void)co_await ask("anvil_mine");
            }
            const Bytes32 salt{Uint256::from(i).big_endian};
            co_await send(payer, contracts_.escrow,
                escrow_abi::encode_approve_signer_salt(
                    key_.address(), 0, kReserve, signer_.address(), salt));
        }
        (void)co_await ask("anvil_mine", {"0x4"});
        (void)co_await ask("evm_setIntervalMining", {1});
        tasks_.spawn(channels_->run());
        while (ledger_->payers().size() < count) {
            co_await async::delay(std::chrono::milliseconds(200));
        }
    }

    async::Task<void> spend(std::size_t count) {
        const identity::Domain domain{.chain_id = 31337, .escrow = contracts_.escrow};
        for (const PayerView& view : ledger_->payers()) {
            const Bytes32 id = need(parse_channel_account(view.payer));
            const auto voucher =
                identity::sign_for_channel(identity::Voucher{id, kVoucher}, domain, signer_);
            need(ledger_->accept(
                view.payer, {.cumulative = Amount(kVoucher), .signature = voucher.signature}));
            HoldRequest request;
            request.payer = view.payer;
            request.asset = kAsset;
            request.max = Amount(kSpent);
            request.call_id = "0123456789abcdef";
            const HoldId hold = need(co_await ledger_->acquire(std::move(request)));
            CallRecord call;
            call.service = "compute";
            call.subject = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
            call.status = 200;
            (void)need(ledger_->commit(hold, Amount(kSpent), call));
        }
        need(co_await ledger_->flush());
        if (ledger_->unsettled().size() != count) {
            throw std::runtime_error("not every channel was spent from");
        }
    }

    async::Task<void> settle(std::size_t count) {
        const std::uint64_t before = need(co_await client_->block_number());
        tasks_.spawn(settler_->run());
        const auto start = SteadyClock::now();
        const Settled settled = need(co_await settler_->flush({}));
        const std::chrono::duration<double> took = SteadyClock::now() - start;
        const Amount earned = need(co_await escrow_->earned(key_.address()));
        if (settled.rows != count || earned != Amount(Uint128{count} * kSpent)) {
            throw std::runtime_error("the chain did not take every row");
        }
        std::uint64_t gas = 0;
        std::size_t transactions = 0;
        for (std::uint64_t block = before + 1; block <= settled.block; ++block) {
            const json::Value receipts =
                co_await ask("eth_getBlockReceipts", {chain::to_quantity(block)});
            for (const json::Value& receipt : receipts.as_array()) {
                gas += need(chain::parse_quantity(receipt.at("gasUsed").as_string()));
                ++transactions;
            }
        }
        fmt::print(
            "{{\"rows\": {}, \"seconds\": {:.1f}, \"gas_per_row\": {:.0f}, \"transactions\": {}, "
            "\"blocks\": {}}}\n",
            count, took.count(), static_cast<double>(gas) / static_cast<double>(count),
            transactions, settled.block - before);
    }

    std::filesystem::path folder_;
    async::Executor executor_;
    boost::asio::thread_pool pool_{1};
    crypto::Secp256k1PrivateKey key_ = provider_key();
    crypto::Secp256k1PrivateKey signer_ = crypto::Secp256k1PrivateKey::generate();
    std::unique_ptr<StateEngine> engine_;
    std::unique_ptr<store::RecordStore> records_;
    std::unique_ptr<chain::DevelopmentChain> anvil_;
    std::unique_ptr<chain::JsonRpcTransport> transport_;
    std::unique_ptr<chain::JsonRpc> rpc_;
    std::unique_ptr<chain::EthereumClient> client_;
    std::unique_ptr<chain::HeadFollower> head_;
    std::unique_ptr<chain::SenderJournal> journal_;
    std::unique_ptr<chain::TransactionSender> sender_;
    std::unique_ptr<chain::EscrowView> escrow_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<EscrowChannels> channels_;
    std::unique_ptr<Settler> settler_;
    chain::ContractAddresses contracts_;
    async::TaskGroup tasks_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> words(argv + 1, argv + argc);
    if (words.size() != 3) {
        fmt::print(stderr, "usage: settle_bench N FOLDER ROOT\n");
        return 64;
    }
    std::filesystem::create_directories(words[1]);
    boost::asio::io_context context{1};
    Cloud cloud(words[1], context.get_executor());
    async::TaskGroup group(context.get_executor());
    group.spawn(cloud.run(std::strtoull(argv[1], nullptr, 10), words[2]));
    context.run();
    return 0;
}
