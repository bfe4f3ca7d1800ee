#include <decloud/base/bytes.hpp>
#include <decloud/client/receipt.hpp>

#include <cstdint>

// A receipt comes from anybody: bare, and compared with a request and an answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    const auto text = as_text(BytesView(data, size));
    (void)client::verify_receipt(text, {}, UnixSeconds{1'790'100'000});
    client::ReceiptExpectation expected;
    expected.request = client::ReceiptRequest{.method = "GET", .target = "/", .body = {}};
    expected.response = Bytes{};
    (void)client::verify_receipt(text, expected, UnixSeconds{1'890'000'000});
    return 0;
}
