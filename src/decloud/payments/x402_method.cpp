#include "x402_method.hpp"

#include "ledger_hold.hpp"
#include "x402_offer.hpp"

#include <decloud/crypto/secp256k1.hpp>

#include <utility>

namespace decloud::payments {

using protocol::Checked;
using protocol::HoldOutcome;
using protocol::Problem;
using protocol::Status;
using protocol::Terms;

namespace {

/// A transfer has to be in a block before it expires.
constexpr std::uint64_t kLeastSecondsLeft = 6;
/// Beyond what is asked for: clocks differ.
constexpr std::uint64_t kClockSkew = 600;

/// A payment of the right amount to the right account, signed by its payer.
class InspectedX402 final : public protocol::InspectedPayment {
  public:
    explicit InspectedX402(X402Payment payment) : payment_(std::move(payment)) {}
    [[nodiscard]] const X402Payment& payment() const { return payment_; }

  private:
    X402Payment payment_;
};

/// What the hold of a payment needs to tell about it.
struct X402Ticket {
    std::string key;
    int version = 0;
    X402Record record;
};

std::unexpected<Problem> refused(Status status, std::string detail, std::string help = {}) {
    return std::unexpected(
        protocol::payment_required(status, std::move(detail), std::move(help), {}));
}

/// After a broadcast: never a 402, which would have the client sign and pay again.
Problem unsettled(
    X402Settlements& settlements, int version, const X402Record& record, std::string detail) {
    const bool failed = record.state == X402State::failed;
    Problem problem = protocol::refuse(failed ? 409 : 503,
        failed ? Status::declined : Status::server_error, std::move(detail),
        failed ? "this payment is used up; nothing was taken by it"
               : "send the same request with the same payment again")
                          .error();
    problem.headers = x402_response(version, settlements.settings(), record.authorization.from,
        record.transaction, failed ? "transaction_failed" : "settlement_pending");
    if (!failed) {
        problem.headers.emplace_back("Retry-After", "2");
    }
    return problem;
}

Problem unsettled(X402Settlements& settlements, int version, const X402Record& record) {
    const std::string transaction = to_string(record.transaction);
    if (record.state == X402State::failed) {
        return unsettled(settlements, version, record,
            "the payment's transfer failed: transaction " + transaction);
    }
    if (record.transaction.is_zero()) {
        return unsettled(settlements, version, record, "this payment is being used right now");
    }
    return unsettled(settlements, version, record,
        "the payment was sent and is not in a block yet: transaction " + transaction);
}

/// One payment while its call runs. The ledger holds its value; `served` sends the transfer.
class X402Hold final : public protocol::PaymentHold {
  public:
    X402Hold(X402Settlements& settlements, HoldId id, X402Ticket ticket)
        : settlements_(settlements), id_(id), ticket_(std::move(ticket)) {}
    ~X402Hold() override {
        if (!ended_) {
            give_up();
        }
    }
    X402Hold(const X402Hold&) = delete;
    X402Hold& operator=(const X402Hold&) = delete;

    [[nodiscard]] std::optional<Address> payer() const override {
        return ticket_.record.authorization.from;
    }
    [[nodiscard]] Amount held() const override { return ticket_.record.authorization.value; }
    Result<void> extend(Amount /*more*/) override {
        return fail(CommonError::unavailable, "an x402 payment is of one amount");
    }

    [[nodiscard]] async::Task<Result<void>> ready() override {
        CO_TRY_VOID(co_await settlements_.ledger().begin(id_));
        co_return co_await settlements_.accept(ticket_.key, ticket_.record);
    }

    [[nodiscard]] async::Task<Result<void>> served() override {
        CO_TRY_VOID(co_await settlements_.ledger().served(id_));
        const auto may_leave = co_await settlements_.settle(ticket_.key);
        if (!may_leave) {
            if (may_leave.error() == make_error_code(ChainError::reverted)) {
                refusal_ = refused(Status::payment_acceptable,
                    "the payment cannot be collected: " + may_leave.error().detail())
                               .error();
            } else {
                refusal_ = protocol::refuse(503, Status::server_error,
                    "the payment cannot be collected now; nothing was charged")
                               .error();
            }
            co_return fail(may_leave.error());
        }
        if (const X402Record* record = settlements_.find(ticket_.key)) {
            ticket_.record = *record;
        }
        if (!*may_leave) {
            refusal_ = unsettled(settlements_, ticket_.version, ticket_.record);
            co_return fail(CommonError::unavailable, refusal_->detail);
        }
        co_return Result<void>{};
    }

