#include "payment_service.hpp"

#include <decloud/protocol/known_answer.hpp>

#include <algorithm>
#include <utility>

namespace decloud::services {

using payments::Debts;
using protocol::Call;
using protocol::Checked;
using protocol::Completion;
using protocol::PreparedCall;
using protocol::Status;

namespace {

constexpr std::uint64_t kMaxBodyBytes = 4 * kKiB;
constexpr std::size_t kRepayArguments = 3;

/// The first key that has signed.
Checked<std::string> debtor_of(const Call& call) {
    const auto found =
        std::ranges::find(call.credentials, "opencloud", [](const auto& one) { return one.kind; });
    if (found == call.credentials.end()) {
        return protocol::refuse(401, Status::invalid_signature,
            "only the key that promised is told what it owes", "sign the request");
    }
    return found->id;
}

/// What the debtor wants to pay off.
struct Wanted {
    std::string id;
    Amount amount;
    Amount paid_before;
};

Checked<Wanted> parse_wanted(const Call& call, const AssetId& asset) {
    auto id = debtor_of(call);
    if (!id) {
        return std::unexpected(std::move(id.error()));
    }
    const auto refuse = [](std::string detail) {
        return protocol::refuse(400, Status::bad_request, std::move(detail),
            "repay?arg={currency}&arg={amount}&arg={paid before}");
    };
    if (call.args.size() != kRepayArguments) {
        return refuse("repay has three arguments");
    }
    if (call.args[0] != asset.text) {
        return refuse("debts here are in " + asset.text + ", not in " + call.args[0]);
    }
    const auto amount = parse_amount(call.args[1]);
    const auto before = parse_amount(call.args[2]);
    if (!amount || amount->is_zero() || !before) {
        return refuse("an amount is a whole number of the smallest unit");
    }
    return Wanted{.id = std::move(*id), .amount = *amount, .paid_before = *before};
}

/// The charge for it is what pays the debt off.
class RepayCall final : public PreparedCall {
  public:
    RepayCall(Debts& debts, Wanted wanted) : debts_(debts), wanted_(std::move(wanted)) {
        terms_.asset = debts.asset();
        terms_.max_price = wanted_.amount;
        terms_.subject = payments::promise_account(wanted_.id).text;
        terms_.max_request_bytes = kMaxBodyBytes;
        terms_.pays_debt = true;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }
    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& /*body*/,
        protocol::Responder& responder,
        protocol::Charge& /*charge*/,
        async::CancellationToken /*gone*/) override {
        auto begun = debts_.repay(wanted_.id, wanted_.amount, wanted_.paid_before);
        if (!begun) {
            co_return Completion::failed(std::move(begun.error()));
        }
        // Ends when this call has been charged.
        repayment_ = std::move(*begun);
        const Amount paid(wanted_.paid_before.units() + wanted_.amount.units());
        const json::Object answer{{"id", wanted_.id}, {"currency", terms_.asset.text},
            {"repaid", to_string(wanted_.amount)}, {"paid", to_string(paid)}};
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        (void)responder.send(std::move(head), to_bytes(json::to_text(answer) + "\n"));
        co_return Completion::charged(wanted_.amount);
    }

  private:
    Debts& debts_;
    Wanted wanted_;
    protocol::Terms terms_;
    std::unique_ptr<payments::Repayment> repayment_;
};

class PaymentService final : public protocol::Service {
  public:
    explicit PaymentService(Debts& debts) : debts_(debts) {}

    [[nodiscard]] std::string_view name() const override { return "payment"; }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return {.name = "payment",
            .summary = "What was promised to this node, and paying it.",
            .methods = {{.name = "debts",
                            .summary = "What the key that signs the request owes.",
                            .arguments = protocol::arguments_schema({}, 0)},
                {.name = "repay",
                    .summary = "Pays off a part of that: costs the amount that is its argument.",
                    .arguments = protocol::arguments_schema(
                        {"The debt's currency", "How much of it is paid now",
                            "How much of it was paid before, so that nothing is paid twice"},
                        kRepayArguments)}}};
    }
    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const Call> call) override {
        if (call->method == "repay") {
            auto wanted = parse_wanted(*call, debts_.asset());
            if (!wanted) {
                co_return std::unexpected(std::move(wanted.error()));
            }
            co_return std::make_unique<RepayCall>(debts_, std::move(*wanted));
        }
        if (call->method != "debts") {
            co_return protocol::refuse(404, Status::method_unsupported,
                "payment has the methods debts and repay, not \"" + call->method + "\"");
        }
        auto id = debtor_of(*call);
        if (!id) {
            co_return std::unexpected(std::move(id.error()));
        }
        json::Object answer{{"id", *id}, {"debts", json::Array{debt_json(debts_.find(*id))}}};
        co_return protocol::make_known_answer("payment.debts", std::move(answer));
    }

  private:
    Debts& debts_;
};

}  // namespace

json::Object debt_json(const payments::Debt& debt) {
    json::Object out{{"id", debt.id}, {"currency", debt.currency.text},
        {"promised", to_string(debt.promised)}, {"paid", to_string(debt.paid)},
        {"owed", to_string(debt.owed())}, {"threshold", to_string(debt.threshold)},
        {"kept", debt.kept}, {"broken", debt.broken}};
    if (debt.due) {
        out["due"] = debt.due->value;
    }
    return out;
}

std::unique_ptr<protocol::Service> make_payment_service(payments::Debts& debts) {
    return std::make_unique<PaymentService>(debts);
}

}  // namespace decloud::services
