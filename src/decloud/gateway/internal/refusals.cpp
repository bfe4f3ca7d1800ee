#include "refusals.hpp"

#include <decloud/net/error.hpp>
#include <decloud/registry/error.hpp>

#include <fmt/format.h>

#include <string>
#include <utility>

namespace decloud::gateway::internal {

namespace {

using net::NetError;
using protocol::Problem;
using protocol::Status;
using registry::RegistryError;

constexpr std::string_view kRetrySeconds = "2";

Problem problem(int status, Status word, std::string detail, std::string help = {}) {
    return protocol::refuse(status, word, std::move(detail), std::move(help)).error();
}

Problem retry_later(std::string detail) {
    Problem out = problem(503, Status::server_error, std::move(detail));
    out.headers.emplace_back("Retry-After", kRetrySeconds);
    return out;
}

std::string_view what_failed(const Error& error) {
    if (error == make_error_code(NetError::name_not_found)) {
        return "its host name has no address";
    }
    if (error == make_error_code(NetError::connect_failed)) {
        return "it accepts no connection";
    }
    if (error == make_error_code(NetError::tls_failed)) {
        return "no secure connection to it could be made";
    }
    if (error == make_error_code(NetError::address_forbidden)) {
        return "its URL in the registry leads to an address that this gateway does not dial";
    }
    if (error == make_error_code(NetError::malformed_message)) {
        return "its answer is not proper HTTP";
    }
    return "it closed the connection without an answer";
}

}  // namespace

Problem source_problem(const identity::ProviderName& name, const Error& error) {
    if (error == make_error_code(RegistryError::unknown_provider)) {
        return problem(
            404, Status::bad_request, fmt::format("no provider is registered as {}", name.full()));
    }
    if (error == make_error_code(RegistryError::unusable_record)) {
        return problem(502, Status::server_error,
            fmt::format("the registry's record of a provider cannot be used: {}", error.detail()),
            "the provider has to correct it: decloud provider register");
    }
    return retry_later(fmt::format(
        "{} is not known here yet, and the registry cannot be asked at the moment", name.full()));
}

Problem provider_problem(const identity::ProviderName& name, const Error& error) {
    if (error == make_error_code(CommonError::timeout)) {
        return problem(
            504, Status::server_error, fmt::format("{} did not answer in time", name.full()));
    }
    return problem(502, Status::server_error,
        fmt::format("{} cannot be reached: {}", name.full(), what_failed(error)));
}

Problem body_problem(const Error& error) {
    if (error == make_error_code(CommonError::limit_exceeded)) {
        return problem(413, Status::bad_request, "the body is larger than this gateway passes on");
    }
    if (error == make_error_code(CommonError::timeout)) {
        return problem(408, Status::bad_request, "the body did not arrive in time");
    }
    return problem(400, Status::bad_request, "the body is malformed");
}

Problem not_ready_problem(const Error& reason) {
    return retry_later(fmt::format("not ready: {}", reason.detail()));
}

Problem choice_problem(const Error& error) { return retry_later(error.detail()); }

Problem busy_problem() { return retry_later("this gateway has as many requests as it can take"); }

Problem loop_problem() {
    return problem(508, Status::server_error,
        "the request came back to this gateway: the provider's URL leads here");
}

}  // namespace decloud::gateway::internal
