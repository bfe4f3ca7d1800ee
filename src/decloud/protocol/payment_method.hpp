#pragma once

#include "call.hpp"
#include "problem.hpp"
#include "service.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::protocol {

/// Header fields of an answer, in order.
using HeaderFields = std::vector<std::pair<std::string, std::string>>;

/// What is written down when a call ends; becomes its receipt.
struct CallSummary {
    std::string service;
    std::string subject;
    Bytes32 request_digest;
    Bytes32 response_digest;
    int status = 0;
    std::uint64_t response_bytes = 0;
    std::chrono::microseconds duration{};
    /// Which interval of a stream this is, counted from 1; 0: the whole call.
    std::uint32_t interval = 0;
};

/// Money that is held for one running call. Destroying it without `commit` releases it.
class PaymentHold {
  public:
    virtual ~PaymentHold() = default;
    /// The account that pays or, where nothing is charged, asks; none if the method knows none.
    [[nodiscard]] virtual std::optional<Address> payer() const = 0;
    /// The most that `commit` may charge now, in the terms' asset.
    [[nodiscard]] virtual Amount held() const = 0;
    /// Holds `more` on top. Errors: PaymentError's, or unavailable where nothing can be held.
    virtual Result<void> extend(Amount more) = 0;
    /// Holds `price` on top for the next interval of a stream, which counts as another call.
    /// Errors: as `extend`; also where the payer has not agreed to more.
    [[nodiscard]] virtual async::Task<Result<void>> hold_interval(Amount /*price*/) {
        co_return fail(CommonError::unavailable, "this payment is for one interval");
    }
    /// Charges the elapsed interval and goes on with what was held for the next. Returns the
    /// receipt's id. After an error it is still to be charged, with `commit`.
    virtual Result<std::string> commit_interval(Amount /*actual*/, CallSummary /*summary*/) {
        return fail(CommonError::unavailable, "this payment is for one interval");
    }
    /// Durable before the program runs; at once where nothing needs it.
    [[nodiscard]] virtual async::Task<Result<void>> ready() = 0;
    /// True if `ready` would have nothing to wait for and has been done with that.
    [[nodiscard]] virtual bool try_ready() { return false; }
    /// Durable before the first byte of the answer.
    [[nodiscard]] virtual async::Task<Result<void>> served() = 0;
    /// As `try_ready`, for `served`.
    [[nodiscard]] virtual bool try_served() { return false; }
    /// Ends it and charges. Returns the receipt's id, empty if nothing is written down.
    virtual Result<std::string> commit(Amount actual, CallSummary summary) = 0;
    /// Ends it without a charge. What is single-use stays used.
    virtual void release(std::string_view reason) = 0;
    /// Header fields that tell the payer what became of the payment, once `served` has returned.
    [[nodiscard]] virtual HeaderFields answer_headers() const { return {}; }
    /// Header fields that tell what the payer owes now, once `commit` has returned.
    [[nodiscard]] virtual HeaderFields charged_headers() const { return {}; }
    /// What is answered when `served` has failed; none: what its error says.
    [[nodiscard]] virtual std::optional<Problem> refusal() const { return std::nullopt; }
};

/// A request that was seen before under the same key.
struct Repeat {
    /// Under which the answer may have been kept.
    std::string key;
    /// Hex id of the receipt, if the first one was charged.
    std::string receipt;
    /// True if it is the same request; otherwise the key was used for another one.
    bool same_request = false;
    /// Set in the kept answer, whatever it has there.
    HeaderFields headers{};
};

/// What a payment method's `hold` gave: a hold, or the news that this is a repeat.
struct HoldOutcome {
    /// Set unless it is a repeat.
    std::unique_ptr<PaymentHold> hold;
    std::optional<Repeat> repeat;
    /// Under which the answer is kept for repeats; empty if repeats cannot be told.
    std::string key;
};

/// What a payment method has found out about a payment and wants to know again in `hold`.
class InspectedPayment {
  public:
    virtual ~InspectedPayment() = default;
};

/// What a payment method is asked with. The digest is there if `needs_digest` said so.
struct PaymentRequest {
    std::shared_ptr<const Call> call;
    std::shared_ptr<const Terms> terms;
    std::optional<Bytes32> digest;
    /// As `inspect` returned it.
    std::shared_ptr<const InspectedPayment> inspected;
};

/// A way to pay. Registered once under its name. Single threaded.
class PaymentMethod {
  public:
    virtual ~PaymentMethod() = default;
    /// The `method` of the payment header, such as "authorization". Lives as long as this object.
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// True if this call is for this method: its header names it, or it needs no header. The first
    /// registered method that says so is asked; a refusal of its is final.
    [[nodiscard]] virtual bool handles(const Call& call, const Terms& terms) const = 0;
    /// True if `hold` needs the RequestDigest: without Content-Digest the body is then read first.
    [[nodiscard]] virtual bool needs_digest() const = 0;
    /// Refuses what can be refused by the request's head alone, before a byte of its body is read:
    /// a payment that is malformed, not for this node, out of time, or not signed by its payer.
    /// Holds nothing. May return null.
    [[nodiscard]] virtual Checked<std::shared_ptr<const InspectedPayment>> inspect(
        const Call& /*call*/, const Terms& /*terms*/) const {
        return nullptr;
    }
    /// Holds `terms.max_price`, or refuses.
    [[nodiscard]] virtual async::Task<Checked<HoldOutcome>> hold(PaymentRequest request) = 0;
    /// What this method would take for such a call; nothing if it cannot be paid by it.
    [[nodiscard]] virtual std::vector<AcceptablePayment> acceptable(const Terms& terms) const = 0;
    /// Adds to a 402 about such a call what clients of another protocol need to pay by this method:
    /// rows of `Problem::accepts`, header fields.
    virtual void describe(
        const Call& /*call*/, const Terms& /*terms*/, Problem& /*problem*/) const {}
};

/// A rule that a valid call must pass before its payment is looked at. Registered in order. Single
/// threaded.
class Admission {
  public:
    virtual ~Admission() = default;
    /// For logs and metrics. Lives as long as this object.
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// False if `check` never refuses and need not be asked.
    [[nodiscard]] virtual bool checks_calls() const { return true; }
    /// Refuses the call with the problem that is returned; else header fields for its answer.
    [[nodiscard]] virtual async::Task<Checked<HeaderFields>> check(
        std::shared_ptr<const Call> call, std::shared_ptr<const Terms> terms) = 0;
    /// Before anything is done for a request of `client` (as `Call::client`), not even a look at
    /// whether it is valid.
    [[nodiscard]] virtual Checked<void> screen(std::string_view /*client*/) { return {}; }
    /// Told of each request of `client` that ended in a problem.
    virtual void refused(std::string_view /*client*/, const Problem& /*problem*/) {}
};

/// What others' behaviour so far says about a provider or caller.
class ReputationView {
  public:
    virtual ~ReputationView() = default;
    /// 0 (worst) to 1,000,000 (best) for an id; what is unknown is 500,000.
    [[nodiscard]] virtual std::uint32_t score(std::string_view id) const = 0;
};

}  // namespace decloud::protocol
