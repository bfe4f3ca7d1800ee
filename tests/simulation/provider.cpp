#include "provider.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace decloud::simulation {

using payments::PayerAccount;

namespace {

const AssetId kAsset{"eip155:31337/erc20:0x00"};
const Amount kEndless{Uint128{1} << 100U};
constexpr std::size_t kServers = 32;

/// Anvil's account 0, who deploys and is the provider.
crypto::Secp256k1PrivateKey provider_key() {
    return need(crypto::Secp256k1PrivateKey::from_bytes(
        need(from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))));
}

Limits limits_without(const std::set<Bound>& without) {
    Limits limits;
    const auto free = [&](Bound bound, Amount& limit) {
        limit = without.contains(bound) ? kEndless : limit;
    };
    free(Bound::channel, limits.channel);
    free(Bound::identity, limits.identity);
    free(Bound::node, limits.node);
    free(Bound::threshold, limits.threshold);
    if (without.contains(Bound::age)) {
        limits.age = std::chrono::hours(9000);
    }
    if (without.contains(Bound::delay)) {
        limits.delay = std::chrono::hours(1);
    }
    if (without.contains(Bound::budget)) {
        limits.budget = Amount(limits.budget.units() * 10);
    }
    return limits;
}

payments::CallRecord call_record() {
    payments::CallRecord call;
    call.service = "compute";
    call.subject = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    call.status = 200;
    return call;
}

}  // namespace

Provider::Provider(
    async::Executor executor, Chain& chain, ManualClock& clock, std::set<Bound> without)
    : executor_(std::move(executor)),
      chain_(chain),
      clock_(clock),
      without_(std::move(without)),
      limits_(limits_without(without_)),
      key_(provider_key()) {}

async::Task<void> Provider::start() {
    records_ = need(store::RecordStore::open(folder_.path() / "records.sqlite"));
    journal_ = payments::make_sender_journal(*records_, pool_);
    co_await open_chain();
    std::optional<Result<chain::ContractAddresses>> deployed;
    async::TaskGroup deploying(executor_);
    deploying.spawn(
        [](Provider* self,
            std::optional<Result<chain::ContractAddresses>>* into) -> async::Task<void> {
            *into = co_await chain::deploy_development_contracts(
                self->chain_.client(), *self->sender_, {.close_delay = self->limits_.delay});
        }(this, &deployed));
    while (!deployed) {
        clock_.advance(std::chrono::seconds(2));
        co_await chain_.mine(clock_.unix_seconds());
        need(co_await head_->poll());
        co_await async::delay(std::chrono::milliseconds(2));
    }
    co_await deploying.join();
    contracts_ = need(*deployed);
    escrow_ = std::make_unique<chain::EscrowView>(chain_.client(), contracts_.escrow);
    co_await open_ledger();
}

async::Task<void> Provider::open_chain() {
    tasks_ = std::make_unique<async::TaskGroup>(executor_);
    // Asked when the simulation says so.
    head_ = std::make_unique<chain::HeadFollower>(executor_, chain_.client(), clock_,
        chain::HeadFollowerSettings{
            .poll = std::chrono::hours(1), .depth = 2, .max_age = limits_.delay / 4});
    sender_ = std::make_unique<chain::TransactionSender>(executor_, chain_.client(), *head_,
        *journal_, key_,
        chain::TransactionSenderSettings{.chain_id = 31337,
            .stuck_after = std::chrono::hours(1),
            .wait = std::chrono::hours(1)});
    need(co_await head_->poll());
    need(co_await sender_->start());
    tasks_->spawn(sender_->run());
}

async::Task<void> Provider::open_ledger() {
    engine_ = need(payments::make_sqlite_state_engine(folder_.path() / "slices.sqlite", pool_));
    payments::LedgerSettings settings;
    settings.directory = folder_.path() / "ledger";
    settings.max_exposure_per_payer = limits_.channel;
    settings.max_exposure_per_owner = limits_.identity;
    settings.max_exposure = limits_.node;
    ledger_ = need(payments::Ledger::open(settings, executor_, *engine_, clock_));
    channels_ = std::make_unique<payments::EscrowChannels>(executor_, chain_.client(), *head_,
        *escrow_, *ledger_, clock_, *records_, pool_,
        payments::EscrowChannelsSettings{.provider = key_.address(), .asset = kAsset});
    need(co_await channels_->start());
    settler_ = std::make_unique<payments::Settler>(executor_, *ledger_, *sender_, *channels_,
        clock_, metrics::null_registry(),
        payments::SettlerSettings{.provider = key_.address(),
            .escrow = contracts_.escrow,
            .asset = kAsset,
            .thresholds = {.payer_amount = limits_.threshold, .age = limits_.age},
            .poll = std::chrono::milliseconds(2)});
    tasks_->spawn(settler_->run());
}