    /// The transfer is of the whole value.
    Result<std::string> commit(Amount /*actual*/, protocol::CallSummary summary) override {
        TRY(const ReceiptId receipt,
            settlements_.ledger().commit(id_, held(), call_record_of(std::move(summary))));
        ended_ = true;
        settlements_.charged(ticket_.key, to_string(receipt));
        return to_string(receipt);
    }

    void release(std::string_view /*reason*/) override { give_up(); }

    [[nodiscard]] protocol::HeaderFields answer_headers() const override {
        return x402_response(ticket_.version, settlements_.settings(),
            ticket_.record.authorization.from, ticket_.record.transaction, "");
    }
    [[nodiscard]] std::optional<Problem> refusal() const override { return refusal_; }

  private:
    void give_up() {
        ended_ = true;
        if (settlements_.give_up(ticket_.key, id_)) {
            (void)settlements_.ledger().release(id_, ReleaseReason::other);
        }
    }

    X402Settlements& settlements_;
    HoldId id_;
    X402Ticket ticket_;
    std::optional<Problem> refusal_;
    bool ended_ = false;
};

/// A payment that was settled while the node was down, before its answer: it is served once.
class PaidHold final : public protocol::PaymentHold {
  public:
    PaidHold(X402Settlements& settlements, X402Ticket ticket)
        : settlements_(settlements), ticket_(std::move(ticket)) {}

    [[nodiscard]] std::optional<Address> payer() const override {
        return ticket_.record.authorization.from;
    }
    [[nodiscard]] Amount held() const override { return ticket_.record.authorization.value; }
    Result<void> extend(Amount /*more*/) override {
        return fail(CommonError::unavailable, "an x402 payment is of one amount");
    }
    [[nodiscard]] async::Task<Result<void>> ready() override { co_return Result<void>{}; }
    [[nodiscard]] async::Task<Result<void>> served() override { co_return Result<void>{}; }
    Result<std::string> commit(Amount /*actual*/, protocol::CallSummary /*summary*/) override {
        settlements_.answered(ticket_.key);
        return ticket_.record.receipt;
    }
    void release(std::string_view /*reason*/) override {}
    [[nodiscard]] protocol::HeaderFields answer_headers() const override {
        return x402_response(ticket_.version, settlements_.settings(),
            ticket_.record.authorization.from, ticket_.record.transaction, "");
    }

  private:
    X402Settlements& settlements_;
    X402Ticket ticket_;
};

class X402Method final : public protocol::PaymentMethod {
  public:
    explicit X402Method(X402Settlements& settlements) : settlements_(settlements) {}

    [[nodiscard]] std::string_view name() const override { return "x402"; }

    [[nodiscard]] bool handles(const protocol::Call& call, const Terms& terms) const override {
        return call.payment.type == protocol::PaymentHeader::Type::attached &&
               call.payment.method == name() && is_for_us(terms);
    }

    [[nodiscard]] bool needs_digest() const override { return true; }

