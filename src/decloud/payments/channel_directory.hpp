#pragma once

#include "types.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <optional>

namespace decloud::payments {

/// Money of one payer that this provider may spend: the newest open pull channel, and a trial.
struct PayerMoney {
    /// A pull channel's ledger account, its id in the escrow and its price per call.
    struct Channel {
        PayerAccount account;
        Bytes32 id;
        Amount price;
    };
    std::optional<Channel> channel;
    /// Free calls that have not expired; counted in calls, not in money.
    std::optional<PayerAccount> trial;
};

/// Knows where a payer's money for this provider is. What it returns is in the ledger already.
/// Single threaded.
class ChannelDirectory {
  public:
    virtual ~ChannelDirectory() = default;
    /// From memory where the payer is known, else from the chain. For an unknown payer only:
    /// errors of the chain, PaymentError::overloaded.
    [[nodiscard]] virtual async::Task<Result<PayerMoney>> find(Address payer) = 0;
    /// What `find` would return from memory; none for an unknown payer.
    [[nodiscard]] virtual std::optional<PayerMoney> find_known(const Address& payer) const = 0;
    /// As `find`, for a channel with a signer: if it is of this provider, the ledger knows it then.
    [[nodiscard]] virtual async::Task<Result<void>> find_channel(Bytes32 id) = 0;
    /// Asks the chain about a payer now, known or not, ahead of what is followed. Errors: the
    /// chain's; PaymentError::overloaded.
    [[nodiscard]] virtual async::Task<Result<void>> refresh(Address payer) = 0;
    /// Why no paid call may be served now, if so: the chain has been silent for too long.
    [[nodiscard]] virtual std::optional<std::string> suspended() const = 0;
};

/// A trial's asset: one unit is one call.
inline constexpr std::string_view kTrialAsset = "decloud:trial-calls";

/// "channel:0x…".
[[nodiscard]] PayerAccount channel_account(const Bytes32& channel);
/// "trial:0xprovider:0xuser".
[[nodiscard]] PayerAccount trial_account(const Address& provider, const Address& user);
/// The id of a "channel:" account. Error: invalid_input for another kind.
[[nodiscard]] Result<Bytes32> parse_channel_account(const PayerAccount& account);
/// The user of a "trial:" account. Error: invalid_input for another kind.
[[nodiscard]] Result<Address> parse_trial_account(const PayerAccount& account);

}  // namespace decloud::payments
