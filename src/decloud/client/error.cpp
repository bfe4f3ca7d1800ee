#include "error.hpp"

#include <string>

namespace decloud {

namespace {

class Category final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.client"; }
    [[nodiscard]] std::string message(int code) const override {
        switch (static_cast<ClientError>(code)) {
            case ClientError::usage:
                return "this cannot be done as asked";
            case ClientError::not_found:
                return "not found";
            case ClientError::not_authorised:
                return "not authorised";
            case ClientError::payment:
                return "payment or limit";
            case ClientError::gone:
                return "ended by its owner";
            case ClientError::remote:
                return "the other side failed";
            case ClientError::command:
                return "a command failed";
            case ClientError::port_in_use:
                return "port in use";
        }
        return "unknown client error";
    }
};

}  // namespace

std::error_code make_error_code(ClientError code) {
    static const Category category;
    return {static_cast<int>(code), category};
}

std::unexpected<Error> fail_with_help(
    ClientError code, const std::string& detail, std::string_view help) {
    return fail(code, detail + "\nhelp: " + std::string(help));
}

}  // namespace decloud
