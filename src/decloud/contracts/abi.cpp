#include "abi.hpp"

namespace decloud::contracts::abi {

Result<void> check_word(BytesView data) {
    if (data.size() < kWord) {
        return fail(CommonError::invalid_input, "ABI: cut short");
    }
    return {};
}

Result<void> check_zeros(BytesView padding) {
    if (!std::ranges::all_of(padding, [](std::uint8_t byte) { return byte == 0; })) {
        return fail(CommonError::invalid_input, "ABI: bits set outside the value");
    }
    return {};
}

void write_unsigned(Bytes& out, std::size_t at, Uint128 value) {
    for (std::size_t i = 0; i < sizeof(value); ++i) {
        out[at + kWord - 1 - i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

Result<Uint128> read_unsigned(BytesView data, Uint128 limit) {
    TRY_VOID(check_word(data));
    TRY_VOID(check_zeros(data.first(kWord - sizeof(Uint128))));
    Uint128 value = 0;
    for (const std::uint8_t byte : data.first(kWord).last(sizeof(Uint128))) {
        value = value << 8U | byte;
    }
    if (value > limit) {
        return fail(CommonError::invalid_input, "ABI: an integer too large for its type");
    }
    return value;
}

Result<std::size_t> read_length(BytesView data) {
    TRY(const Uint128 length, read_unsigned(data, std::numeric_limits<std::size_t>::max()));
    return static_cast<std::size_t>(length);
}

void append_padded(Bytes& out, BytesView content) {
    const std::size_t start = out.size();
    const std::size_t padded = (content.size() + kWord - 1) / kWord * kWord;
    out.resize(start + kWord + padded);
    write_unsigned(out, start, content.size());
    std::ranges::copy(content, out.begin() + static_cast<std::ptrdiff_t>(start + kWord));
}

Result<BytesView> read_padded(BytesView data, std::size_t& used) {
    TRY(const std::size_t length, read_length(data));
    const BytesView rest = data.subspan(kWord);
    if (length > rest.size()) {
        return fail(CommonError::invalid_input, "ABI: bytes longer than their data");
    }
    const std::size_t padding = (kWord - length % kWord) % kWord;
    if (padding > rest.size() - length) {
        return fail(CommonError::invalid_input, "ABI: cut short");
    }
    TRY_VOID(check_zeros(rest.subspan(length, padding)));
    used = kWord + length + padding;
    return rest.first(length);
}

}  // namespace decloud::contracts::abi
