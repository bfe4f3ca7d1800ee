#include "wallet.hpp"

#include "error.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/keystore.hpp>
#include <decloud/payments/running_low.hpp>
#include <decloud/store/error.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::client {

namespace abi = contracts::escrow;

namespace {

constexpr std::uint64_t kLogRange = 10'000;
// A command that sends waits for a block or two.
constexpr auto kLockPatience = std::chrono::seconds(30);
constexpr auto kLockPoll = std::chrono::milliseconds(50);

/// What the account's owner can do about a refusal; empty if nothing is known.
std::string help_for(const Error& error, const Address& account) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kHelp{{
        {"FreeTooLow",
            "decloud escrow status shows what is free, decloud escrow deposit AMOUNT adds to it "
            "(1000000 is 1 USDC)"},
        {"ERC20InsufficientBalance",
            "the account has too little USDC; it is not in the escrow yet"},
        {"CloseTooEarly", "decloud escrow status says when the close delay is over"},
        {"ChannelFinalized", "decloud escrow approve PROVIDER opens a new channel"},
        {"ChannelClosing", "decloud escrow approve PROVIDER opens a new channel"},
        {"LabelTaken", "choose another name"},
    }};
    if (error == make_error_code(ChainError::insufficient_funds)) {
        return to_string(account) + " pays for gas: send it some of the chain's own coin";
    }
    for (const auto& [name, help] : kHelp) {
        if (error.detail().find(name) != std::string::npos) {
            return std::string(help);
        }
    }
    return {};
}

Error with_help(const Error& error, const Address& account) {
    const std::string help = help_for(error, account);
    return help.empty() ? error : Error(error.code(), error.detail() + "\nhelp: " + help);
}

}  // namespace

Wallet::Wallet(ChainSession& session, store::HomeLock lock, AccountSigner signer)
    : session_(session),
      lock_(std::move(lock)),
      signer_(std::move(signer)),
      tasks_(session.executor()) {}

Wallet::~Wallet() = default;

async::Task<Result<std::unique_ptr<Wallet>>> Wallet::open(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    std::filesystem::path folder,
    AccountSigner signer) {
    CO_TRY_VOID(check_key(signer.address(), session.config()));
    const std::filesystem::path own = folder / to_string(signer.address());
    auto lock = store::HomeLock::acquire(own);
    const auto end = std::chrono::steady_clock::now() + kLockPatience;
    while (!lock && lock.error() == make_error_code(StoreError::in_use) &&
           std::chrono::steady_clock::now() < end) {
        co_await async::delay(kLockPoll);
        lock = store::HomeLock::acquire(own);
    }
    if (!lock) {
        co_return fail(lock.error().within(
            "another command sends for " + to_string(signer.address()) + " right now"));
    }
    std::unique_ptr<Wallet> wallet(new Wallet(session, std::move(*lock), std::move(signer)));
    auto started = co_await wallet->start();
    if (!started) {
        co_await wallet->stop();
        co_return fail(std::move(started.error()));
    }
    co_return wallet;
}

async::Task<Result<void>> Wallet::start() {
    journal_ = chain::make_memory_journal();
    sender_ = std::make_unique<chain::TransactionSender>(session_.executor(), session_.ethereum(),
        session_.head(), *journal_, signer_,
        chain::TransactionSenderSettings{.chain_id = session_.config().chain_id});
    CO_TRY_VOID(co_await sender_->start());
    tasks_.spawn(sender_->run());
    co_return Result<void>{};
}

async::Task<Result<chain::TransactionOutcome>> Wallet::send_all(
    std::vector<PlannedTransaction> transactions) {
    std::vector<std::pair<std::string, std::string>> sent;
    for (PlannedTransaction& planned : transactions) {
        const std::string intent = planned.what + ":" + to_hex(crypto::random_bytes(8));
        const auto broadcast = co_await sender_->send({.intent = intent,
            .to = planned.to,
            .data = std::move(planned.data),
            .value = planned.value});
        if (!broadcast) {
            co_return fail(with_help(broadcast.error().within(planned.what), address()));
        }
        sent.emplace_back(intent, planned.what);
    }
    Result<chain::TransactionOutcome> last = chain::TransactionOutcome{};
    for (const auto& [intent, what] : sent) {
        last = co_await sender_->wait(intent);
        if (!last) {
            co_return fail(with_help(last.error().within(what), address()));
        }
    }
    co_return last;
}

