#include "wide_hash.hpp"

#include <botan/hash.h>

namespace decloud::crypto {

namespace {

Bytes digest(const char* algorithm, BytesView data) {
    const auto hash = Botan::HashFunction::create_or_throw(algorithm);
    hash->update(data.data(), data.size());
    Bytes out(hash->output_length());
    hash->final(out.data());
    return out;
}

}  // namespace

Bytes sha512(BytesView data) { return digest("SHA-512", data); }
Bytes blake2b_256(BytesView data) { return digest("BLAKE2b(256)", data); }

}  // namespace decloud::crypto
