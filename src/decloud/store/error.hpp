#pragma once

#include <system_error>

namespace decloud {

/// What keeping state on disk can fail with, beyond CommonError (io, disk_full, not_found).
enum class StoreError {
    /// Bytes on disk are not what was written: the detail names the file and the offset.
    damaged = 1,
    /// Written by a newer decloud; the detail names the file and both versions.
    newer_format,
    /// Another process holds the home; the detail names its process id.
    in_use,
    /// The object was closed, or a failed sync made it refuse everything until it is opened again.
    closed,
    /// SQLite refused the statement; the detail is its text.
    database,
};

/// The code in the category "store".
std::error_code make_error_code(StoreError code);

}  // namespace decloud

/// Lets a StoreError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::StoreError> : std::true_type {};
