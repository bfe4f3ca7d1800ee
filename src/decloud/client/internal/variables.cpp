#include "variables.hpp"

#include "../error.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace decloud::client::internal {

namespace {

constexpr std::size_t kMaxValueBytes = 65'536;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

/// The CGI convention's own variables.
bool is_set_by_the_provider(std::string_view name) {
    static constexpr std::array<std::string_view, 14> kNames{"CONTENT_LENGTH", "CONTENT_TYPE",
        "GATEWAY_INTERFACE", "HTTPS", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REQUEST_METHOD",
        "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
        "SERVER_SOFTWARE"};
    return name.starts_with("HTTP_") || name.starts_with("DECLOUD_") ||
           std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace

Result<void> check_function_name(std::string_view name) {
    const bool good = !name.empty() && name.size() <= 64 && name[0] != '-' &&
                      std::ranges::all_of(name, [](char c) {
                          return is_lower(c) || is_digit(c) || c == '-' || c == '_';
                      });
    if (!good) {
        return fail(ClientError::usage, "\"" + std::string(name) +
                                            "\" cannot be a function's name: 1 to 64 of a-z, 0-9, "
                                            "- and _, not starting with -");
    }
    return {};
}

Result<void> check_variable(std::string_view name, std::string_view value) {
    const bool good = !name.empty() && name.size() <= 128 && !is_digit(name[0]) &&
                      std::ranges::all_of(name, [](char c) {
                          return is_lower(c) || is_upper(c) || is_digit(c) || c == '_';
                      });
    if (!good) {
        return fail(ClientError::usage,
            "\"" + std::string(name) + "\" cannot be the name of an environment variable");
    }
    if (is_set_by_the_provider(name)) {
        return fail(ClientError::usage,
            "the provider sets " + std::string(name) + " for each call: choose another name");
    }
    if (value.size() > kMaxValueBytes || value.find('\0') != std::string_view::npos ||
        !is_utf8(as_bytes(value))) {
        return fail(ClientError::usage,
            "the value of " + std::string(name) + " must be text of at most 64 KiB without NUL");
    }
    return {};
}

}  // namespace decloud::client::internal
