#include "payment_header.hpp"

#include <decloud/base/encoding.hpp>

#include <variant>

namespace decloud::protocol {

Result<PaymentHeader> parse_payment_header(std::string_view field) {
    PaymentHeader header;
    TRY(header.item, parse_item(field));
    const auto* word = std::get_if<Token>(&header.item.value);
    if (word == nullptr) {
        return fail(CommonError::invalid_input, "OpenCloud-Payment is none, attached or defer");
    }
    if (word->text == "none") {
        return header;
    }
    if (word->text == "defer") {
        header.type = PaymentHeader::Type::deferred;
        return header;
    }
    const auto method = header.item.string_parameter("method");
    const Bytes* payload = header.item.bytes_parameter("payload");
    if (word->text != "attached" || !method || payload == nullptr) {
        return fail(CommonError::invalid_input,
            "OpenCloud-Payment: attached needs method=\"…\" and payload=:base64:");
    }
    header.type = PaymentHeader::Type::attached;
    header.method = *method;
    header.payload = *payload;
    return header;
}

std::string format_attached_payment(std::string_view method, BytesView payload) {
    return "attached;method=\"" + std::string(method) + "\";payload=:" + to_base64(payload) + ":";
}

}  // namespace decloud::protocol
