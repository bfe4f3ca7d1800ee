#include "error.hpp"

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

}  // namespace decloud
