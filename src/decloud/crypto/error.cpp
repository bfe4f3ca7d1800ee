#include "error.hpp"

#include "internal/openssl.hpp"

#include <decloud/base/log.hpp>

#include <openssl/err.h>

#include <cstdlib>
#include <string>

namespace decloud {

namespace {

class CryptoCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.crypto"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<CryptoError>(value)) {
            case CryptoError::invalid_key:
                return "invalid key";
            case CryptoError::invalid_signature:
                return "invalid signature";
            case CryptoError::decryption_failed:
                return "decryption failed";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(CryptoError code) {
    static const CryptoCategory category;
    return {static_cast<int>(code), category};
}

namespace crypto::internal {

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

}  // namespace crypto::internal
}  // namespace decloud
