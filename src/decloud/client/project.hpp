#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/protocol/deployment.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// A function's `decloud.toml`.
struct Project {
    /// Where the file is.
    std::filesystem::path folder;
    protocol::FunctionManifest manifest;
    /// A shell command run in `folder` before packaging; empty: nothing to build.
    std::string build;
    /// The folder within `folder` whose files are packaged.
    std::filesystem::path root = ".";
    /// Paths, folders and globs within `root`; empty: the entry alone.
    std::vector<std::string> include;
    protocol::Variables environment;
    protocol::OwnerPays owner_pays;
    /// The most that one call may cost.
    Amount price{1000};
    /// Names; empty: named on the command line.
    std::vector<std::string> providers;
    /// The cid of terms that the owner accepts by signing.
    std::string terms;
    /// What this project's file says over the user's config; empty: nothing.
    std::string account;
};

/// A manifest's runtime that is still to be recognised from what the entry is.
inline constexpr std::string_view kAutomaticRuntime = "auto";

/// The file in a project's folder that describes it.
inline constexpr std::string_view kProjectFile = "decloud.toml";

/// Strict: unknown keys, wrong types and impossible values are refused, with the line. Error:
/// ClientError::usage.
[[nodiscard]] Result<Project> parse_project(
    std::string_view text, const std::filesystem::path& folder);
/// `folder`/decloud.toml. Error also: not_found.
[[nodiscard]] Result<Project> load_project(const std::filesystem::path& folder);

/// "500ms", "15s", "2m", "1h". Error: invalid_input.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "512", "64KiB", "10MiB", "1GiB". Error: invalid_input.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

/// What `create_project` can make: "c", "go", …
[[nodiscard]] std::vector<std::string> project_templates();
/// Writes a new project that builds and runs, with a test: `folder` must not exist or be empty.
/// `kind` is one of `project_templates`. Errors: already_exists, ClientError::usage.
[[nodiscard]] Result<void> create_project(
    const std::filesystem::path& folder, std::string_view name, std::string_view kind);

}  // namespace decloud::client
