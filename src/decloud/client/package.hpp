#pragma once

#include "project.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace decloud::client {

/// A file of a package.
struct PackageFile {
    /// With `/`, relative, no `.` or `..`.
    std::string path;
    Bytes content;
    bool executable = false;
};

/// A zip of these files, the same bytes for the same input on any machine: sorted by path, fixed
/// times and modes, stored (a compressor's output would differ between its versions). Error:
/// invalid_input for a path that is used twice or cannot be.
[[nodiscard]] Result<Bytes> make_zip(std::vector<PackageFile> files);

/// Runs the project's build command, if it has one; what it prints goes to standard error. One
/// build at a time in a folder. Blocks. Error: ClientError::command.
[[nodiscard]] Result<void> run_build(const Project& project);

/// The files that the project includes. Symbolic links that leave the root are refused. Errors:
/// not_found for an include that matches nothing; limit_exceeded over 256 MiB.
[[nodiscard]] Result<std::vector<PackageFile>> collect_files(const Project& project);

/// What runs a file that begins so: "wasm" for a WebAssembly module, "native" for an ELF program or
/// a script, "oci" for a tar, gzip or zstd file. Error: invalid_input for anything else.
[[nodiscard]] Result<std::string_view> recognise_runtime(BytesView start);

/// Sets a runtime of "auto" to what the entry, which has been built, is recognised as. Errors:
/// ClientError::usage if it is nothing that runs, or a WASI module that asks for egress; those of
/// reading it.
[[nodiscard]] Result<void> settle_runtime(Project& project);

/// `run_build`, `collect_files`, `make_zip`.
[[nodiscard]] Result<Bytes> build_package(const Project& project);

}  // namespace decloud::client
