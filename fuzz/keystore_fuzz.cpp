#include <decloud/identity/keystore_v3.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

namespace decloud::identity {
namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

bool is_quick(const KeyDerivation& derivation) {
    if (const auto* const scrypt = std::get_if<ScryptParameters>(&derivation)) {
        return scrypt->n * scrypt->r * scrypt->p <= 1024;
    }
    return std::get<Pbkdf2Parameters>(derivation).iterations <= 1024;
}

}  // namespace

// What is accepted is within the limits, survives being written and read again, and can be opened.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto key = EncryptedKey::parse(text);
    if (!key) {
        return 0;
    }
    if (const auto* const scrypt = std::get_if<ScryptParameters>(&key->derivation())) {
        require(128 * scrypt->n * scrypt->r <= kMaxScryptMemory);
        require(scrypt->n * scrypt->r * scrypt->p <= kMaxScryptWork);
    }
    require(EncryptedKey::parse(json::to_text(key->to_json())) == *key);
    if (is_quick(key->derivation())) {
        (void)key->open(as_bytes(std::string_view("foo")));
    }
    return 0;
}

}  // namespace decloud::identity
