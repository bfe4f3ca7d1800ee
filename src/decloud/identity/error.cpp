#include "error.hpp"

#include <string>

namespace decloud {

namespace {

class IdentityCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.identity"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<IdentityError>(value)) {
            case IdentityError::bad_signature:
                return "bad signature";
            case IdentityError::expired:
                return "expired";
            case IdentityError::not_yet_valid:
                return "not yet valid";
            case IdentityError::wrong_delegation:
                return "wrong delegation";
            case IdentityError::revoked:
                return "revoked";
            case IdentityError::not_a_recipient:
                return "not encrypted for this key";
            case IdentityError::invalid_name:
                return "invalid name";
            case IdentityError::reserved_name:
                return "reserved name";
            case IdentityError::unsafe_permissions:
                return "unsafe permissions";
            case IdentityError::newer_version:
                return "written by a newer decloud";
            case IdentityError::passphrase_required:
                return "a passphrase is needed";
            case IdentityError::wrong_passphrase:
                return "wrong passphrase";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(IdentityError code) {
    static const IdentityCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud
