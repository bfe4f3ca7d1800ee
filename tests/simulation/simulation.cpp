#include "simulation.hpp"

#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace decloud::simulation {

namespace escrow_abi = contracts::escrow;
using payments::PayerView;

namespace {

constexpr std::uint64_t kUsdc = 1'000'000;
constexpr std::uint64_t kPrice = 1000;
constexpr std::uint64_t kReserve = 40 * kUsdc;
constexpr std::uint64_t kDeposit = 100'000 * kUsdc;
constexpr std::size_t kPayers = 12;
/// The longest outage that T allows for, and one that it does not.
constexpr std::uint64_t kOutage = 14;
constexpr std::uint64_t kLongOutage = 60;
/// Whatever the dice say, each kind of outage comes once in so many steps.
constexpr std::uint64_t kCycle = 320;
constexpr std::uint64_t kStallAt = 12;
constexpr std::uint64_t kReorganiseAt = 27;
constexpr std::uint64_t kCensorAt = 32;
constexpr std::uint64_t kKillAt = 48;
/// Between them everything has to come to rest.
constexpr std::uint64_t kLongOutageAt = 110;
/// Until a row that was sent is final and taken over, and what was delayed is made up for.
constexpr std::uint64_t kInclusion = 8;

Amount scaled(Amount amount, std::uint64_t factor) { return need(amount.times(factor)); }

}  // namespace

Simulation::Simulation(async::Executor executor, Settings settings)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      random_(static_cast<std::uint32_t>(settings_.seed)) {}

std::string Simulation::totals() const {
    return fmt::format(
        "  # {} calls, {} kills, {} channels ended, {} blocks replaced, {} steps of {} stalled, {} "
        "censored\n",
        provider_->calls(), kills_, ended_, reorganisations_, stalled_, now_, censored_);
}

