#include <decloud/payments/window_message.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

/// What is read can be written, and says the same when it is read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    const auto header = protocol::parse_payment_header(as_text(BytesView(data, size)));
    if (!header) {
        return 0;
    }
    const auto payment = payments::parse_window_payment(*header);
    if (!payment) {
        return 0;
    }
    const auto text = payments::format_window_payment(*payment);
    if (!text) {
        std::abort();
    }
    const auto again =
        payments::parse_window_payment(protocol::parse_payment_header(*text).value());
    if (!again || again->channel != payment->channel || again->sequence != payment->sequence ||
        again->mac != payment->mac || again->voucher != payment->voucher ||
        again->opening.has_value() != payment->opening.has_value()) {
        std::abort();
    }
    return 0;
}
