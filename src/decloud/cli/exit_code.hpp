#pragma once

#include <decloud/base/result.hpp>

namespace decloud::cli {

/// What the program's status says; documented, so that scripts can rely on it.
enum class ExitCode : int {
    ok = 0,
    failure = 1,
    cancelled = 2,
    not_found = 3,
    not_authorised = 4,
    payment = 5,
    network = 6,
    usage = 64,
};

/// The code for an error that a verb ended with; failure for those that have none of their own.
[[nodiscard]] ExitCode exit_code(const Error& error);
/// Of a call's answer: 2xx and 3xx are ok.
[[nodiscard]] ExitCode exit_code_of_status(int http_status);

}  // namespace decloud::cli
