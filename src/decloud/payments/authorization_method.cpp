#include "authorization_method.hpp"

#include "ledger_hold.hpp"

#include <decloud/identity/signed_structs.hpp>

namespace decloud::payments {

using identity::CallAuthorization;
using protocol::Checked;
using protocol::HoldOutcome;
using protocol::Status;
using protocol::Terms;

namespace {

/// An authorisation whose signature is its payer's, for this provider and in time.
class InspectedAuthorization final : public protocol::InspectedPayment {
  public:
    explicit InspectedAuthorization(const CallAuthorization& fields) : fields_(fields) {}
    [[nodiscard]] const CallAuthorization& fields() const { return fields_; }

  private:
    CallAuthorization fields_;
};

class AuthorizationMethod final : public protocol::PaymentMethod {
  public:
    AuthorizationMethod(EscrowCharging& charging, identity::Domain domain)
        : charging_(charging), domain_(domain) {}

    [[nodiscard]] std::string_view name() const override { return "authorization"; }

    [[nodiscard]] bool handles(const protocol::Call& call, const Terms& terms) const override {
        return call.payment.type == protocol::PaymentHeader::Type::attached &&
               call.payment.method == name() &&
               (terms.asset == charging_.asset || terms.max_price.is_zero());
    }

    [[nodiscard]] bool needs_digest() const override { return true; }

    [[nodiscard]] Checked<std::shared_ptr<const protocol::InspectedPayment>> inspect(
        const protocol::Call& call, const Terms& /*terms*/) const override {
        auto statement = identity::parse_signed<CallAuthorization>(as_text(call.payment.payload));
        if (!statement) {
            return protocol::refuse(400, Status::bad_request,
                "the authorization cannot be read: " + statement.error().detail());
        }
        if (auto checked = check(statement->fields); !checked) {
            return std::unexpected(std::move(checked.error()));
        }
        if (auto verified = identity::verify(*statement, domain_); !verified) {
            return protocol::refuse(401, Status::invalid_signature, verified.error().detail());
        }
        return std::make_shared<const InspectedAuthorization>(statement->fields);
    }

    [[nodiscard]] async::Task<Checked<HoldOutcome>> hold(
        protocol::PaymentRequest request) override {
        auto inspected = std::dynamic_pointer_cast<const InspectedAuthorization>(request.inspected);
        if (!inspected) {
            auto now = inspect(*request.call, *request.terms);
            if (!now) {
                co_return std::unexpected(std::move(now.error()));
            }
            inspected = std::dynamic_pointer_cast<const InspectedAuthorization>(*now);
        }
        const CallAuthorization& fields = inspected->fields();
        // Reading the body may have taken its time.
        if (auto checked = check(fields); !checked) {
            co_return std::unexpected(std::move(checked.error()));
        }
        if (fields.request_digest != request.digest.value_or(Bytes32{})) {
            co_return protocol::refuse(
                401, Status::invalid_signature, "the authorization is for another request");
        }
        SingleUse single_use{
            .key = "authorization:" + to_string(fields.payer) + ":" + to_string(fields.nonce),
            .expires = {fields.valid_before},
            .request_digest = fields.request_digest};
        if (request.terms->max_price.is_zero()) {
            HoldOutcome outcome;
            outcome.hold = std::make_unique<IdentityHold>(fields.payer);
            co_return outcome;
        }
        if (fields.max_price == 0 && request.terms->sponsor) {
            Caller caller{to_string(fields.payer), fields.payer};
            const Terms& terms = *request.terms;
            auto sponsored = sponsored_call(charging_, terms, std::move(caller));
            if (!sponsored) {
                co_return std::unexpected(std::move(sponsored.error()));
            }
            co_return co_await hold_from_payer(charging_, sponsored->owner, terms,
                sponsored->max_price, std::move(single_use), std::move(sponsored->counters),
                std::string());
        }
        single_use.most = Amount(fields.max_price);
        const Terms terms = with_bid(*request.call, *request.terms, Amount(fields.max_price));
        co_return co_await hold_from_payer(charging_, fields.payer, terms, Amount(fields.max_price),
            std::move(single_use), {}, std::string());
    }

    [[nodiscard]] std::vector<protocol::AcceptablePayment> acceptable(
        const Terms& terms) const override {
        if (terms.asset != charging_.asset) {
            return {};
        }
        return {{"attached", std::string(name()), terms.asset, terms.max_price}};
    }

  private:
    /// The terms at what was offered, if that is less than the price and taken all the same.
    [[nodiscard]] Terms with_bid(const protocol::Call& call, Terms terms, Amount bid) const {
        if (bid < terms.max_price && !terms.pays_debt && charging_.least_bid &&
            bid >= charging_.least_bid(call, terms)) {
            terms.max_price = bid;
        }
        return terms;
    }

    [[nodiscard]] Checked<void> check(const CallAuthorization& fields) const {
        const UnixSeconds now = charging_.clock.unix_seconds();
        if (fields.provider != charging_.provider) {
            return protocol::refuse(401, Status::invalid_signature,
                "the authorization is for another provider, " + to_string(fields.provider));
        }
        if (fields.valid_before <= now.value) {
            return protocol::refuse(401, Status::invalid_signature, "the authorization has expired",
                "sign a new one; check this machine's clock");
        }
        if (fields.valid_before > now.value + kLongestAuthorizationSeconds) {
            return protocol::refuse(401, Status::invalid_signature,
                "validBefore lies more than 10 minutes ahead", "sign a shorter one");
        }
        return {};
    }

    EscrowCharging& charging_;
    identity::Domain domain_;
};

}  // namespace

std::unique_ptr<protocol::PaymentMethod> make_authorization_method(
    EscrowCharging& charging, identity::Domain domain) {
    return std::make_unique<AuthorizationMethod>(charging, domain);
}

}  // namespace decloud::payments
