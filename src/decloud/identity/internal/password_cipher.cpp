#include "password_cipher.hpp"

#include <botan/scrypt.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

namespace decloud::identity::internal {

namespace {

constexpr std::size_t kDerivedBytes = 32;

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

bool fits(std::size_t size) {
    return size <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

// For calls that fail only for lack of memory or by misuse.
void require(bool succeeded) {
    if (!succeeded) {
        ERR_print_errors_fp(stderr);
        std::abort();
    }
}

// RFC 7914 wants n below 2^(16 r), and OpenSSL insists on it. The definition's own test vector and
// early Ethereum clients take n = 2^18 with r = 1 all the same.
bool is_outside_rfc(std::uint64_t n, std::uint32_t r) { return r < 4 && n >= 1ULL << (16 * r); }

Result<crypto::Secret> scrypt_outside_rfc(
    BytesView passphrase, BytesView salt, std::uint64_t n, std::uint32_t r, std::uint32_t p) {
    crypto::Secret out(kDerivedBytes);
    try {
        Botan::scrypt(out.writable().data(), out.size(),
            reinterpret_cast<const char*>(passphrase.data()), passphrase.size(), salt.data(),
            salt.size(), n, r, p);
    } catch (const std::bad_alloc&) {
        return fail(CommonError::unavailable, "there is not enough memory for scrypt");
    }
    return out;
}

}  // namespace

Result<crypto::Secret> scrypt(BytesView passphrase,
    BytesView salt,
    std::uint64_t n,
    std::uint32_t r,
    std::uint32_t p,
    std::uint64_t max_memory) {
    if (is_outside_rfc(n, r)) {
        return scrypt_outside_rfc(passphrase, salt, n, r, p);
    }
    crypto::Secret out(kDerivedBytes);
    if (EVP_PBE_scrypt(reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
            salt.data(), salt.size(), n, r, p, max_memory, out.writable().data(),
            out.size()) != 1) {
        ERR_clear_error();
        return fail(CommonError::unavailable, "there is not enough memory for scrypt");
    }
    return out;
}

Result<crypto::Secret> pbkdf2_sha256(
    BytesView passphrase, BytesView salt, std::uint64_t iterations) {
    if (!fits(passphrase.size()) || !fits(salt.size()) || !fits(iterations)) {
        return fail(CommonError::invalid_input, "too long for PBKDF2");
    }
    crypto::Secret out(kDerivedBytes);
    require(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(passphrase.data()),
                static_cast<int>(passphrase.size()), salt.data(), static_cast<int>(salt.size()),
                static_cast<int>(iterations), EVP_sha256(), static_cast<int>(out.size()),
                out.writable().data()) == 1);
    return out;
}

void aes128_ctr(BytesView key,
    const std::array<std::uint8_t, 16>& vector,
    BytesView input,
    std::span<std::uint8_t> output) {
    require(key.size() == 16 && output.size() == input.size() && fits(input.size()));
    const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
    int length = 0;
    require(context != nullptr &&
            EVP_EncryptInit_ex2(
                context.get(), EVP_aes_128_ctr(), key.data(), vector.data(), nullptr) == 1 &&
            EVP_EncryptUpdate(context.get(), output.data(), &length, input.data(),
                static_cast<int>(input.size())) == 1);
}

}  // namespace decloud::identity::internal
