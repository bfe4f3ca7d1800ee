#pragma once

#include "archive_reader.hpp"

#include <decloud/base/units.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::sandbox::oci {

/// How much an image may be.
struct ImageLimits {
    /// Of all files of all layers, also of those that a later layer removes.
    std::uint64_t total_bytes = kGiB;
    std::uint32_t entries = 200'000;
    std::size_t layers = 128;
    std::size_t path_bytes = 1024;
    std::size_t path_depth = 64;
};

/// What an image's configuration says about how it is run.
struct ImageConfig {
    /// Entrypoint and Cmd together; never empty.
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    std::string folder = "/";
    /// As it stands there: "", "1000", "1000:1000", "name", "name:group".
    std::string user;
    friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

/// What a command and its folder may have together: they go into one message to the launcher.
inline constexpr std::size_t kMaximumCommand = 48 * kKiB;
/// Error: invalid_input if command and folder are longer than that.
[[nodiscard]] Result<void> check_command(const ImageConfig& config);

/// An OCI image configuration, which `docker save` has in the same form. Errors: invalid_input.
[[nodiscard]] Result<ImageConfig> parse_image_config(std::string_view text);

/// Which files of an image make it up.
struct ImageParts {
    std::string config;
    /// The lowest first.
    std::vector<std::string> layers;
};

/// The small files of an image by path, and its symbolic links.
struct ImageIndex {
    std::map<std::string, std::string, std::less<>> files;
    std::map<std::string, std::string, std::less<>> links;
};

/// From `manifest.json` (docker save) or `index.json` (OCI image layout; of several platforms the
/// one of this machine). Errors: invalid_input.
[[nodiscard]] Result<ImageParts> find_image_parts(
    const ImageIndex& index, const ImageLimits& limits);

/// An image as it is stored: a tar file of an OCI image layout or of `docker save`, alone or as
/// the file `entry` of a zip file.
class ImageArchive {
  public:
    /// An empty `entry`: `bytes` is the tar file itself. `bytes` outlives it.
    ImageArchive(BytesView bytes, std::string entry) : bytes_(bytes), entry_(std::move(entry)) {}

    /// What it has, without what is large.
    [[nodiscard]] Result<ImageIndex> index() const;
    using Read = std::function<Result<void>(ByteSource&)>;
    /// Hands the content of the file `path` to `read`. Errors: its own; invalid_input if there is
    /// no such file.
    [[nodiscard]] Result<void> read_file(const std::string& path, const Read& read) const;

  private:
    using Visit = std::function<Result<bool>(const TarEntry&, ByteSource&)>;
    /// Until `visit` gives false.
    [[nodiscard]] Result<void> scan(const Visit& visit) const;
    [[nodiscard]] Result<void> scan_tar(ByteSource& source, const Visit& visit) const;

    BytesView bytes_;
    std::string entry_;
};

/// The parts of a path within an image: without "." and empty ones. Error: invalid_input with "..",
/// with NUL, or beyond the limits.
[[nodiscard]] Result<std::vector<std::string>> split_image_path(
    std::string_view path, const ImageLimits& limits);

/// Numbers of a user and a group.
struct ImageUser {
    std::uint32_t user = 0;
    std::uint32_t group = 0;
    friend bool operator==(const ImageUser&, const ImageUser&) = default;
};
/// Looks names up in the image's own /etc/passwd and /etc/group. Error: invalid_input for one that
/// is not there, or a number above 65535.
[[nodiscard]] Result<ImageUser> find_user(
    std::string_view wanted, std::string_view passwd, std::string_view group);

}  // namespace decloud::sandbox::oci
