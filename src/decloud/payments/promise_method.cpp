#include "debts.hpp"
#include "ledger_hold.hpp"

#include <algorithm>
#include <utility>

namespace decloud::payments {

using protocol::Checked;
using protocol::HoldOutcome;
using protocol::PaymentHeader;
using protocol::Promise;
using protocol::Status;
using protocol::Terms;

namespace {

/// The ledger keeps no key for longer.
constexpr std::uint64_t kLongestKeySeconds = 24 * 3600;

class InspectedPromise final : public protocol::InspectedPayment {
  public:
    explicit InspectedPromise(Promise promise) : promise_(std::move(promise)) {}
    [[nodiscard]] const Promise& promise() const { return promise_; }

  private:
    Promise promise_;
};

/// Money that is promised for one running call.
class PromiseHold final : public protocol::PaymentHold {
  public:
    PromiseHold(Debts& debts, Ledger& ledger, HoldId id, Promise promise, Amount held)
        : debts_(debts),
          promise_(std::move(promise)),
          held_(held),
          money_(ledger, id, std::nullopt, held, false) {}
    ~PromiseHold() override { end({}); }
    PromiseHold(const PromiseHold&) = delete;
    PromiseHold& operator=(const PromiseHold&) = delete;

    [[nodiscard]] std::optional<Address> payer() const override { return std::nullopt; }
    [[nodiscard]] Amount held() const override { return held_; }
    Result<void> extend(Amount /*more*/) override {
        return fail(CommonError::unavailable, "a promise is of one amount");
    }
    [[nodiscard]] async::Task<Result<void>> ready() override {
        CO_TRY_VOID(co_await debts_.note(promise_));
        co_return co_await money_.ready();
    }
    [[nodiscard]] async::Task<Result<void>> served() override {
        co_return co_await money_.served();
    }
    Result<std::string> commit(Amount actual, protocol::CallSummary summary) override {
        // A bid that was taken is all that is owed.
        const Amount charged = std::min(actual, held_);
        TRY(std::string receipt, money_.commit(charged, std::move(summary)));
        end(charged);
        return receipt;
    }
    void release(std::string_view reason) override {
        money_.release(reason);
        end({});
    }
    [[nodiscard]] protocol::HeaderFields charged_headers() const override {
        const Debt debt = debts_.find(promise_.id);
        protocol::Item item{.value = static_cast<std::int64_t>(debt.owed().units())};
        item.parameters = {{"id", debt.id}, {"currency", debt.currency.text}};
        if (debt.due) {
            item.parameters.emplace_back("due", static_cast<std::int64_t>(debt.due->value));
        }
        const auto text = protocol::serialize_item(item);
        return text ? protocol::HeaderFields{{"OpenCloud-Debt", *text}} : protocol::HeaderFields{};
    }

  private:
    void end(Amount charged) {
        if (!std::exchange(ended_, true)) {
            debts_.ended(held_, charged);
        }
    }

    Debts& debts_;
    Promise promise_;
    Amount held_;
    LedgerHold money_;
    bool ended_ = false;
};

class PromiseMethod final : public protocol::PaymentMethod {
  public:
    PromiseMethod(
        Debts& debts, Ledger& ledger, const Clock& clock, protocol::PromiseLimitsOf limits)
        : debts_(debts), ledger_(ledger), clock_(clock), limits_(std::move(limits)) {}

    [[nodiscard]] std::string_view name() const override { return "promise"; }

    [[nodiscard]] bool handles(const protocol::Call& call, const Terms& terms) const override {
        return call.payment.type == PaymentHeader::Type::deferred && !terms.pays_debt;
    }

    [[nodiscard]] bool needs_digest() const override { return true; }

