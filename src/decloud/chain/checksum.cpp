#include "checksum.hpp"

#include <decloud/crypto/hash.hpp>

namespace decloud::chain {

std::string checksummed(const Address& address) {
    std::string text = to_string(address);
    const Bytes32 hash = crypto::keccak256(as_bytes(std::string_view(text).substr(2)));
    for (std::size_t i = 0; i < 2 * Address::kSize; ++i) {
        const unsigned nibble =
            i % 2 == 0 ? hash.bytes.at(i / 2) >> 4U : hash.bytes.at(i / 2) & 15U;
        char& digit = text[i + 2];
        if (nibble >= 8 && digit >= 'a') {
            digit = static_cast<char>(digit - 'a' + 'A');
        }
    }
    return text;
}

}  // namespace decloud::chain
