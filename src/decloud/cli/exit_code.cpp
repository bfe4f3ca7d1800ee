#include "exit_code.hpp"

#include <decloud/chain/error.hpp>
#include <decloud/client/error.hpp>
#include <decloud/identity/error.hpp>
#include <decloud/net/error.hpp>
#include <decloud/registry/error.hpp>

#include <array>
#include <utility>

namespace decloud::cli {

namespace {

ExitCode of(ClientError code) {
    switch (code) {
        case ClientError::usage:
            return ExitCode::usage;
        case ClientError::not_found:
        case ClientError::gone:
            return ExitCode::not_found;
        case ClientError::not_authorised:
            return ExitCode::not_authorised;
        case ClientError::payment:
            return ExitCode::payment;
        default:
            return ExitCode::failure;
    }
}

ExitCode of(CommonError code) {
    switch (code) {
        case CommonError::not_found:
            return ExitCode::not_found;
        case CommonError::invalid_input:
            return ExitCode::usage;
        case CommonError::permission_denied:
            return ExitCode::not_authorised;
        case CommonError::limit_exceeded:
            return ExitCode::payment;
        case CommonError::timeout:
        case CommonError::unavailable:
            return ExitCode::network;
        case CommonError::cancelled:
            return ExitCode::cancelled;
        default:
            return ExitCode::failure;
    }
}

ExitCode of(ChainError code) {
    switch (code) {
        case ChainError::unreachable:
        case ChainError::timeout:
        case ChainError::not_ready:
            return ExitCode::network;
        case ChainError::reverted:
        case ChainError::insufficient_funds:
            return ExitCode::payment;
        case ChainError::not_found:
            return ExitCode::not_found;
        default:
            return ExitCode::failure;
    }
}

ExitCode of(IdentityError code) {
    switch (code) {
        case IdentityError::invalid_name:
        case IdentityError::reserved_name:
            return ExitCode::usage;
        case IdentityError::newer_version:
            return ExitCode::failure;
        default:
            return ExitCode::not_authorised;
    }
}

ExitCode of(net::NetError code) {
    return code == net::NetError::address_in_use ? ExitCode::failure : ExitCode::network;
}

ExitCode of(registry::RegistryError code) {
    return code == registry::RegistryError::unknown_provider ? ExitCode::not_found
                                                             : ExitCode::network;
}

template <class Enum>
bool belongs(const Error& error) {
    return error.code().category() == make_error_code(Enum{}).category();
}

template <class Enum>
ExitCode convert(const Error& error) {
    return of(static_cast<Enum>(error.code().value()));
}

}  // namespace

ExitCode exit_code(const Error& error) {
    if (belongs<ClientError>(error)) {
        return convert<ClientError>(error);
    }
    if (belongs<CommonError>(error)) {
        return convert<CommonError>(error);
    }
    if (belongs<ChainError>(error)) {
        return convert<ChainError>(error);
    }
    if (belongs<IdentityError>(error)) {
        return convert<IdentityError>(error);
    }
    if (belongs<net::NetError>(error)) {
        return convert<net::NetError>(error);
    }
    if (belongs<registry::RegistryError>(error)) {
        return convert<registry::RegistryError>(error);
    }
    return ExitCode::failure;
}

ExitCode exit_code_of_status(int http_status) {
    static constexpr std::array<std::pair<int, ExitCode>, 9> kStatuses{{
        {401, ExitCode::not_authorised},
        {403, ExitCode::not_authorised},
        {404, ExitCode::not_found},
        {410, ExitCode::not_found},
        {402, ExitCode::payment},
        {413, ExitCode::payment},
        {429, ExitCode::payment},
        {502, ExitCode::failure},
        {504, ExitCode::network},
    }};
    if (http_status < 400) {
        return ExitCode::ok;
    }
    for (const auto& [status, code] : kStatuses) {
        if (status == http_status) {
            return code;
        }
    }
    return ExitCode::failure;
}

}  // namespace decloud::cli