    [[nodiscard]] Checked<std::shared_ptr<const protocol::InspectedPayment>> inspect(
        const protocol::Call& call, const Terms& terms) const override {
        auto payment = parse_x402_payment(call.payment.payload);
        if (!payment) {
            return protocol::refuse(400, Status::bad_request,
                "the x402 payment cannot be read: " + payment.error().detail());
        }
        // What is known by its nonce is told its outcome, whatever its age.
        const X402Record* known = settlements_.find(key_of(*payment));
        if (known != nullptr && known->authorization == payment->authorization) {
            return std::make_shared<const InspectedX402>(std::move(*payment));
        }
        if (auto checked = check_fields(*payment, terms); !checked) {
            return std::unexpected(std::move(checked.error()));
        }
        if (auto checked = check_signature(payment->authorization); !checked) {
            return std::unexpected(std::move(checked.error()));
        }
        return std::make_shared<const InspectedX402>(std::move(*payment));
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold(
        protocol::PaymentRequest request) override {
        const auto inspected = std::dynamic_pointer_cast<const InspectedX402>(request.inspected);
        if (!inspected) {
            co_return protocol::refuse(500, Status::server_error, "the payment was not inspected");
        }
        const X402Payment& payment = inspected->payment();
        X402Ticket ticket{.key = key_of(payment), .version = payment.version, .record = {}};
        ticket.record.authorization = payment.authorization;
        ticket.record.request_digest = request.digest.value_or(Bytes32{});
        ticket.record.identifier = payment.identifier;
        ticket.record.service = request.call->service;
        ticket.record.subject = request.terms->subject;
        if (auto repeat = find_repeat(ticket)) {
            co_return std::move(*repeat);
        }
        // Reading the body may have taken its time.
        if (auto checked = check_fields(payment, *request.terms); !checked) {
            co_return std::unexpected(std::move(checked.error()));
        }
        if (auto checked = co_await check_chain(payment.authorization); !checked) {
            co_return std::unexpected(std::move(checked.error()));
        }
        co_return co_await hold_new(std::move(ticket));
    }

    [[nodiscard]] std::vector<protocol::AcceptablePayment> acceptable(
        const Terms& terms) const override {
        if (!offers(terms)) {
            return {};
        }
        return {{"attached", std::string(name()), terms.asset, terms.max_price}};
    }

    void describe(const protocol::Call& call, const Terms& terms, Problem& problem) const override {
        const auto& token = settlements_.token();
        if (!token || !is_for_us(terms)) {
            return;
        }
        const X402Settings& settings = settlements_.settings();
        const X402Offer offer{.resource = resource_url(call.head, settings.public_url),
            .description = call.service + " " + call.method,
            .price = terms.max_price};
        if (!x402_network_name(settings.chain_id).empty()) {
            problem.accepts.emplace_back(x402_v1_row(offer, settings, *token));
        }
        problem.headers.emplace_back(
            "PAYMENT-REQUIRED", x402_payment_required(offer, problem.detail, settings, *token));
    }

  private:
    [[nodiscard]] bool is_for_us(const Terms& terms) const {
        return terms.asset == settlements_.settings().asset && !terms.max_price.is_zero();
    }
    [[nodiscard]] bool offers(const Terms& terms) const {
        return settlements_.token() && is_for_us(terms);
    }

    [[nodiscard]] std::string key_of(const X402Payment& payment) const {
        return x402_key(settlements_.settings().token, payment.authorization);
    }

    [[nodiscard]] Checked<void> check_fields(const X402Payment& payment, const Terms& terms) const {
        const X402Settings& settings = settlements_.settings();
        const X402Authorization& fields = payment.authorization;
        const std::string network = payment.version == 1
                                        ? std::string(x402_network_name(settings.chain_id))
                                        : x402_network_id(settings.chain_id);
        if (payment.network != network) {
            return refused(Status::payment_acceptable, "the payment is for another network");
        }
        if (fields.to != settings.pay_to ||
            (payment.accepted && (payment.accepted->pay_to != settings.pay_to ||
                                     payment.accepted->asset != settings.token))) {
            return refused(Status::payment_acceptable, "the payment is not to " +
                                                           to_string(settings.pay_to) + " in " +
                                                           to_string(settings.token));
        }
        if (fields.value != terms.max_price ||
            (payment.accepted && payment.accepted->amount != terms.max_price)) {
            return refused(Status::payment_too_low, "the payment is of " + to_string(fields.value) +
                                                        ", this call costs exactly " +
                                                        to_string(terms.max_price));
        }
        return check_times(fields);
    }

    [[nodiscard]] Checked<void> check_signature(const X402Authorization& fields) const {
        const auto& token = settlements_.token();
        if (!token) {
            auto early = protocol::refuse(503, Status::server_error,
                "the chain has not told about its token yet; nothing was charged");
            early.error().headers.emplace_back("Retry-After", "1");
            return early;
        }
        const auto signer =
            crypto::recover(authorization_digest(fields, token->domain), fields.signature.view());
        if (!signer || *signer != fields.from) {
            return refused(Status::invalid_signature,
                "the authorization is not signed by " + to_string(fields.from));
        }
        return {};
    }

    [[nodiscard]] Checked<void> check_times(const X402Authorization& fields) const {
        const std::uint64_t now = settlements_.clock().unix_seconds().value;
        const auto longest =
            static_cast<std::uint64_t>(settlements_.settings().max_timeout.count()) + kClockSkew;
        if (fields.valid_after > now) {
            return refused(Status::payment_acceptable, "the authorization is not valid yet",
                "check this machine's clock");
        }
        if (fields.valid_before < now + kLeastSecondsLeft) {
            return refused(Status::payment_acceptable, "the authorization has expired",
                "check this machine's clock");
        }
        if (fields.valid_before > now + longest) {
            return refused(Status::payment_acceptable,
                "the authorization is valid for more than maxTimeoutSeconds");
        }
        return {};
    }

    /// The pipeline's repeat, or the refusal of what is known under the nonce or the identifier.
    [[nodiscard]] std::optional<Checked<HoldOutcome>> find_repeat(const X402Ticket& ticket) const {
        const X402Record* record = settlements_.find(ticket.key);
        if (record == nullptr) {
            return find_used(ticket);
        }
        const bool same = record->request_digest == ticket.record.request_digest &&
                          record->identifier == ticket.record.identifier;
        if (same && record->state != X402State::settled) {
            return std::unexpected(unsettled(settlements_, ticket.version, *record));
        }
        HoldOutcome outcome;
        if (same && record->unanswered) {
            X402Ticket paid{.key = ticket.key, .version = ticket.version, .record = *record};
            outcome.hold = std::make_unique<PaidHold>(settlements_, std::move(paid));
            outcome.key = ticket.key;
            return outcome;
        }
        outcome.repeat = protocol::Repeat{.key = ticket.key,
            .receipt = record->receipt,
            .same_request = same,
            .headers = x402_response(ticket.version, settlements_.settings(),
                record->authorization.from, record->transaction, "")};
        if (!record->receipt.empty()) {
            outcome.repeat->headers.emplace_back(
                "X-Decloud-Receipt", "/receipts/" + record->receipt);
        }
        return outcome;
    }

    /// A nonce that the ledger knows (its call failed), or an identifier that another payment has.
    [[nodiscard]] std::optional<Checked<HoldOutcome>> find_used(const X402Ticket& ticket) const {
        const X402Record& record = ticket.record;
        const bool other =
            !record.identifier.empty() &&
            settlements_.find_identifier(record.authorization.from, record.identifier) != nullptr;
        if (other) {
            return protocol::refuse(409, Status::declined,
                "the payment-identifier was used with another payment",
                "an identifier stands for one payment of one request");
        }
        const auto used = settlements_.ledger().idempotency(ticket.key);
        if (!used) {
            return std::nullopt;
        }
        const bool same = used->request_digest == record.request_digest;
        if (same && (used->state == CallState::held || used->state == CallState::served)) {
            return std::unexpected(unsettled(settlements_, ticket.version, record));
        }
        if (!used->receipt) {
            // Nothing was taken, so that an answer that was made and kept is not given either.
            return protocol::refuse(409, Status::declined,
                "this payment was tried, nothing was charged, and it is not taken again",
                "sign a new one");
        }
        HoldOutcome outcome;
        outcome.repeat = protocol::Repeat{.key = ticket.key,
            .receipt = to_string(*used->receipt),
            .same_request = same,
            .headers = {}};
        return outcome;
    }

    [[nodiscard]] async::Task<Checked<void>> check_chain(X402Authorization fields) {
        const auto checked = co_await settlements_.check(fields);
        if (checked) {
            co_return Checked<void>{};
        }
        if (checked.error() == make_error_code(ChainError::reverted)) {
            co_return refused(Status::payment_acceptable,
                "the payment cannot be collected: " + checked.error().detail());
        }
        co_return protocol::refuse(503, Status::server_error,
            "the chain cannot be asked about this payment now; nothing was charged");
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold_new(X402Ticket ticket) {
        const X402Authorization fields = ticket.record.authorization;
        HoldRequest request;
        request.max = fields.value;
        request.idempotency_key = ticket.key;
        request.expires = UnixSeconds{fields.valid_before};
        request.request_digest = ticket.record.request_digest;
        const auto id = co_await settlements_.acquire(fields.from, std::move(request));
        if (!id) {
            if (id.error() == make_error_code(PaymentError::already_used)) {
                if (auto repeat = find_repeat(ticket)) {
                    co_return std::move(*repeat);
                }
            }
            co_return protocol::refuse(503, Status::server_error,
                "the payment cannot be taken now: " + id.error().message() +
                    "; nothing was charged");
        }
        HoldOutcome outcome;
        outcome.key = ticket.key;
        outcome.hold = std::make_unique<X402Hold>(settlements_, *id, std::move(ticket));
        co_return outcome;
    }

    X402Settlements& settlements_;
};

}  // namespace

std::unique_ptr<protocol::PaymentMethod> make_x402_method(X402Settlements& settlements) {
    return std::make_unique<X402Method>(settlements);
}

}  // namespace decloud::payments
