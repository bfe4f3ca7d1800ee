#include "varint.hpp"

namespace decloud::multiformats {

std::size_t varint_size(std::uint64_t value) {
    std::size_t size = 1;
    while (value >= 0x80) {
        value >>= 7U;
        ++size;
    }
    return size;
}

void append_varint(Bytes& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(value | 0x80U));
        value >>= 7U;
    }
    out.push_back(static_cast<std::uint8_t>(value));
}

Result<DecodedVarint> read_varint(BytesView input) {
    constexpr std::size_t kMaxSize = 10;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < input.size() && i < kMaxSize; ++i) {
        const std::uint64_t bits = input[i] & 0x7fU;
        if (i == kMaxSize - 1 && input[i] > 1) {
            return fail(CommonError::invalid_input, "a varint above 64 bits");
        }
        value |= bits << (7 * i);
        if (input[i] < 0x80) {
            if (i > 0 && input[i] == 0) {
                return fail(CommonError::invalid_input, "a varint longer than needed");
            }
            return DecodedVarint{.value = value, .size = i + 1};
        }
    }
    return fail(CommonError::unavailable, "the input ends inside a varint");
}

}  // namespace decloud::multiformats
