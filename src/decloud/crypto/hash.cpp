#include "hash.hpp"

#include "internal/openssl.hpp"

#include <botan/hash.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

namespace decloud::crypto {

namespace {

using internal::EvpDigestContext;
using internal::require;

// Fetched once: looking an algorithm up costs more than hashing a short message.
const EVP_MD* sha256_algorithm() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    require(algorithm != nullptr, "EVP_MD_fetch SHA256");
    return algorithm;
}

EvpDigestContext make_context() {
    EvpDigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "EVP_MD_CTX_new");
    return context;
}

void start(EVP_MD_CTX* context) {
    require(EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) == 1, "EVP_DigestInit_ex2");
}

Sha256Digest finish(EVP_MD_CTX* context) {
    Sha256Digest out;
    require(EVP_DigestFinal_ex(context, out.data(), nullptr) == 1, "EVP_DigestFinal_ex");
    return out;
}

using EvpMacContext = std::unique_ptr<EVP_MAC_CTX, internal::Deleter<EVP_MAC_CTX_free>>;

EvpMacContext make_hmac_context() {
    EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    require(algorithm != nullptr, "EVP_MAC_fetch HMAC");
    EvpMacContext context(EVP_MAC_CTX_new(algorithm));
    EVP_MAC_free(algorithm);
    require(context != nullptr, "EVP_MAC_CTX_new");
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    require(EVP_MAC_CTX_set_params(context.get(), params) == 1, "EVP_MAC_CTX_set_params");
    return context;
}

}  // namespace

Sha256Digest sha256(BytesView data) {
    thread_local const EvpDigestContext context = make_context();
    start(context.get());
    require(EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1, "EVP_DigestUpdate");
    return finish(context.get());
}

struct Sha256::Context {
    EvpDigestContext evp = make_context();
};

// The context is made with the first bytes: many are for bodies that turn out to be empty.
Sha256::Sha256() = default;
Sha256::Sha256(Sha256&& other) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(BytesView data) {
    if (!context_) {
        context_ = std::make_unique<Context>();
        start(context_->evp.get());
    }
    require(
        EVP_DigestUpdate(context_->evp.get(), data.data(), data.size()) == 1, "EVP_DigestUpdate");
}

Sha256Digest Sha256::finish() {
    if (!context_) {
        return sha256(BytesView());
    }
    const Sha256Digest out = crypto::finish(context_->evp.get());
    start(context_->evp.get());
    return out;
}

Bytes32 keccak256(BytesView data) {
    thread_local const std::unique_ptr<Botan::HashFunction> hash =
        Botan::HashFunction::create_or_throw("Keccak-1600(256)");
    hash->update(data.data(), data.size());
    Bytes32 out;
    hash->final(out.bytes.data());
    return out;
}

Sha256Digest hmac_sha256(BytesView key, BytesView data) {
    thread_local const EvpMacContext context = make_hmac_context();
    // A null key would mean "the one before".
    static constexpr std::uint8_t kEmpty = 0;
    const std::uint8_t* const start_of_key = key.empty() ? &kEmpty : key.data();
    require(EVP_MAC_init(context.get(), start_of_key, key.size(), nullptr) == 1, "EVP_MAC_init");
    require(EVP_MAC_update(context.get(), data.data(), data.size()) == 1, "EVP_MAC_update");
    Sha256Digest out;
    std::size_t length = 0;
    require(EVP_MAC_final(context.get(), out.data(), &length, out.size()) == 1, "EVP_MAC_final");
    return out;
}

}  // namespace decloud::crypto
