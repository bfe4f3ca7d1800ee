#include "escrow.hpp"

#include "internal/contract_call.hpp"

#include <decloud/contracts/escrow.hpp>

namespace decloud::chain {

namespace abi = contracts::escrow;
using internal::ask_contract;

namespace {

ChannelState to_state(const Bytes32& id, const abi::Channel& channel) {
    return {.id = id,
        .payer = channel.payer,
        .provider = channel.provider,
        .signer = channel.signer,
        .price = Amount(channel.price),
        .reserved = Amount(channel.reserved),
        .claimed = Amount(channel.claimed),
        .calls = channel.calls,
        .opened = UnixSeconds{channel.opened_at},
        .close_at = UnixSeconds{channel.close_at},
        .final = channel.finalized};
}

}  // namespace

async::Task<Result<Address>> EscrowView::token() {
    return ask_contract(
        &client_, escrow_, abi::encode_token(), abi::decode_token, BlockTag::latest());
}

async::Task<Result<std::chrono::seconds>> EscrowView::close_delay() {
    CO_TRY(const std::uint64_t delay,
        co_await ask_contract(&client_, escrow_, abi::encode_close_delay(), abi::decode_close_delay,
            BlockTag::latest()));
    co_return std::chrono::seconds(delay);
}

async::Task<Result<Amount>> EscrowView::free_balance(Address account, BlockTag tag) {
    CO_TRY(const Uint128 units,
        co_await ask_contract(&client_, escrow_, abi::encode_free(account), abi::decode_free, tag));
    co_return Amount(units);
}

async::Task<Result<Amount>> EscrowView::earned(Address provider, BlockTag tag) {
    CO_TRY(const Uint128 units, co_await ask_contract(&client_, escrow_,
                                    abi::encode_earned(provider), abi::decode_earned, tag));
    co_return Amount(units);
}

async::Task<Result<std::optional<ChannelState>>> EscrowView::allowance(
    Address payer, Address provider, BlockTag tag) {
    CO_TRY(const abi::Allowance allowance,
        co_await ask_contract(
            &client_, escrow_, abi::encode_allowance(payer, provider), abi::decode_allowance, tag));
    if (allowance.id.is_zero()) {
        co_return std::nullopt;
    }
    CO_TRY(ChannelState state, co_await channel(allowance.id, tag));
    co_return state;
}

async::Task<Result<ChannelState>> EscrowView::channel(Bytes32 id, BlockTag tag) {
    CO_TRY(const abi::Channel channel, co_await ask_contract(&client_, escrow_,
                                           abi::encode_channel(id), abi::decode_channel, tag));
    if (channel.payer.is_zero()) {
        co_return fail(ChainError::not_found, "channel " + to_string(id));
    }
    co_return to_state(id, channel);
}

async::Task<Result<TrialState>> EscrowView::trial(Address provider, Address user, BlockTag tag) {
    CO_TRY(const abi::Trial trial,
        co_await ask_contract(
            &client_, escrow_, abi::encode_trial_of(provider, user), abi::decode_trial_of, tag));
    co_return TrialState{
        .granted = trial.granted, .used = trial.used, .expires = UnixSeconds{trial.expires}};
}

}  // namespace decloud::chain
