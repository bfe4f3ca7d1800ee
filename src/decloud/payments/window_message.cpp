#include "window_message.hpp"

#include <algorithm>
#include <variant>

namespace decloud::payments {

namespace {

constexpr std::size_t kLongestEncryptedKey = 4096;
constexpr std::string_view kMacLabel = "decloud window 1";

std::unexpected<Error> malformed(std::string what) {
    return fail(CommonError::invalid_input, std::move(what));
}

template <class Struct>
Result<std::optional<identity::Signed<Struct>>> read_statement(
    const protocol::Item& item, std::string_view name, const Bytes32& channel) {
    if (item.parameter(name) == nullptr) {
        return std::nullopt;
    }
    const Bytes* const text = item.bytes_parameter(name);
    if (text == nullptr) {
        return malformed(std::string(name) + " is a byte sequence");
    }
    auto statement = identity::parse_signed<Struct>(as_text(*text));
    if (!statement) {
        return malformed("the " + std::string(name) +
                         " cannot be read: " + std::string(statement.error().detail()));
    }
    if (statement->fields.channel_id != channel) {
        return malformed("the " + std::string(name) + " is of another channel");
    }
    return std::optional(std::move(*statement));
}

template <class Struct>
Result<Bytes> write_statement(const identity::Signed<Struct>& statement) {
    TRY(const std::string text, json::canonical(identity::to_json(statement)));
    return to_bytes(as_bytes(text));
}

}  // namespace

Result<WindowPayment> parse_window_payment(const protocol::PaymentHeader& header) {
    const protocol::Item& item = header.item;
    WindowPayment out;
    const Bytes* const channel = item.bytes_parameter("channel");
    const auto* const sequence = item.parameter("sequence");
    const auto* const number = sequence == nullptr ? nullptr : std::get_if<std::int64_t>(sequence);
    if (channel == nullptr || channel->size() != Bytes32::kSize || number == nullptr ||
        *number < 0 || header.payload.size() != out.mac.size()) {
        return malformed(
            "a window payment is attached;method=\"window\";payload=:32 bytes:;"
            "channel=:32 bytes:;sequence=number");
    }
    TRY(out.channel, Bytes32::from(*channel));
    out.sequence = static_cast<std::uint64_t>(*number);
    std::ranges::copy(header.payload, out.mac.begin());
    TRY(out.voucher, read_statement<identity::Voucher>(item, "voucher", out.channel));
    TRY(auto window, read_statement<identity::Window>(item, "window", out.channel));
    const Bytes* const key = item.bytes_parameter("key");
    if (window.has_value() != (key != nullptr)) {
        return malformed("a window comes with its key, and a key with its window");
    }
    if (window) {
        if (key->size() > kLongestEncryptedKey) {
            return malformed("the window's key is too long");
        }
        out.opening = WindowPayment::Opening{*window, std::string(as_text(*key))};
    }
    return out;
}

Result<std::string> format_window_payment(const WindowPayment& payment) {
    if (payment.sequence > kHighestSequence) {
        return malformed("the sequence is above the highest");
    }
    protocol::Item item;
    item.value = protocol::Token{"attached"};
    item.parameters.emplace_back("method", std::string(kWindowMethod));
    item.parameters.emplace_back("payload", Bytes(payment.mac.begin(), payment.mac.end()));
    item.parameters.emplace_back("channel", to_bytes(payment.channel.view()));
    item.parameters.emplace_back("sequence", static_cast<std::int64_t>(payment.sequence));
    if (payment.voucher) {
        TRY(Bytes voucher, write_statement(*payment.voucher));
        item.parameters.emplace_back("voucher", std::move(voucher));
    }
    if (payment.opening) {
        TRY(Bytes window, write_statement(payment.opening->window));
        item.parameters.emplace_back("window", std::move(window));
        item.parameters.emplace_back("key", to_bytes(as_bytes(payment.opening->encrypted_key)));
    }
    return protocol::serialize_item(item);
}

crypto::Sha256Digest window_mac(
    BytesView key, const Bytes32& channel, std::uint64_t sequence, const Bytes32& request_digest) {
    std::array<std::uint8_t, kMacLabel.size() + 32 + 8 + 32> message{};
    auto at = std::ranges::copy(as_bytes(kMacLabel), message.begin()).out;
    at = std::ranges::copy(channel.view(), at).out;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *at++ = static_cast<std::uint8_t>(sequence >> static_cast<unsigned>(shift));
    }
    std::ranges::copy(request_digest.view(), at);
    return crypto::hmac_sha256(key, message);
}

}  // namespace decloud::payments