    [[nodiscard]] Checked<std::shared_ptr<const protocol::InspectedPayment>> inspect(
        const protocol::Call& call, const Terms& terms) const override {
        if (call.payment.item.parameters.empty()) {
            return std::unexpected(protocol::payment_required(Status::payment_acceptable,
                "a promise says who will pay how much until when",
                "defer;id=\"did:…\";amount=…;currency=\"…\";due=…;threshold=…", {}));
        }
        auto promise = protocol::parse_promise(call.payment);
        if (!promise) {
            return protocol::refuse(400, Status::bad_request, promise.error().detail());
        }
        const bool has_signed = std::ranges::any_of(call.credentials, [&](const auto& one) {
            return one.kind == "opencloud" && one.id == promise->id && one.successor.empty();
        });
        if (!has_signed) {
            return protocol::refuse(401, Status::invalid_signature,
                "the request is not signed by " + promise->id + ", which promises to pay",
                "sign it with that key");
        }
        if (promise->currency != debts_.asset() || terms.asset != debts_.asset()) {
            return std::unexpected(protocol::payment_required(Status::payment_acceptable,
                "this call is not paid in " + promise->currency.text, {}, {}));
        }
        return std::make_shared<const InspectedPromise>(std::move(*promise));
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold(
        protocol::PaymentRequest request) override {
        const auto inspected = std::dynamic_pointer_cast<const InspectedPromise>(request.inspected);
        if (!inspected) {
            co_return protocol::refuse(500, Status::server_error, "a promise was not read");
        }
        const Promise& promise = inspected->promise();
        if (auto repeat = find_repeat(promise, request)) {
            co_return std::move(*repeat);
        }
        // Who else has signed gives it no credit.
        protocol::Call alone = *request.call;
        keep_line_of(promise.id, alone.credentials);
        auto limits = limits_(alone, *request.terms);
        if (!limits) {
            co_return std::unexpected(protocol::payment_required(Status::payment_no_defer,
                "this node takes no promise for this call", "attach a payment", {}));
        }
        if (promise.amount < std::min(limits->least, request.terms->max_price)) {
            co_return std::unexpected(protocol::payment_required(Status::payment_too_low,
                "the call costs " + to_string(request.terms->max_price) + ", " +
                    to_string(promise.amount) + " are promised",
                "promise more", {}));
        }
        if (auto good = count_earlier(alone.credentials, *limits); !good) {
            co_return std::unexpected(std::move(good.error()));
        }
        const Amount price = std::min(promise.amount, request.terms->max_price);
        if (auto allowed = debts_.check(promise, price, *limits); !allowed) {
            co_return std::unexpected(std::move(allowed.error()));
        }
        co_return co_await hold_price(promise, price, limits->per_id, std::move(request));
    }

    [[nodiscard]] std::vector<protocol::AcceptablePayment> acceptable(
        const Terms& /*terms*/) const override {
        return {};
    }

    void describe(
        const protocol::Call& call, const Terms& terms, protocol::Problem& problem) const override {
        if (terms.asset == debts_.asset() && !terms.pays_debt && limits_(call, terms)) {
            problem.acceptable.push_back(
                {"deferred", std::string(name()), terms.asset, terms.max_price});
        }
    }

  private:
    /// Leaves that id, and those that it has followed: they come after what follows them.
    static void keep_line_of(const std::string& id, std::vector<protocol::Credential>& all) {
        std::vector<std::string> line{id};
        std::erase_if(all, [&line](const protocol::Credential& one) {
            if (std::ranges::find(line, one.successor) != line.end()) {
                line.push_back(one.id);
            }
            return std::ranges::find(line, one.id) == line.end();
        });
    }

    /// A new id takes what its earlier ones owe, and broke, along.
    [[nodiscard]] Checked<void> count_earlier(
        const std::vector<protocol::Credential>& line, protocol::PromiseLimits& limits) const {
        for (const protocol::Credential& one : line) {
            if (one.successor.empty()) {
                continue;
            }
            const Debt debt = debts_.find(one.id);
            if (debt.broken > 0) {
                return std::unexpected(protocol::payment_required(Status::payment_no_defer,
                    one.id + " has broken a promise to this node", "attach a payment", {}));
            }
            limits.per_id = limits.per_id.saturating_minus(debt.owed());
        }
        return {};
    }

    static std::string key_of(const Promise& promise) {
        return "promise:" + promise.id + ":" + promise.key;
    }

    [[nodiscard]] std::optional<HoldOutcome> find_repeat(
        const Promise& promise, const protocol::PaymentRequest& request) const {
        const auto used = promise.key.empty() ? std::nullopt : ledger_.idempotency(key_of(promise));
        if (!used) {
            return std::nullopt;
        }
        HoldOutcome outcome;
        outcome.repeat = protocol::Repeat{.key = key_of(promise),
            .receipt = used->receipt ? to_string(*used->receipt) : "",
            .same_request = used->request_digest == request.digest.value_or(Bytes32{})};
        return outcome;
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold_price(
        Promise promise, Amount price, Amount limit, protocol::PaymentRequest request) {
        HoldRequest wanted;
        wanted.max = price;
        if (!promise.key.empty()) {
            wanted.idempotency_key = key_of(promise);
            wanted.expires = {clock_.unix_seconds().value + kLongestKeySeconds};
            wanted.request_digest = request.digest.value_or(Bytes32{});
        }
        const auto id = co_await debts_.acquire(promise.id, limit, std::move(wanted));
        if (!id) {
            if (auto repeat = find_repeat(promise, request)) {
                co_return std::move(*repeat);
            }
            if (id.error() == make_error_code(PaymentError::exposure_limit)) {
                co_return protocol::refuse(503, Status::server_error,
                    "the provider has reached its limit of unpaid calls; nothing was charged");
            }
            co_return std::unexpected(protocol::problem_from(id.error()));
        }
        HoldOutcome outcome;
        outcome.key = promise.key.empty() ? std::string() : key_of(promise);
        outcome.hold =
            std::make_unique<PromiseHold>(debts_, ledger_, *id, std::move(promise), price);
        co_return outcome;
    }

    Debts& debts_;
    Ledger& ledger_;
    const Clock& clock_;
    protocol::PromiseLimitsOf limits_;
};

}  // namespace

std::unique_ptr<protocol::PaymentMethod> make_promise_method(
    Debts& debts, Ledger& ledger, const Clock& clock, protocol::PromiseLimitsOf limits) {
    return std::make_unique<PromiseMethod>(debts, ledger, clock, std::move(limits));
}

}  // namespace decloud::payments