async::Task<Result<chain::TransactionOutcome>> Wallet::send(
    std::string what, Address to, Bytes data, Uint128 value) {
    std::vector<PlannedTransaction> one;
    one.push_back({.what = std::move(what), .to = to, .data = std::move(data), .value = value});
    co_return co_await send_all(std::move(one));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::deposit(Amount amount) {
    const chain::ContractAddresses& contracts = session_.config().contracts;
    CO_TRY(const Bytes answer,
        co_await session_.ethereum().call(
            contracts.usdc, contracts::test_usdc::encode_allowance(address(), contracts.escrow)));
    CO_TRY(const Uint256 allowed, contracts::test_usdc::decode_allowance(answer));
    std::vector<PlannedTransaction> steps;
    if (allowed < Uint256::from(amount.units())) {
        steps.push_back({.what = "allow the escrow to take USDC",
            .to = contracts.usdc,
            .data = contracts::test_usdc::encode_approve(
                contracts.escrow, Uint256::from(amount.units()))});
    }
    steps.push_back(
        {.what = "deposit", .to = contracts.escrow, .data = abi::encode_deposit(amount.units())});
    co_return co_await send_all(std::move(steps));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::withdraw(
    Amount amount, std::optional<Address> to) {
    co_return co_await send("withdraw", session_.config().contracts.escrow,
        to ? abi::encode_withdraw_to(*to, amount.units()) : abi::encode_withdraw(amount.units()));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::approve(
    Address provider, Amount price, Amount budget) {
    co_return co_await send("approve", session_.config().contracts.escrow,
        abi::encode_approve(provider, price.units(), budget.units()));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::increase(Bytes32 channel, Amount amount) {
    co_return co_await send("increase", session_.config().contracts.escrow,
        abi::encode_increase(channel, amount.units()));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::request_close(Bytes32 channel) {
    co_return co_await send(
        "close", session_.config().contracts.escrow, abi::encode_request_close(channel));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::finalize_close(Bytes32 channel) {
    co_return co_await send(
        "finalize", session_.config().contracts.escrow, abi::encode_finalize_close(channel));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::payout(std::optional<Address> to) {
    co_return co_await send(
        "payout", session_.config().contracts.escrow, abi::encode_payout(to.value_or(address())));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::grant_trial(
    Address user, std::uint64_t calls, UnixSeconds expires) {
    co_return co_await send("grant a trial", session_.config().contracts.escrow,
        abi::encode_grant_trial(user, calls, expires.value));
}

async::Task<Result<chain::TransactionOutcome>> Wallet::set_settler(
    Address settler, UnixSeconds expires) {
    co_return co_await send("set settler", session_.config().contracts.escrow,
        abi::encode_set_settler(settler, expires.value));
}

async::Task<void> Wallet::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

Result<void> check_key(const Address& account, const ChainConfig& chain) {
    if (identity::is_development_key(account) && !is_local_chain(chain)) {
        return fail_with_help(ClientError::not_authorised,
            to_string(account) +
                " is a published development key, which anybody can spend from; it is used only "
                "with a chain on loopback",
            "decloud account create NAME makes a key of your own");
    }
    return {};
}

namespace {

async::Task<Result<std::vector<Bytes32>>> opened_channels(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Address payer) {
    CO_TRY(const std::uint64_t head, co_await session.ethereum().block_number());
    Bytes32 topic;
    std::ranges::copy(payer.bytes, topic.bytes.begin() + 12);
    std::vector<Bytes32> ids;
    for (std::uint64_t from = session.config().first_block; from <= head; from += kLogRange) {
        chain::LogFilter filter{.addresses = {session.config().contracts.escrow},
            .topics = {{abi::ChannelOpenedEvent::kTopic}, {}, {topic}},
            .from_block = from,
            .to_block = std::min(head, from + kLogRange - 1)};
        CO_TRY(const auto logs, co_await session.ethereum().get_logs(std::move(filter)));
        for (const chain::Log& log : logs) {
            CO_TRY(const auto event,
                abi::ChannelOpenedEvent::decode({.topics = log.topics, .data = log.data}));
            ids.push_back(event.id);
        }
    }
    std::ranges::reverse(ids);
    co_return ids;
}

}  // namespace

async::Task<Result<EscrowReport>> read_escrow(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Address payer,
    std::map<Bytes32, Amount> served,
    UnixSeconds now) {
    EscrowReport report;
    CO_TRY(report.free, co_await session.escrow().free_balance(payer));
    CO_TRY(const std::vector<Bytes32> ids, co_await opened_channels(session, payer));
    for (const Bytes32& id : ids) {
        CO_TRY(const Bytes answer, co_await session.ethereum().call(
                                       session.config().contracts.escrow, abi::encode_channel(id)));
        CO_TRY(const abi::Channel channel, abi::decode_channel(answer));
        if (channel.finalized || channel.payer != payer) {
            continue;
        }
        ChannelReport row{.id = id,
            .provider = channel.provider,
            .price = Amount(channel.price),
            .reserved = Amount(channel.reserved),
            .claimed = Amount(channel.claimed),
            .spent = Amount(channel.claimed),
            .calls = channel.calls,
            .opened = {channel.opened_at},
            .close_at = {channel.close_at}};
        if (const auto found = served.find(id); found != served.end()) {
            row.spent = std::max(row.spent, found->second);
        }
        row.running_low = channel.close_at == 0 &&
                          payments::is_running_low(row.reserved, row.spent, row.opened, now);
        report.channels.push_back(row);
    }
    co_return report;
}

}  // namespace decloud::client