async::Task<void> Simulation::start() {
    chain_ = co_await Chain::start(executor_, settings_.root);
    clock_.set(need(co_await chain_->client().get_block(chain::BlockTag::latest())).timestamp);
    provider_ = std::make_unique<Provider>(executor_, *chain_, clock_, settings_.without);
    co_await provider_->start();
    rogue_ = chain_->accounts().at(1);
    for (std::size_t i = 0; i < kPayers; ++i) {
        Payer payer;
        payer.account = chain_->accounts().at(i + 2);
        payer.kind = static_cast<Kind>(i % 4);
        // One who spends much, some who spend now and then a sum that is settled, many who spend
        // little.
        payer.rate = Amount(i == 0 ? 500'000U : i < 4 ? 100'000U : 12'000U);
        co_await fund(payer.account);
        payers_.push_back(std::move(payer));
    }
    co_await chain_->mine(clock_.unix_seconds());
    for (const Payer& payer : payers_) {
        co_await open_channels(payer.account, payer.signer.address());
        co_await chain_->send(payer.account, provider_->contracts().escrow,
            escrow_abi::encode_approve(rogue_, kPrice, provider_->limits().budget.units()));
    }
    co_await chain_->mine(clock_.unix_seconds());
    chain::EscrowView view(chain_->client(), provider_->contracts().escrow);
    for (const Payer& payer : payers_) {
        const auto channel = need(co_await view.allowance(payer.account, rogue_));
        if (!channel) {
            throw std::runtime_error("a channel did not open");
        }
        victims_.push_back({payer.account, channel->id, channel->reserved});
    }
}

async::Task<void> Simulation::fund(Address payer) {
    const chain::ContractAddresses& contracts = provider_->contracts();
    co_await chain_->send(provider_->address(), contracts.usdc,
        contracts::test_usdc::encode_mint(payer, Uint256::from(kDeposit)));
    co_await chain_->send(payer, contracts.usdc,
        contracts::test_usdc::encode_approve(contracts.escrow, Uint256::from(kDeposit)));
    co_await chain_->mine(clock_.unix_seconds());
    co_await chain_->send(payer, contracts.escrow, escrow_abi::encode_deposit(kDeposit));
    deposited_ = need(deposited_.plus(Amount(kDeposit)));
}

/// One that the provider consumes from, and one for vouchers.
async::Task<void> Simulation::open_channels(Address payer, Address signer) {
    const Address escrow = provider_->contracts().escrow;
    co_await chain_->send(
        payer, escrow, escrow_abi::encode_approve(provider_->address(), kPrice, kReserve));
    const Bytes32 salt{Uint256::from(now_ + 1).big_endian};
    co_await chain_->send(payer, escrow,
        escrow_abi::encode_approve_signer_salt(provider_->address(), 0, kReserve, signer, salt));
}

async::Task<void> Simulation::run() {
    co_await start();
    while (now_ < settings_.steps && !(settings_.stops && bounds_.broken())) {
        co_await step();
    }
    co_await look_at_escrow();
    co_await provider_->stop();
    co_await chain_->stop();
}

async::Task<void> Simulation::step() {
    ++now_;
    clock_.advance(kStep);
    choose_weather();
    co_await let_chain_go_on();
    co_await provider_->catch_up();
    look_at_exposure();
    co_await let_payers_act();
    co_await let_rogue_claim();
    const bool is_old = provider_->head().status().head_age > provider_->limits().delay / 4;
    const std::uint64_t calls = provider_->calls();
    if (now_ % kCycle == 8 || now_ % kCycle == kKillAt || (may_be_disturbed() && below(60) == 0)) {
        ++kills_;
        disturbed_at_ = now_;
        co_await provider_->serve_and_be_killed(orders(), 1 + below(settings_.calls_per_step / 2));
        bounds_.see(Bound::durable, provider_->lost().amount, provider_->lost().reported,
            fmt::format("answered and not charged after the kill in step {}", now_));
    } else {
        co_await provider_->serve(orders());
    }
    if (is_old) {
        bounds_.see(Bound::head, Amount(provider_->calls() - calls), Amount(),
            fmt::format("calls served in step {}", now_));
    }
    look_at_exposure();
}

bool Simulation::may_be_disturbed() const {
    const std::uint64_t at = now_ % kCycle;
    return at >= kLongOutageAt;
}

void Simulation::choose_weather() {
    if (now_ >= weather_until_) {
        weather_ = Weather::calm;
        const std::uint64_t chance = may_be_disturbed() ? below(120) : 120;
        if (now_ % kCycle == kLongOutageAt) {
            weather_ = Weather::censored;
            weather_until_ = now_ + kLongOutage;
            long_from_ = now_;
            long_until_ = weather_until_ + kInclusion;
        } else if (now_ % kCycle == kStallAt || chance == 0) {
            weather_ = Weather::stalled;
            weather_until_ = now_ + kOutage;
        } else if (now_ % kCycle == kCensorAt || chance == 1) {
            weather_ = Weather::censored;
            weather_until_ = now_ + kOutage;
        } else if (now_ % kCycle == kReorganiseAt || chance == 2) {
            weather_ = Weather::reorganising;
        }
    }
    if (weather_ != Weather::calm) {
        disturbed_at_ = now_;
    }
    stalled_ += weather_ == Weather::stalled ? 1 : 0;
    censored_ += weather_ == Weather::censored ? 1 : 0;
}

async::Task<void> Simulation::let_chain_go_on() {
    if (weather_ == Weather::stalled) {
        co_return;
    }
    if (weather_ == Weather::censored) {
        co_await chain_->drop_transactions_of(provider_->address());
    }
    co_await chain_->mine(clock_.unix_seconds());
    if (weather_ == Weather::reorganising) {
        ++reorganisations_;
        co_await chain_->reorganise();
    }
}

Simulation::Payer* Simulation::owner_of(const PayerView& view) {
    const auto found = std::ranges::find_if(
        payers_, [&](const Payer& payer) { return to_string(payer.account) == view.chain.owner; });
    return found == payers_.end() ? nullptr : &*found;
}

async::Task<void> Simulation::let_payers_act() {
    std::map<std::string, int> open;
    for (const PayerView& view : provider_->ledger().payers()) {
        Payer* const payer = owner_of(view);
        if (payer == nullptr || view.chain.is_final || view.missing) {
            continue;
        }
        ++open[view.chain.owner];
        sign_vouchers(*payer, view);
        co_await act(payer->account, payer->kind, payer->rate, view);
    }
    for (const Payer& payer : payers_) {
        if (open[to_string(payer.account)] == 0 && now_ > 3 && now_ % 4 == 0) {
            co_await open_channels(payer.account, payer.signer.address());
        }
    }
}

async::Task<void> Simulation::act(Address account, Kind kind, Amount rate, PayerView view) {
    const Address escrow = provider_->contracts().escrow;
    const auto id = need(payments::parse_channel_account(view.payer));
    Channel& channel = channels_[view.payer.text];
    const Amount owed = view.spent.amount.saturating_minus(view.chain.claimed_on_chain);
    if (view.chain.closing || channel.closing_since != 0) {
        if (channel.closing_since == 0) {
            channel.closing_since = now_;
        }
        // Too early is refused by the contract and changes nothing.
        if ((now_ - channel.closing_since) % 3 == 0) {
            co_await chain_->send(account, escrow, escrow_abi::encode_finalize_close(id));
        }
        co_return;
    }
    const bool leaves = (kind == Kind::leaver && !owed.is_zero() && below(12) == 0) ||
                        (kind == Kind::drainer && owed > scaled(rate, 2));
    if (leaves) {
        channel.closing_since = now_;
        co_await chain_->send(account, escrow, escrow_abi::encode_request_close(id));
    } else if (view.chain.reserved.saturating_minus(view.spent.amount) < Amount(kReserve / 4)) {
        co_await chain_->send(account, escrow, escrow_abi::encode_increase(id, kReserve));
    }
}

void Simulation::sign_vouchers(Payer& payer, const PayerView& view) {
    if (view.chain.signer.is_zero()) {
        return;
    }
    const auto id = need(payments::parse_channel_account(view.payer));
    const Amount newest = payer.signed_amount[view.payer.text];
    const Amount wanted =
        std::min(need(view.spent.amount.plus(scaled(payer.rate, 2))), view.chain.reserved);
    if (payer.kind == Kind::equivocator) {
        const auto stranger = crypto::Secp256k1PrivateKey::generate();
        static_cast<void>(provider_->take_voucher(
            view, identity::sign_for_channel(identity::Voucher{id, view.chain.reserved.units()},
                      provider_->domain(), stranger)));
        const Amount lower(newest.units() / 2);
        if (provider_->take_voucher(
                view, identity::sign_for_channel(identity::Voucher{id, lower.units()},
                          provider_->domain(), payer.signer)) &&
            lower < newest) {
            bounds_.see(Bound::voucher, newest, lower, "a lower voucher was taken");
        }
    }
    if (wanted > newest && provider_->take_voucher(view,
                               identity::sign_for_channel(identity::Voucher{id, wanted.units()},
                                   provider_->domain(), payer.signer))) {
        payer.signed_amount[view.payer.text] = wanted;
    }
}

std::vector<Provider::Order> Simulation::orders() {
    std::vector<Provider::Order> out;
    const std::uint64_t calls =
        std::max<std::uint64_t>(1, settings_.calls_per_step / (2 * kPayers));
    for (const PayerView& view : provider_->ledger().payers()) {
        const Payer* const payer = owner_of(view);
        if (payer != nullptr && !view.chain.is_final) {
            const Uint128 spent = payer->rate.units() * (50 + below(100)) / 100;
            out.push_back({view.payer, Amount(std::max<Uint128>(1, spent / calls)), calls});
        }
    }
    return out;
}

/// A second provider who serves nobody: claims more than there is, the same again, and then all
/// there is.
async::Task<void> Simulation::let_rogue_claim() {
    if (now_ % 16 != 0) {
        co_return;
    }
    const Victim& victim = victims_.at(now_ / 16 % victims_.size());
    const Uint128 budget = victim.budget.units();
    for (const Uint128 amount : {budget * 5, budget, budget}) {
        const std::vector<escrow_abi::ConsumeRow> rows{
            {victim.channel, static_cast<std::uint64_t>(amount / kPrice), amount}};
        co_await chain_->send(
            rogue_, provider_->contracts().escrow, escrow_abi::encode_consume_batch(rows));
    }
}

std::string Simulation::at(const PayerView& view) const {
    return fmt::format("{} of {} in step {}", view.payer.text, view.chain.owner, now_);
}

void Simulation::look_at_exposure() {
    const Limits whole;
    std::map<std::string, Amount> of_owner;
    Amount of_node;
    for (const PayerView& view : provider_->ledger().payers()) {
        Payer* const payer = owner_of(view);
        if (payer == nullptr) {
            continue;
        }
        Channel& channel = channels_[view.payer.text];
        if (view.chain.is_final) {
            if (!std::exchange(channel.is_final, true)) {
                look_at_end(view, channel);
            }
            continue;
        }
        const Amount owed = view.spent.amount.saturating_minus(view.chain.claimed_on_chain);
        of_owner[view.chain.owner] = need(of_owner[view.chain.owner].plus(owed));
        of_node = need(of_node.plus(owed));
        bounds_.see(Bound::channel, owed, whole.channel, at(view));
        look_at(view, *payer, channel);
    }
    for (const auto& [owner, owed] : of_owner) {
        bounds_.see(
            Bound::identity, owed, whole.identity, fmt::format("{} in step {}", owner, now_));
    }
    bounds_.see(Bound::node, of_node, whole.node, fmt::format("in step {}", now_));
}

void Simulation::look_at(const PayerView& view, const Payer& payer, Channel& channel) {
    const Limits whole;
    const Amount owed = view.spent.amount.saturating_minus(view.chain.claimed_on_chain);
    const bool was_claimed =
        std::exchange(channel.claimed, view.chain.claimed_on_chain) != view.chain.claimed_on_chain;
    if (owed.is_zero() || was_claimed || now_ <= disturbed_at_ + kInclusion) {
        channel.settled_at = now_;
    }
    if (!view.chain.signer.is_zero()) {
        const auto found = payer.signed_amount.find(view.payer.text);
        bounds_.see(Bound::voucher, provider_->answered(view.payer),
            found == payer.signed_amount.end() ? Amount() : found->second, at(view));
    }
    if (now_ > disturbed_at_ + 2 * kInclusion) {
        bounds_.see(Bound::threshold, owed,
            need(whole.threshold.plus(scaled(payer.rate, kInclusion))), at(view));
        const std::uint64_t most = static_cast<std::uint64_t>(whole.age / kStep) + kInclusion;
        bounds_.see(Bound::age, Amount(now_ - channel.settled_at), Amount(most), at(view));
    }
}

/// What the payer left without paying.
void Simulation::look_at_end(const PayerView& view, const Channel& channel) {
    ++ended_;
    const bool was_long =
        now_ >= long_from_ && long_until_ != 0 && channel.closing_since <= long_until_;
    const Limits whole;
    const Amount loss = view.spent.amount.saturating_minus(view.chain.claimed_on_chain);
    bounds_.see(Bound::delay, loss, was_long ? whole.channel : Amount(), at(view));
}

/// Nobody has more than there is, and a provider who served nobody no more than the budgets.
async::Task<void> Simulation::look_at_escrow() {
    const Limits whole;
    chain::EscrowView escrow(chain_->client(), provider_->contracts().escrow);
    for (const Victim& victim : victims_) {
        const auto channel = need(co_await escrow.channel(victim.channel));
        bounds_.see(Bound::budget, channel.claimed, whole.budget,
            fmt::format("claimed from {}", to_string(victim.account)));
    }
    Amount there = need(co_await escrow.earned(provider_->address()));
    there = need(there.plus(need(co_await escrow.earned(rogue_))));
    std::vector<Bytes32> channels;
    channels.reserve(victims_.size());
    for (const Victim& victim : victims_) {
        channels.push_back(victim.channel);
    }
    for (const PayerView& view : provider_->ledger().payers()) {
        channels.push_back(need(payments::parse_channel_account(view.payer)));
    }
    for (const Bytes32& id : channels) {
        if (const auto channel = co_await escrow.channel(id); channel && !channel->final) {
            there = need(there.plus(channel->reserved.saturating_minus(channel->claimed)));
        }
    }
    for (const Payer& payer : payers_) {
        there = need(there.plus(need(co_await escrow.free_balance(payer.account))));
    }
    if (there > deposited_) {
        throw std::runtime_error(fmt::format(
            "the escrow owes {} and was given {}", to_string(there), to_string(deposited_)));
    }
}

}  // namespace decloud::simulation
