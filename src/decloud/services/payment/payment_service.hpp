#pragma once

#include <decloud/base/json.hpp>
#include <decloud/payments/debts.hpp>
#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::services {

/// Service `payment`: `debts` tells the id that signs what it owes; `repay` costs as much as it
/// pays off, by any payment method but promises. `debts` outlives it.
[[nodiscard]] std::unique_ptr<protocol::Service> make_payment_service(payments::Debts& debts);

/// Amounts as decimal strings, times in seconds: `id`, `currency`, `promised`, `paid`, `owed`,
/// `due` (if something is owed), `threshold`, `kept`, `broken`.
[[nodiscard]] json::Object debt_json(const payments::Debt& debt);

}  // namespace decloud::services
