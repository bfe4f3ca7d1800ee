#include "voucher_book_method.hpp"

namespace decloud::pipeline::testing {

namespace {

class BookHold final : public protocol::PaymentHold {
  public:
    BookHold(VoucherBook& book, std::string name, std::string nonce, Amount held)
        : book_(book), name_(std::move(name)), nonce_(std::move(nonce)), held_(held) {}
    ~BookHold() override {
        if (!ended_) {
            give_back(Amount());
        }
    }
    [[nodiscard]] std::optional<Address> payer() const override { return std::nullopt; }
    [[nodiscard]] Amount held() const override { return held_; }
    Result<void> extend(Amount /*more*/) override { return fail(CommonError::unavailable); }
    [[nodiscard]] async::Task<Result<void>> hold_interval(Amount price) override {
        const auto left = book_.left[name_].minus(price);
        if (!left) {
            co_return fail(CommonError::unavailable, "the book has too little left");
        }
        book_.left[name_] = *left;
        held_ = held_.plus(price).value();
        co_return Result<void>{};
    }
    Result<std::string> commit_interval(Amount actual, protocol::CallSummary /*summary*/) override {
        held_ = held_.saturating_minus(actual);
        ++book_.intervals;
        return "receipt-" + nonce_;
    }
    [[nodiscard]] async::Task<Result<void>> ready() override { co_return Result<void>{}; }
    [[nodiscard]] async::Task<Result<void>> served() override {
        ++book_.served;
        if (book_.pays_late) {
            book_.used[nonce_] = "receipt-" + nonce_;
            co_return fail(CommonError::unavailable);
        }
        co_return Result<void>{};
    }
    [[nodiscard]] std::optional<protocol::Problem> refusal() const override {
        return protocol::refuse(503, protocol::Status::server_error, "on its way").error();
    }
    [[nodiscard]] protocol::HeaderFields answer_headers() const override {
        return {{"Book-Page", nonce_}};
    }
    Result<std::string> commit(Amount actual, protocol::CallSummary /*summary*/) override {
        if (book_.disk_full) {
            return fail(CommonError::disk_full);
        }
        give_back(actual);
        book_.used[nonce_] = "receipt-" + nonce_;
        return book_.used[nonce_];
    }
    void release(std::string_view /*reason*/) override { give_back(Amount()); }

  private:
    void give_back(Amount spent) {
        ended_ = true;
        book_.left[name_] = book_.left[name_].plus(held_.saturating_minus(spent)).value();
    }
    VoucherBook& book_;
    std::string name_;
    std::string nonce_;
    Amount held_;
    bool ended_ = false;
};

class BookMethod final : public protocol::PaymentMethod {
  public:
    explicit BookMethod(VoucherBook& book) : book_(book) {}
    [[nodiscard]] std::string_view name() const override { return "book"; }
    [[nodiscard]] bool handles(
        const protocol::Call& call, const protocol::Terms& terms) const override {
        return call.payment.method == "book" && terms.asset == book_.asset;
    }
    [[nodiscard]] bool needs_digest() const override { return book_.binds_body; }
    [[nodiscard]] protocol::Checked<std::shared_ptr<const protocol::InspectedPayment>> inspect(
        const protocol::Call& call, const protocol::Terms& /*terms*/) const override {
        if (book_.binds_body && as_text(call.payment.payload).starts_with("forged/")) {
            return protocol::refuse(401, protocol::Status::invalid_signature, "forged");
        }
        return nullptr;
    }
    [[nodiscard]] async::Task<protocol::Checked<protocol::HoldOutcome>> hold(
        protocol::PaymentRequest request) override {
        const std::string payload(as_text(request.call->payment.payload));
        const std::string name = payload.substr(0, payload.find('/'));
        const std::string nonce = payload.substr(payload.find('/') + 1);
        protocol::HoldOutcome outcome;
        outcome.key = payload;
        if (const auto used = book_.used.find(nonce); used != book_.used.end()) {
            outcome.repeat = protocol::Repeat{payload, used->second, true, {{"Book-Page", nonce}}};
            co_return outcome;
        }
        const auto left = book_.left[name].minus(request.terms->max_price);
        if (!left) {
            co_return std::unexpected(protocol::payment_required(protocol::Status::payment_too_low,
                "the book of " + name + " has too little left", "", acceptable(*request.terms)));
        }
        book_.left[name] = *left;
        ++book_.held;
        outcome.hold = std::make_unique<BookHold>(book_, name, nonce, request.terms->max_price);
        co_return outcome;
    }
    [[nodiscard]] std::vector<protocol::AcceptablePayment> acceptable(
        const protocol::Terms& terms) const override {
        return {{"attached", "book", terms.asset, terms.max_price}};
    }

    void describe(const protocol::Call& call,
        const protocol::Terms& /*terms*/,
        protocol::Problem& problem) const override {
        problem.accepts.emplace_back(json::Object{{"resource", call.head.target}});
        problem.headers.emplace_back("Book-Required", "yes");
    }

  private:
    VoucherBook& book_;
};

}  // namespace

std::unique_ptr<protocol::PaymentMethod> make_voucher_book_method(VoucherBook& book) {
    return std::make_unique<BookMethod>(book);
}

}  // namespace decloud::pipeline::testing
