#include <decloud/base/bytes.hpp>
#include <decloud/payments/x402_message.hpp>
#include <decloud/payments/x402_record.hpp>

#include <cstdint>
#include <cstdlib>

// What a stranger sends in x402's headers: the header itself, and the JSON in it. A payment that
// was read is kept in a record, which reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    const BytesView input(data, size);
    net::http::Headers headers;
    headers.add(size % 2 == 0 ? "PAYMENT-SIGNATURE" : "X-PAYMENT", as_text(input));
    const auto header = payments::read_x402_headers(headers);
    const bool has_json = header && *header;
    const auto payment =
        payments::parse_x402_payment(has_json ? BytesView((*header)->payload) : input);
    if (payment) {
        payments::X402Record record;
        record.authorization = payment->authorization;
        record.identifier = payment->identifier;
        const auto again = payments::parse_x402_record(payments::format_x402_record(record));
        if (!again || *again != record) {
            std::abort();
        }
        (void)payments::authorization_digest(payment->authorization, Bytes32{});
    }
    (void)payments::parse_x402_record(input);
    return 0;
}
