#pragma once

#include "automatic_trials.hpp"
#include "channel_directory.hpp"
#include "ledger.hpp"

#include <decloud/protocol/payment_method.hpp>
#include <decloud/protocol/promise.hpp>

#include <optional>
#include <string>
#include <vector>

namespace decloud::payments {

/// What every way of paying from the escrow needs. All of them outlive the payment methods.
struct EscrowCharging {
    Ledger& ledger;
    ChannelDirectory& channels;
    const Clock& clock;
    AssetId asset;
    /// This provider's account.
    Address provider;
    /// The provider's name, for the commands in refusals.
    std::string provider_name;
    /// What the provider gives away by itself; null: nothing.
    AutomaticTrials* trials = nullptr;
    /// What is taken below the price; empty: nothing is.
    protocol::LeastBidOf least_bid{};
};

/// Uniqueness of a request that carries a signature.
struct SingleUse {
    std::string key;
    UnixSeconds expires;
    Bytes32 request_digest;
    /// All that its payer has signed for, however many intervals a stream has; none: the money is
    /// of somebody who has signed for each call.
    std::optional<Amount> most{};
};

/// Who asks, for `ownerPays`: the text under which calls are counted, the account if one signed,
/// and every OpenCloud id that signed.
struct Caller {
    std::string text;
    std::optional<Address> account;
    std::vector<std::string> ids{};
};

/// Holds the price from `payer`'s trial or channel, at most `max_price` a call. Refusals are 402
/// and name what is needed; a used key is a repeat. `terms` live until the task ends.
[[nodiscard]] async::Task<protocol::Checked<protocol::HoldOutcome>> hold_from_payer(
    EscrowCharging& charging,
    Address payer,
    const protocol::Terms& terms,
    Amount max_price,
    std::optional<SingleUse> single_use,
    std::vector<CounterClaim> counters,
    std::string call_id);

/// Whose money a call is of, and as what it counts.
struct SponsoredCall {
    Address owner;
    /// What the owner's signature allows.
    Amount max_price;
    std::vector<CounterClaim> counters;
};

/// What the sponsor's `ownerPays` makes of this caller's call; refused if it does not allow it.
[[nodiscard]] protocol::Checked<SponsoredCall> sponsored_call(
    const EscrowCharging& charging, const protocol::Terms& terms, Caller caller);

/// What the ledger's error means to who wanted to pay from `payer`'s money.
[[nodiscard]] std::unexpected<protocol::Problem> refusal_of(const EscrowCharging& charging,
    const protocol::Terms& terms,
    const Address& payer,
    const Error& error);

/// Pays from the owner's channel where the request brings no payment of its own.
[[nodiscard]] std::unique_ptr<protocol::PaymentMethod> make_owner_method(EscrowCharging& charging);

}  // namespace decloud::payments
