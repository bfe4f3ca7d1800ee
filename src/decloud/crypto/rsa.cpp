#include "rsa.hpp"

#include "hash.hpp"
#include "internal/openssl.hpp"

#include <decloud/base/encoding.hpp>

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace decloud::crypto {

using internal::BigNumber;
using internal::EvpKey;
using internal::EvpKeyContext;
using internal::require;

namespace {

constexpr int kMinBits = 2048;
constexpr int kMaxBits = 8192;
constexpr std::size_t kMaxPemSize = 64 * 1024;
constexpr std::size_t kMaxJwkSize = 8 * 1024;

Bytes to_big_endian(const BIGNUM* number) {
    Bytes out(static_cast<std::size_t>(BN_num_bytes(number)));
    BN_bn2bin(number, out.data());
    return out;
}

Result<Bytes> integer_member(const json::Object& jwk, std::string_view name) {
    TRY(const std::string text, json::string_member(jwk, name));
    TRY(Bytes bytes, from_base64url(text));
    if (bytes.empty() || bytes[0] == 0) {
        return fail(CryptoError::invalid_key, std::string(name) + " has leading zeros or is empty");
    }
    return bytes;
}

EvpKey public_from_numbers(BytesView modulus, BytesView exponent) {
    const BigNumber n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const BigNumber e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
    const internal::ParamBuilder builder = internal::make_param_builder();
    require(n && e && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
                OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1,
        "OSSL_PARAM_BLD_push_BN");
    return internal::public_key_from("RSA", builder.get());
}

void use_oaep_sha256(EVP_PKEY_CTX* context) {
    require(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1,
        "EVP_PKEY_CTX_set_rsa_padding");
}

// Never asks a terminal for a password.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

struct RsaPublicKey::Data {
    EvpKey key;
    Bytes modulus;
    Bytes exponent;
    Bytes32 thumbprint;
};

namespace {

json::Object jwk_of(BytesView modulus, BytesView exponent) {
    json::Object out;
    out["e"] = to_base64url(exponent);
    out["kty"] = "RSA";
    out["n"] = to_base64url(modulus);
    return out;
}

Bytes32 thumbprint_of(BytesView modulus, BytesView exponent) {
    const std::string canonical = "{\"e\":\"" + to_base64url(exponent) +
                                  "\",\"kty\":\"RSA\",\"n\":\"" + to_base64url(modulus) + "\"}";
    return Bytes32{sha256(canonical)};
}

}  // namespace

Result<RsaPublicKey> RsaPublicKey::from_jwk(const json::Object& jwk) {
    const auto type = json::string_member(jwk, "kty");
    auto modulus = integer_member(jwk, "n");
    auto exponent = integer_member(jwk, "e");
    if (!type || *type != "RSA" || !modulus || !exponent) {
        return fail(CryptoError::invalid_key, "a JWK needs kty RSA, n and e");
    }
    if (modulus->size() < kMinBits / 8 || modulus->size() > kMaxBits / 8 ||
        (modulus->back() & 1U) == 0) {
        return fail(CryptoError::invalid_key, "an RSA modulus is odd and has 2048 to 8192 bits");
    }
    // RFC 8017 wants e ≥ 3; four bytes hold every exponent in use and keep encryption quick.
    if (exponent->size() > 4 || (exponent->back() & 1U) == 0 || *exponent == Bytes{1}) {
        return fail(CryptoError::invalid_key, "an RSA exponent is odd, above 1 and below 2^32");
    }
    EvpKey key = public_from_numbers(*modulus, *exponent);
    if (!key || EVP_PKEY_get_bits(key.get()) < kMinBits) {
        return fail(CryptoError::invalid_key, "not an RSA key of 2048 bits or more");
    }
    const Bytes32 thumbprint = thumbprint_of(*modulus, *exponent);
    return RsaPublicKey(std::make_shared<const Data>(
        std::move(key), std::move(*modulus), std::move(*exponent), thumbprint));
}

Result<RsaPublicKey> RsaPublicKey::from_jwk(std::string_view jwk) {
    TRY(const json::Value value, json::parse(jwk, {.max_bytes = kMaxJwkSize, .max_depth = 4}));
    if (!value.is_object()) {
        return fail(CryptoError::invalid_key, "a JWK is a JSON object");
    }
    return from_jwk(value.get_object());
}

json::Object RsaPublicKey::to_jwk() const { return jwk_of(data_->modulus, data_->exponent); }

const Bytes32& RsaPublicKey::thumbprint() const { return data_->thumbprint; }

std::string RsaPublicKey::key_id() const { return to_base64url(data_->thumbprint.view()); }

Result<Bytes> RsaPublicKey::encrypt_oaep_sha256(BytesView plaintext) const {
    if (plaintext.size() + 2 * 32 + 2 > data_->modulus.size()) {
        return fail(CommonError::invalid_input, "too long for RSA-OAEP");
    }
    const EvpKeyContext context(EVP_PKEY_CTX_new(data_->key.get(), nullptr));
    require(context && EVP_PKEY_encrypt_init(context.get()) == 1, "EVP_PKEY_encrypt_init");
    use_oaep_sha256(context.get());
    Bytes out(data_->modulus.size());
    std::size_t length = out.size();
    require(EVP_PKEY_encrypt(
                context.get(), out.data(), &length, plaintext.data(), plaintext.size()) == 1,
        "EVP_PKEY_encrypt");
    out.resize(length);
    return out;
}

struct RsaPrivateKey::Data {
    EvpKey key;
};

RsaPrivateKey::RsaPrivateKey(std::unique_ptr<Data> data, RsaPublicKey public_key)
    : data_(std::move(data)), public_key_(std::move(public_key)) {}
RsaPrivateKey::RsaPrivateKey(RsaPrivateKey&&) noexcept = default;
RsaPrivateKey& RsaPrivateKey::operator=(RsaPrivateKey&&) noexcept = default;
RsaPrivateKey::~RsaPrivateKey() = default;

namespace {

json::Object jwk_of(EVP_PKEY* key) {
    BIGNUM* n = nullptr;
    BIGNUM* e = nullptr;
    require(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1, "RSA modulus");
    const BigNumber modulus(n);
    require(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1, "RSA exponent");
    const BigNumber exponent(e);
    return jwk_of(to_big_endian(n), to_big_endian(e));
}

}  // namespace

RsaPrivateKey RsaPrivateKey::generate(std::size_t bits) {
    EvpKey key(EVP_RSA_gen(static_cast<unsigned int>(bits)));
    require(key != nullptr, "EVP_RSA_gen");
    auto public_key = RsaPublicKey::from_jwk(jwk_of(key.get()));
    require(public_key.has_value(), "the generated RSA key");
    return {std::make_unique<Data>(std::move(key)), std::move(*public_key)};
}

Result<RsaPrivateKey> RsaPrivateKey::from_pem(BytesView pem) {
    if (pem.empty() || pem.size() > kMaxPemSize) {
        return fail(CryptoError::invalid_key, "the PEM text is empty or too long");
    }
    const internal::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    require(bio != nullptr, "BIO_new_mem_buf");
    EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
    if (!key || EVP_PKEY_is_a(key.get(), "RSA") != 1) {
        internal::forget_errors();
        return fail(CryptoError::invalid_key, "not an unencrypted RSA private key in PEM");
    }
    const EvpKeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
    if (EVP_PKEY_pairwise_check(context.get()) != 1) {
        internal::forget_errors();
        return fail(CryptoError::invalid_key, "the private and public parts do not fit");
    }
    TRY(RsaPublicKey public_key, RsaPublicKey::from_jwk(jwk_of(key.get())));
    return RsaPrivateKey(std::make_unique<Data>(std::move(key)), std::move(public_key));
}

Secret RsaPrivateKey::to_pem() const {
    const internal::Bio bio(BIO_new(BIO_s_secmem()));
    require(bio && PEM_write_bio_PKCS8PrivateKey(
                       bio.get(), data_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "PEM_write_bio_PKCS8PrivateKey");
    const unsigned char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    require(length > 0, "BIO_get_mem_data");
    return Secret(BytesView(text, static_cast<std::size_t>(length)));
}

Result<Secret> RsaPrivateKey::decrypt_oaep_sha256(BytesView ciphertext) const {
    const EvpKeyContext context(EVP_PKEY_CTX_new(data_->key.get(), nullptr));
    require(context && EVP_PKEY_decrypt_init(context.get()) == 1, "EVP_PKEY_decrypt_init");
    use_oaep_sha256(context.get());
    Secret buffer(static_cast<std::size_t>(EVP_PKEY_get_size(data_->key.get())));
    std::size_t length = buffer.size();
    if (EVP_PKEY_decrypt(context.get(), buffer.writable().data(), &length, ciphertext.data(),
            ciphertext.size()) != 1) {
        internal::forget_errors();
        return fail(CryptoError::decryption_failed);
    }
    return Secret(buffer.view().first(length));
}

}  // namespace decloud::crypto
