#include "account_history.hpp"

#include "x402_challenge.hpp"

#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/test_usdc.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace decloud::client {

namespace {

namespace abi = contracts::escrow;
namespace usdc = contracts::test_usdc;

constexpr std::uint64_t kLogRange = 10'000;

Bytes32 topic_of(const Address& address) {
    Bytes32 out;
    std::ranges::copy(address.bytes, out.bytes.begin() + 12);
    return out;
}

/// Money in and out of one place.
struct Sum {
    Uint128 in = 0;
    Uint128 out = 0;
    [[nodiscard]] Amount left() const { return Amount(in).saturating_minus(Amount(out)); }
};

/// Gathers the events of one account.
class Reader {
  public:
    Reader(ChainSession& session, const Address& account) : session_(session), account_(account) {}

    [[nodiscard]] async::Task<Result<void>> read(std::uint64_t last) {
        const Bytes32 me = topic_of(account_);
        const Address escrow = session_.config().contracts.escrow;
        const Address erc20 = session_.config().contracts.usdc;
        CO_TRY_VOID(co_await scan(last, erc20, {{usdc::TransferEvent::kTopic}, {me}}));
        CO_TRY_VOID(co_await scan(last, erc20, {{usdc::TransferEvent::kTopic}, {}, {me}}));
        CO_TRY_VOID(co_await scan(last, erc20, {{usdc::AuthorizationUsedEvent::kTopic}, {me}}));
        CO_TRY_VOID(co_await scan(
            last, escrow, {{abi::DepositedEvent::kTopic, abi::WithdrawnEvent::kTopic}, {me}}));
        CO_TRY_VOID(co_await scan(last, escrow,
            {{abi::ChannelOpenedEvent::kTopic, abi::ChannelFinalEvent::kTopic}, {}, {me}}));
        if (!channels_.empty()) {
            CO_TRY_VOID(co_await scan(last, escrow,
                {{abi::ChannelIncreasedEvent::kTopic, abi::ConsumedEvent::kTopic,
                     abi::ClaimedEvent::kTopic},
                    {channels_.begin(), channels_.end()}}));
        }
        co_return Result<void>{};
    }

    std::vector<ChainMovement> movements;
    std::map<Bytes32, Bytes32> used_nonces;
    Sum token;
    Sum free;

  private:
    [[nodiscard]] async::Task<Result<void>> scan(
        std::uint64_t last, Address address, std::vector<std::vector<Bytes32>> topics) {
        for (std::uint64_t from = session_.config().first_block; from <= last; from += kLogRange) {
            chain::LogFilter filter{.addresses = {address},
                .topics = topics,
                .from_block = from,
                .to_block = std::min(last, from + kLogRange - 1)};
            CO_TRY(const auto logs, co_await session_.ethereum().get_logs(std::move(filter)));
            for (const chain::Log& log : logs) {
                CO_TRY_VOID(log.topics.empty() ? Result<void>{} : take(log));
            }
        }
        co_return Result<void>{};
    }

    void add(const chain::Log& log,
        std::string what,
        Uint128 amount,
        const Bytes32& channel,
        const Address& other) {
        movements.push_back({.block = log.block_number,
            .index = log.index,
            .transaction = log.transaction_hash,
            .what = std::move(what),
            .amount = Amount(amount),
            .channel = channel,
            .other = other});
    }

    [[nodiscard]] Result<void> take(const chain::Log& log) {
        const contracts::EventLog event{.topics = log.topics, .data = log.data};
        const Bytes32& kind = log.topics.front();
        if (kind == usdc::TransferEvent::kTopic) {
            return take_transfer(log, event);
        }
        if (kind == usdc::AuthorizationUsedEvent::kTopic) {
            TRY(const auto used, usdc::AuthorizationUsedEvent::decode(event));
            used_nonces[used.nonce] = log.transaction_hash;
        } else if (kind == abi::DepositedEvent::kTopic) {
            TRY(const auto deposited, abi::DepositedEvent::decode(event));
            free.in += deposited.amount;
            add(log, "deposit", deposited.amount, {}, deposited.from);
        } else if (kind == abi::WithdrawnEvent::kTopic) {
            TRY(const auto withdrawn, abi::WithdrawnEvent::decode(event));
            free.out += withdrawn.amount;
            add(log, "withdraw", withdrawn.amount, {}, withdrawn.to);
        } else {
            return take_channel(log, event);
        }
        return {};
    }

