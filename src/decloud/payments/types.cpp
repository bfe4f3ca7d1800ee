#include "types.hpp"

#include <decloud/base/encoding.hpp>

namespace decloud::payments {

std::string to_string(const ReceiptId& id) { return to_hex(id.view()); }

Result<ReceiptId> parse_receipt_id(std::string_view text) {
    if (text.size() != 2 * ReceiptId::kSize || text.starts_with("0x")) {
        return fail(CommonError::invalid_input, "a receipt id has 32 hexadecimal digits");
    }
    TRY(const Bytes bytes, from_hex(text));
    return ReceiptId::from(bytes);
}

}  // namespace decloud::payments
