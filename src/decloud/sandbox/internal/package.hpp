#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace decloud::sandbox::internal {

struct PackageLimits {
    /// Of all files together, unpacked.
    std::uint64_t total_bytes = kGiB;
    std::uint32_t entries = 20'000;
    std::size_t path_bytes = 512;
    std::size_t path_depth = 32;
    /// Unpacked bytes for each byte of the zip file.
    std::uint64_t ratio = 1000;
};

struct PackageEntry {
    /// Relative, with forward slashes, no empty, "." or ".." part; valid UTF-8.
    std::string path;
    bool directory = false;
    bool executable = false;
};

/// What `read_package` calls. Each may stop it with an error.
struct PackageVisitor {
    /// Every entry, in the zip file's order. False: its content is checked but not handed over.
    std::function<Result<bool>(const PackageEntry&)> begin;
    std::function<Result<void>(BytesView)> data;
    std::function<Result<void>()> end;
};

/// Reads a zip file (stored or deflated). Refuses links, devices, encryption, paths that leave the
/// package or that differ in case only or not at all, files that are also folders, and what is over
/// the limits. Errors: invalid_input, limit_exceeded. Run it in a confined process only.
[[nodiscard]] Result<void> read_package(
    BytesView zip, const PackageLimits& limits, const PackageVisitor& visitor);

/// The one file `path`.
[[nodiscard]] Result<Bytes> read_package_file(
    BytesView zip, const PackageLimits& limits, const std::string& path);

/// True for a path that `read_package` would let through.
[[nodiscard]] bool is_package_path(std::string_view path, const PackageLimits& limits);

}  // namespace decloud::sandbox::internal
