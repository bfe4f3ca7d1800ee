#include "error.hpp"

#include <string>

namespace decloud::net {

namespace {

class NetCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "decloud.net"; }

    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<NetError>(value)) {
            case NetError::address_in_use:
                return "address in use";
            case NetError::name_not_found:
                return "host name not found";
            case NetError::connect_failed:
                return "cannot connect";
            case NetError::address_forbidden:
                return "address not allowed";
            case NetError::tls_failed:
                return "TLS failed";
            case NetError::connection_closed:
                return "connection closed";
            case NetError::malformed_message:
                return "malformed HTTP message";
            case NetError::body_source_failed:
                return "the request's body failed";
            case NetError::wrong_state:
                return "call in a wrong state";
        }
        return "unknown network error";
    }
};

}  // namespace

std::error_code make_error_code(NetError code) {
    static const NetCategory category;
    return {static_cast<int>(code), category};
}

}  // namespace decloud::net
