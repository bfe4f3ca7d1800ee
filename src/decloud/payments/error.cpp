#include "error.hpp"

#include <string>

namespace decloud {

namespace {

class PaymentCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.payments"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<PaymentError>(value)) {
            case PaymentError::insufficient_funds:
                return "not enough money left to spend";
            case PaymentError::unknown_payer:
                return "no money of this payer is known";
            case PaymentError::payer_stopped:
                return "this payer is not served";
            case PaymentError::already_used:
                return "already used";
            case PaymentError::expired:
                return "expired";
            case PaymentError::counter_exhausted:
                return "the cap on calls is used up";
            case PaymentError::slice_exhausted:
                return "the leased slice is used up";
            case PaymentError::exposure_limit:
                return "too much is owed and not yet settled";
            case PaymentError::overloaded:
                return "too many calls at once";
            case PaymentError::unknown_hold:
                return "the hold has ended";
            case PaymentError::exceeds_hold:
                return "more than was held";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(PaymentError code) {
    static const PaymentCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud
