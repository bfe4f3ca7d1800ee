#include "types.hpp"

#include <decloud/base/encoding.hpp>

namespace decloud::payments {

std::string to_string(const ReceiptId& id) { return to_hex(id.view()); }

Result<ReceiptId> parse_receipt_id(std::string_view text) {
    TRY(const Bytes bytes, from_hex(text));
    TRY(const ReceiptId id, ReceiptId::from(bytes));
    // One form only: an id is compared, logged and kept in caches as text.
    if (to_string(id) != text) {
        return fail(CommonError::invalid_input, "a receipt id has 32 digits of 0-9 and a-f");
    }
    return id;
}

bool is_worth_claiming(Amount unclaimed, Amount row_cost) {
    const Uint128 cost = row_cost.units();
    return unclaimed.units() >= cost && unclaimed.units() - cost >= cost;
}

}  // namespace decloud::payments
