#pragma once

#include <decloud/base/bytes.hpp>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>

namespace decloud::crypto::internal {

/// Frees an OpenSSL object by its own function.
template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

using EvpKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using EvpKeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using EvpDigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using EvpCipherContext = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Deleter<BN_clear_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

/// For calls that fail only for lack of memory or by misuse: ends the program with OpenSSL's
/// reason.
void require(bool succeeded, const char* what);

/// Forgets what OpenSSL noted about an expected failure, so that nobody else finds it.
void forget_errors();

/// Never null.
[[nodiscard]] ParamBuilder make_param_builder();
/// A point of an EC key, in SEC 1 form, and the name of its curve.
void add_point(OSSL_PARAM_BLD* builder, const char* curve, BytesView point);
/// A public key of a type ("EC", "RSA") from its numbers; null if they make none.
[[nodiscard]] EvpKey public_key_from(const char* type, OSSL_PARAM_BLD* builder);

}  // namespace decloud::crypto::internal
