#pragma once

#include "records.hpp"

#include <string_view>

namespace decloud::payments::internal {

/// Accounts whose name begins so are debts.
inline constexpr std::string_view kPromisePrefix = "promise:";
/// The service whose charged calls pay debts off.
inline constexpr std::string_view kRepaymentService = "payment";

/// The debt that a charged call pays off, so that charge and repayment are one record of the log;
/// empty if it is an ordinary call.
[[nodiscard]] inline std::string_view repaid_account(const CallRecord& call) {
    const bool repays =
        call.service == kRepaymentService && call.subject.starts_with(kPromisePrefix);
    return repays ? std::string_view(call.subject) : std::string_view();
}

}  // namespace decloud::payments::internal
