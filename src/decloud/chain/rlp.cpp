#include "rlp.hpp"

#include <algorithm>

namespace decloud::chain::rlp {

namespace {

constexpr std::uint8_t kString = 0x80;
constexpr std::uint8_t kList = 0xc0;
constexpr std::size_t kShort = 55;

Bytes big_endian(Uint128 value) {
    const Uint256 word = Uint256::from(value);
    const auto* const first =
        std::ranges::find_if(word.big_endian, [](std::uint8_t byte) { return byte != 0; });
    return {first, word.big_endian.end()};
}

void add_header(Bytes& out, std::uint8_t base, std::size_t length) {
    if (length <= kShort) {
        out.push_back(static_cast<std::uint8_t>(base + length));
        return;
    }
    const Bytes digits = big_endian(length);
    out.push_back(static_cast<std::uint8_t>(base + kShort + digits.size()));
    append(out, digits);
}

std::unexpected<Error> refuse(const char* why) {
    return fail(CommonError::invalid_input, std::string("RLP: ") + why);
}

struct Header {
    bool list = false;
    std::size_t length = 0;
};

// Takes the header off; a single byte below 0x80 is its own header and stays.
Result<Header> read_header(BytesView& rest) {
    if (rest.empty()) {
        return refuse("the end comes too early");
    }
    const std::uint8_t first = rest[0];
    if (first < kString) {
        return Header{.list = false, .length = 1};
    }
    rest = rest.subspan(1);
    const bool list = first >= kList;
    const std::size_t code = first - (list ? kList : kString);
    if (code <= kShort) {
        if (!list && code == 1 && !rest.empty() && rest[0] < kString) {
            return refuse("a small byte must stand alone");
        }
        return Header{.list = list, .length = code};
    }
    const std::size_t digits = code - kShort;
    if (digits > rest.size()) {
        return refuse("the end comes too early");
    }
    if (rest[0] == 0) {
        return refuse("a length has leading zeros");
    }
    std::uint64_t length = 0;
    for (const std::uint8_t byte : rest.first(digits)) {
        length = length << 8U | byte;
    }
    rest = rest.subspan(digits);
    if (length <= kShort) {
        return refuse("a length is not in its shortest form");
    }
    return Header{.list = list, .length = length};
}

Result<Item> read_item(BytesView& rest, std::size_t depth) {
    if (depth > kMaxDepth) {
        return fail(CommonError::limit_exceeded, "RLP: more than 32 levels");
    }
    TRY(const Header header, read_header(rest));
    if (header.length > rest.size()) {
        return refuse("the end comes too early");
    }
    BytesView content = rest.first(header.length);
    rest = rest.subspan(header.length);
    if (!header.list) {
        return Item{to_bytes(content)};
    }
    std::vector<Item> items;
    while (!content.empty()) {
        TRY(Item item, read_item(content, depth + 1));
        items.push_back(std::move(item));
    }
    return Item{std::move(items)};
}

}  // namespace

Encoder& Encoder::add(BytesView string) {
    if (string.size() != 1 || string[0] >= kString) {
        add_header(items_, kString, string.size());
    }
    append(items_, string);
    return *this;
}

Encoder& Encoder::add(Uint128 integer) { return add(BytesView(big_endian(integer))); }

Encoder& Encoder::add_list(const Encoder& items) { return add_encoded(items.list()); }

Encoder& Encoder::add_encoded(BytesView encoded) {
    append(items_, encoded);
    return *this;
}

Bytes Encoder::list() const {
    Bytes out;
    out.reserve(items_.size() + 9);
    add_header(out, kList, items_.size());
    append(out, items_);
    return out;
}

Result<Item> decode(BytesView bytes) {
    TRY(Item item, read_item(bytes, 0));
    if (!bytes.empty()) {
        return refuse("bytes follow the item");
    }
    return item;
}

Bytes encode(const Item& item) {
    Encoder out;
    if (const auto* const string = std::get_if<Bytes>(&item.value)) {
        return out.add(*string).items();
    }
    for (const Item& inner : std::get<std::vector<Item>>(item.value)) {
        out.add_encoded(encode(inner));
    }
    return out.list();
}

}  // namespace decloud::chain::rlp
