#include "openssl.hpp"

#include <decloud/base/log.hpp>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <cstdlib>

namespace decloud::crypto::internal {

void require(bool succeeded, const char* what) {
    if (succeeded) {
        return;
    }
    char reason[256] = "no reason given";
    if (const unsigned long code = ERR_peek_last_error(); code != 0) {
        ERR_error_string_n(code, reason, sizeof reason);
    }
    log::error("crypto", "{}: {}", what, reason);
    std::abort();
}

void forget_errors() { ERR_clear_error(); }

ParamBuilder make_param_builder() {
    ParamBuilder builder(OSSL_PARAM_BLD_new());
    require(builder != nullptr, "OSSL_PARAM_BLD_new");
    return builder;
}

void add_point(OSSL_PARAM_BLD* builder, const char* curve, BytesView point) {
    require(OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(
                    builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1,
        "OSSL_PARAM_BLD_push");
}

EvpKey public_key_from(const char* type, OSSL_PARAM_BLD* builder) {
    const Params params(OSSL_PARAM_BLD_to_param(builder));
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    require(
        params && context && EVP_PKEY_fromdata_init(context.get()) == 1, "EVP_PKEY_fromdata_init");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        forget_errors();
        return nullptr;
    }
    return EvpKey(key);
}

}  // namespace decloud::crypto::internal