async::Task<void> Provider::close() {
    tasks_->cancel();
    co_await tasks_->join();
    need(co_await ledger_->close());
    settler_.reset();
    channels_.reset();
    ledger_.reset();
    engine_.reset();
    sender_.reset();
    head_.reset();
}

async::Task<void> Provider::stop() { co_await close(); }

async::Task<void> Provider::catch_up() {
    // A chain that does not answer, or an answer that a reorganisation overtook: the next step asks
    // again.
    if (co_await head_->poll()) {
        static_cast<void>(co_await channels_->catch_up());
    }
    co_await chain_.until_quiet();
}

bool Provider::take_voucher(
    const payments::PayerView& channel, const identity::Signed<identity::Voucher>& voucher) {
    const auto signer = identity::signer_of(voucher, domain());
    if (has(Bound::voucher) && (!signer || *signer != channel.chain.signer)) {
        return false;
    }
    return ledger_
        ->accept(channel.payer, {.cumulative = Amount(voucher.fields.cumulative_amount),
                                    .signature = voucher.signature})
        .has_value();
}

async::Task<bool> Provider::serve_one(Batch* batch, PayerAccount payer, Amount amount) {
    // As the node's admission does.
    if (has(Bound::head) && !head_->status().may_serve_paid) {
        co_return false;
    }
    payments::HoldRequest request;
    request.payer = payer;
    request.asset = kAsset;
    request.max = amount;
    request.call_id = "0123456789abcdef";
    const auto hold = co_await ledger_->acquire(std::move(request));
    if (!hold) {
        co_return false;
    }
    if (has(Bound::durable) && !co_await ledger_->served(*hold)) {
        static_cast<void>(ledger_->release(*hold, payments::ReleaseReason::overload));
        co_return false;
    }
    // From here on the caller has its answer.
    if (!batch->killed) {
        Amount& answered = answered_[payer.text];
        answered = need(answered.plus(amount));
        ++calls_;
    }
    static_cast<void>(need(ledger_->commit(*hold, amount, call_record())));
    if (batch->until_kill == 1) {
        be_killed(*batch);
    }
    batch->until_kill -= std::min<std::uint64_t>(batch->until_kill, 1);
    co_return true;
}

/// What is on disk at this moment is what the next process finds.
void Provider::be_killed(Batch& batch) {
    batch.killed = true;
    // The log deletes old segments meanwhile, so that a file may go before it is copied.
    std::error_code gone = std::make_error_code(std::errc::no_such_file_or_directory);
    while (gone == std::errc::no_such_file_or_directory) {
        std::filesystem::remove_all(folder_.path() / "killed");
        std::filesystem::copy(folder_.path() / "ledger", folder_.path() / "killed",
            std::filesystem::copy_options::recursive, gone);
    }
    if (gone) {
        throw std::system_error(gone, "copy the ledger");
    }
}

async::Task<void> Provider::serve_next(Batch* batch) {
    while (batch->next < batch->orders.size() && !batch->killed) {
        const Order order = batch->orders[batch->next++];
        for (std::uint64_t i = 0; i < order.calls && !batch->killed; ++i) {
            if (!co_await serve_one(batch, order.payer, order.amount)) {
                break;
            }
        }
    }
}

async::Task<void> Provider::serve_all(Batch* batch) {
    async::TaskGroup group(executor_);
    for (std::size_t i = 0; i < kServers; ++i) {
        group.spawn(serve_next(batch));
    }
    co_await group.join();
}

async::Task<void> Provider::serve(std::vector<Order> orders) {
    Batch batch{.orders = std::move(orders)};
    co_await serve_all(&batch);
}

async::Task<void> Provider::serve_and_be_killed(std::vector<Order> orders, std::uint64_t answers) {
    Batch batch{.orders = std::move(orders), .next = 0, .until_kill = answers};
    co_await serve_all(&batch);
    if (!batch.killed) {
        co_return;
    }
    co_await close();
    std::filesystem::remove_all(folder_.path() / "ledger");
    std::filesystem::rename(folder_.path() / "killed", folder_.path() / "ledger");
    co_await open_chain();
    co_await open_ledger();
    lost_ = {.amount = {}, .reported = ledger_->recovery().amount_released};
    for (const auto& view : ledger_->payers()) {
        Amount& answered = answered_[view.payer.text];
        lost_.amount = need(lost_.amount.plus(answered.saturating_minus(view.spent.amount)));
        answered = view.spent.amount;
    }
}

Amount Provider::answered(const PayerAccount& payer) const {
    const auto found = answered_.find(payer.text);
    return found == answered_.end() ? Amount() : found->second;
}

}  // namespace decloud::simulation
