#include "promise.hpp"

#include <variant>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxKey = 64;

std::unexpected<Error> missing(const char* what) {
    return fail(CommonError::invalid_input,
        std::string("a promise needs ") + what +
            "; it is defer;id=\"did:…\";amount=…;currency=\"…\";due=…;threshold=…");
}

Result<std::uint64_t> number(const Item& item, const char* key) {
    const BareItem* found = item.parameter(key);
    const auto* value = found == nullptr ? nullptr : std::get_if<std::int64_t>(found);
    if (value == nullptr || *value < 0) {
        return missing((std::string(key) + ", a number").c_str());
    }
    return static_cast<std::uint64_t>(*value);
}

Result<std::string> text(const Item& item, const char* key) {
    auto found = item.string_parameter(key);
    if (!found || found->empty() || found->size() > kMaxText) {
        return missing((std::string(key) + ", a text").c_str());
    }
    return std::move(*found);
}

}  // namespace

Result<Promise> parse_promise(const PaymentHeader& header) {
    const Item& item = header.item;
    Promise out;
    TRY(out.id, text(item, "id"));
    TRY(out.currency.text, text(item, "currency"));
    TRY(const std::uint64_t amount, number(item, "amount"));
    TRY(out.due.value, number(item, "due"));
    TRY(const std::uint64_t threshold, number(item, "threshold"));
    out.amount = Amount(amount);
    out.threshold = Amount(threshold);
    out.key = item.string_parameter("key").value_or("");
    if (out.key.size() > kMaxKey) {
        return fail(CommonError::invalid_input, "a promise's key has at most 64 bytes");
    }
    return out;
}

Result<std::string> format_promise(const Promise& promise) {
    const auto integer = [](Uint128 value) { return static_cast<std::int64_t>(value); };
    Item item{.value = Token{"defer"}};
    item.parameters = {{"id", promise.id}, {"amount", integer(promise.amount.units())},
        {"currency", promise.currency.text}, {"due", integer(promise.due.value)},
        {"threshold", integer(promise.threshold.units())}};
    if (!promise.key.empty()) {
        item.parameters.emplace_back("key", promise.key);
    }
    return serialize_item(item);
}

}  // namespace decloud::protocol