    [[nodiscard]] Result<void> take_transfer(
        const chain::Log& log, const contracts::EventLog& event) {
        TRY(const auto moved, usdc::TransferEvent::decode(event));
        TRY(const Uint128 value, moved.value.to_uint128());
        const bool out = moved.from == account_;
        if (out && moved.to == account_ &&
            !own_transfers_.emplace(log.block_number, log.index).second) {
            return {};
        }
        if (out) {
            token.out += value;
            add(log, "sent", value, {}, moved.to);
        }
        if (moved.to == account_) {
            token.in += value;
            add(log, "received", value, {}, moved.from);
        }
        return {};
    }

    [[nodiscard]] Result<void> take_channel(
        const chain::Log& log, const contracts::EventLog& event) {
        const Bytes32& kind = log.topics.front();
        if (kind == abi::ChannelOpenedEvent::kTopic) {
            TRY(const auto opened, abi::ChannelOpenedEvent::decode(event));
            channels_.insert(opened.id);
            free.out += opened.reserved;
            add(log, "open", opened.reserved, opened.id, opened.provider);
        } else if (kind == abi::ChannelFinalEvent::kTopic) {
            TRY(const auto ended, abi::ChannelFinalEvent::decode(event));
            free.in += ended.freed;
            add(log, "close", ended.freed, ended.id, ended.provider);
        } else if (kind == abi::ChannelIncreasedEvent::kTopic) {
            TRY(const auto more, abi::ChannelIncreasedEvent::decode(event));
            free.out += more.amount;
            add(log, "increase", more.amount, more.id, {});
        } else if (kind == abi::ConsumedEvent::kTopic) {
            TRY(const auto row, abi::ConsumedEvent::decode(event));
            claim(log, row.id, row.provider, row.claimed);
        } else if (kind == abi::ClaimedEvent::kTopic) {
            TRY(const auto row, abi::ClaimedEvent::decode(event));
            claim(log, row.id, row.provider, row.claimed);
        }
        return {};
    }

    /// Rows carry the channel's total.
    void claim(const chain::Log& log, const Bytes32& id, const Address& provider, Uint128 total) {
        Uint128& before = claimed_[id];
        if (total > before) {
            add(log, "claim", total - before, id, provider);
            before = total;
        }
    }

    ChainSession& session_;
    Address account_;
    std::set<Bytes32> channels_;
    std::map<Bytes32, Uint128> claimed_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> own_transfers_;
};

Result<void> settle_payments(SpendingBook& book,
    const Reader& reader,
    const std::string& asset,
    UnixSeconds chain_time,
    AccountHistory& history) {
    for (const PaymentRecord& row : history.payments) {
        if (row.payment.method != "x402" || row.payment.asset != asset ||
            row.state == PaymentState::returned) {
            continue;
        }
        const auto used = reader.used_nonces.find(row.payment.nonce);
        if (used != reader.used_nonces.end()) {
            TRY_VOID(book.taken(row.id,
                {.amount = row.payment.amount, .transaction = used->second, .receipt = {}}));
        } else if (row.state == PaymentState::taken) {
            history.unconfirmed.push_back(row.id);
        } else if (row.payment.valid_before < chain_time) {
            TRY_VOID(book.give_back(row.id, "it ended unused"));
        }
    }
    return {};
}

}  // namespace

async::Task<Result<AccountHistory>> read_history(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    SpendingBook& book,
    Address account
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    AccountHistory out;
    CO_TRY(const std::uint64_t head, co_await session.ethereum().block_number());
    out.block = head - std::min(head, session.config().finality_depth);
    const auto tag = chain::BlockTag::at(out.block);
    Reader reader(session, account);
    CO_TRY_VOID(co_await reader.read(out.block));
    CO_TRY(const Bytes balance, co_await session.ethereum().call(session.config().contracts.usdc,
                                    usdc::encode_balance_of(account), tag));
    CO_TRY(const Uint256 units, usdc::decode_balance_of(balance));
    CO_TRY(const Uint128 narrow, units.to_uint128());
    out.token_on_chain = Amount(narrow);
    CO_TRY(out.free_on_chain, co_await session.escrow().free_balance(account, tag));
    out.token = reader.token.left();
    out.free = reader.free.left();
    CO_TRY(const auto block, co_await session.ethereum().get_block(tag));
    CO_TRY(out.payments, book.payments(account));
    const TokenId token{session.config().chain_id, session.config().contracts.usdc};
    CO_TRY_VOID(settle_payments(book, reader, token.to_string(), block.timestamp, out));
    CO_TRY(out.payments, book.payments(account));
    out.movements = std::move(reader.movements);
    std::ranges::sort(out.movements, [](const ChainMovement& a, const ChainMovement& b) {
        return std::tie(a.block, a.index) < std::tie(b.block, b.index);
    });
    co_return out;
}

}  // namespace decloud::client
