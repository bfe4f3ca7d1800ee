#include "result.hpp"

#include <cerrno>
#include <cstring>

namespace decloud {

namespace {

class CommonCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<CommonError>(value)) {
            case CommonError::invalid_input:
                return "invalid input";
            case CommonError::limit_exceeded:
                return "limit exceeded";
            case CommonError::not_found:
                return "not found";
            case CommonError::already_exists:
                return "already exists";
            case CommonError::timeout:
                return "timed out";
            case CommonError::cancelled:
                return "cancelled";
            case CommonError::corrupt:
                return "corrupt data";
            case CommonError::permission_denied:
                return "permission denied";
            case CommonError::unavailable:
                return "unavailable";
            case CommonError::io:
                return "input/output error";
            case CommonError::disk_full:
                return "disk full";
            case CommonError::conflict:
                return "conflict";
            case CommonError::internal:
                return "internal error";
        }
        return "unknown error";
    }
};

}  // namespace

std::error_code make_error_code(CommonError code) {
    static const CommonCategory category;
    return {static_cast<int>(code), category};
}

std::string Error::message() const {
    if (detail_.empty()) {
        return code_.message();
    }
    return code_.message() + ": " + detail_;
}

Error Error::within(std::string_view context) const {
    std::string detail(context);
    if (!detail_.empty()) {
        detail += ": ";
        detail += detail_;
    }
    return {code_, std::move(detail)};
}

Error errno_error(std::string_view what) { return errno_error(what, errno); }

Error errno_error(std::string_view what, int number) {
    CommonError code = CommonError::io;
    switch (number) {
        case ENOSPC:
        case EDQUOT:
            code = CommonError::disk_full;
            break;
        case ENOENT:
            code = CommonError::not_found;
            break;
        case EACCES:
        case EPERM:
            code = CommonError::permission_denied;
            break;
        case EEXIST:
            code = CommonError::already_exists;
            break;
        default:
            break;
    }
    return {make_error_code(code),
        std::string(what) + ": " + std::error_code(number, std::generic_category()).message()};
}

}  // namespace decloud
