#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/url.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace decloud::services {

/// One method of a `service.toml`. Amounts are in the smallest unit of the node's own asset.
struct DeclaredMethod {
    std::string name;
    std::string summary{};
    /// What each argument is; the first `required` of them are needed.
    std::vector<std::string> arguments{};
    std::size_t required = 0;
    /// Media types.
    std::string request = "application/octet-stream";
    std::string response = "application/octet-stream";
    Amount price{};
    /// By "call" or "request-kib", the units that the node counts.
    std::map<std::string, Amount, std::less<>> per_unit{};
    /// Which of the two its work is measured by.
    std::string unit = "call";
};

/// A service that somebody has added without C++: a deployment, or an HTTP server that the operator
/// runs, answers its methods.
struct ServiceFile {
    std::string name;
    std::string version = "1";
    std::string summary{};
    std::variant<multiformats::Cid, net::Url> backend{net::Url{}};
    std::map<std::string, std::string, std::less<>> units{};
    std::vector<DeclaredMethod> methods{};
};

/// Strict: unknown keys, wrong types and impossible values are refused, with the line. `source` is
/// what errors call the file. `provider` is this node's full name: a service that is none of the
/// standard ones is called `word.{its name, short or full}`. Error: invalid_input.
[[nodiscard]] Result<ServiceFile> parse_service_file(
    std::string_view text, std::string_view source, std::string_view provider);

/// As `parse_service_file`, of a file that is still without `deployment` or `url`, as in a folder
/// whose function is deployed when the service is added.
[[nodiscard]] Result<ServiceFile> parse_service_draft(
    std::string_view text, std::string_view source, std::string_view provider);

/// True for the bare words that a `service.toml` may take: standard services that are not the
/// node's own.
[[nodiscard]] bool is_standard_service(std::string_view name);

}  // namespace decloud::services
