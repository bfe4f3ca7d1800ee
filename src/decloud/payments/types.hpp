#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::payments {

/// Where money comes from: "channel:0x…", "trial:0xprovider:0xuser", "test:…". Any text of 1 to 128
/// bytes; the payment method that made it gives it meaning.
struct PayerAccount {
    std::string text;
    friend auto operator<=>(const PayerAccount&, const PayerAccount&) = default;
};

/// One running call in the ledger. Only of this process; never on disk or on the wire.
struct HoldId {
    std::uint64_t value = 0;
    friend auto operator<=>(HoldId, HoldId) = default;
};

/// Names a charged call in public (`/receipts/{id}`); cannot be guessed.
using ReceiptId = FixedBytes<16, struct ReceiptIdTag>;

/// 32 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const ReceiptId& id);
/// From that form, in either case. Error: invalid_input.
[[nodiscard]] Result<ReceiptId> parse_receipt_id(std::string_view text);

/// A cap on calls that a hold counts against: at most `limit` under `key`, forgotten after
/// `expires`.
struct CounterClaim {
    /// Such as "bafy…|any|day:2026-11-21"; at most 256 bytes.
    std::string key;
    std::uint64_t limit = 0;
    /// nullopt: kept for ever (the total of a deployment).
    std::optional<UnixSeconds> expires;
};

/// What `Ledger::hold` is asked for.
struct HoldRequest {
    PayerAccount payer;
    AssetId asset;
    Amount max;
    /// Durable once held, and refused from then on until `expires`, however the call ends. At most
    /// 256 bytes.
    std::optional<std::string> idempotency_key;
    /// When the key may be forgotten: what it stands for is refused by then for its age.
    UnixSeconds expires;
    /// Of the request, to tell a repeat from another request under the same key.
    Bytes32 request_digest;
    /// For operators and for repeats; at most 64 bytes.
    std::string call_id;
    std::vector<CounterClaim> counters;
    /// Whether `begin` waits until the key is on disk. If not, it is there before the answer: after
    /// a crash in between the same request may run again, and is charged once.
    bool key_before_run = true;
};

/// What a receipt says about the call beside the money.
struct CallRecord {
    std::string service;
    /// The cid, or what else the service names; at most 256 bytes.
    std::string subject;
    Bytes32 request_digest;
    Bytes32 response_digest;
    std::uint32_t status = 0;
    std::uint64_t response_bytes = 0;
    std::chrono::microseconds duration{};
    /// Which interval of a stream this is, counted from 1; 0: the whole call.
    std::uint32_t interval = 0;
};

/// A charged call as the ledger keeps it.
struct Receipt {
    ReceiptId id;
    PayerAccount payer;
    AssetId asset;
    Amount amount;
    /// How many calls at the channel's price the amount stands for.
    std::uint64_t calls = 0;
    UnixSeconds time;
    std::string call_id;
    CallRecord call;
};

/// Where a call stands that used an idempotency key (design §6).
enum class CallState { held, served, finished, released };

/// What is known about a used idempotency key.
struct IdempotencyEntry {
    CallState state = CallState::held;
    Bytes32 request_digest;
    std::string call_id;
    /// If finished.
    std::optional<ReceiptId> receipt;
    UnixSeconds expires;
};

/// Why a hold was given back; in the log for operators.
enum class ReleaseReason : std::uint8_t {
    content_not_found,
    sandbox_failed,
    overload,
    node_restart,
    refused,
    cancelled,
    other,
};

/// What the final chain (or whoever else guards the money) says about an account. Amounts are
/// cumulative.
struct ChannelState {
    AssetId asset;
    /// Whose money it is: the account address in lower case, or what else the method knows people
    /// by.
    std::string owner;
    Amount reserved;
    Amount claimed_on_chain;
    std::uint64_t calls_on_chain = 0;
    /// Per call. Zero: amounts are not tied to calls.
    Amount price;
    /// Not zero: no more than this account's vouchers say may be spent, and the calls on chain are
    /// not counted.
    Address signer;
    bool closing = false;
    bool is_final = false;
    std::uint64_t block = 0;
};

/// The newest voucher of a channel's signer.
struct AcceptedVoucher {
    /// All that may be spent.
    Amount cumulative;
    crypto::EcdsaSignature signature;
    /// Calls with lower sequences belong to windows before the newest.
    std::uint64_t first_sequence = 0;
    friend bool operator==(const AcceptedVoucher&, const AcceptedVoucher&) = default;
};

/// How the chain came to say something about an account.
enum class ChainMove {
    forward,
    /// It was reorganised behind what had been taken for final.
    rolled_back,
};

/// What one payer has spent here, all of it finished.
struct Spent {
    std::uint64_t calls = 0;
    Amount amount;
};

/// Everything that is shown about a payer.
struct PayerView {
    PayerAccount payer;
    ChannelState chain;
    Spent spent;
    /// In running calls.
    Amount held;
    Amount spendable;
    /// The highest row told to `note_sent_rows`.
    Spent sent;
    /// Only of channels with a signer.
    std::optional<AcceptedVoucher> voucher;
    /// Why nothing more is served from it, if so.
    std::optional<std::string> stopped;
    /// The final chain does not have it any more.
    bool missing = false;
};

/// A cumulative row for the settler.
struct SettlementRow {
    PayerAccount payer;
    AssetId asset;
    /// 0 in a row that stands on a voucher.
    std::uint64_t calls = 0;
    Amount amount;
    std::optional<AcceptedVoucher> voucher{};
    friend bool operator==(const SettlementRow&, const SettlementRow&) = default;
};

/// When finished calls are worth a transaction.
struct SettlementThresholds {
    /// Not yet sent, of one payer.
    Amount payer_amount;
    /// How long a finished call waits at most.
    std::chrono::seconds age{60};
    /// A row that is not on the final chain so long after it was sent is due again (rows are
    /// cumulative).
    std::chrono::seconds resend_after{600};
    /// What the gas of one row is worth, in the token's smallest unit. A row that would bring less
    /// than twice that waits for more, and is given up when its channel closes. 0: all are sent.
    Amount row_cost{};
};

/// Whether putting so much on the chain brings at least twice what its row costs.
[[nodiscard]] bool is_worth_claiming(Amount unclaimed, Amount row_cost);

/// What is owed in one asset and not settled, and its bound.
struct Exposure {
    /// Finished and not yet on the final chain, plus held.
    Amount amount;
    Amount limit;
};

}  // namespace decloud::payments
