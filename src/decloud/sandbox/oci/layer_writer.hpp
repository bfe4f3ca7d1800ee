#pragma once

#include "../internal/fd.hpp"
#include "image.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace decloud::sandbox::oci {

/// Unpacks layers one over the other into a folder. Paths are taken within that folder whatever
/// links say: every step is opened without following, and links are resolved as the program would
/// see them. Run it in a confined process only.
class LayerWriter {
  public:
    /// `root` is an empty folder that is this object's own; `limits` hold for all layers together.
    [[nodiscard]] static Result<LayerWriter> open(internal::UniqueFd root, ImageLimits limits);

    /// One layer: a tar file, gzip or zstd around it or not. `dev`, `proc` and `tmp` stay empty,
    /// what an image has there is left out. Errors: invalid_input, limit_exceeded, or from errno.
    [[nodiscard]] Result<void> add_layer(ByteSource& source);
    /// A file of what has been unpacked, links followed; empty if there is none. At most `limit`
    /// bytes. Errors: limit_exceeded.
    [[nodiscard]] Result<std::string> read_file(std::string_view path, std::uint64_t limit);

  private:
    using Parts = std::vector<std::string>;
    /// Where an entry goes: its folder, open, and its last name.
    struct Place {
        internal::UniqueFd folder;
        Parts folder_parts;
        std::string name;
        [[nodiscard]] std::string path() const;
    };

    LayerWriter(internal::UniqueFd root, ImageLimits limits)
        : root_(std::move(root)), limits_(limits) {}

    /// One more file, folder or link.
    [[nodiscard]] Result<void> count_entry();
    [[nodiscard]] Result<void> add_entry(const TarEntry& entry, ByteSource& content);
    [[nodiscard]] Result<void> whiteout(const Place& place);
    [[nodiscard]] Result<void> write_file(const Place& place, bool executable, ByteSource& content);
    [[nodiscard]] Result<void> make_folder(const Place& place);
    [[nodiscard]] Result<void> make_hardlink(const Place& place, std::string_view target);
    /// Takes away what is there, so that something else can be.
    [[nodiscard]] Result<void> clear(const Place& place);
    /// Removes a tree; what this layer has brought itself stays if `lower_only`.
    [[nodiscard]] Result<void> remove(
        int folder, const std::string& name, const std::string& path, bool lower_only, int depth);
    [[nodiscard]] Result<void> remove_children(
        int folder, const std::string& path, bool lower_only, int depth);

    /// The folder that `parts` lead to, links followed within the root; made if it is missing and
    /// `make`. `parts` become the real ones.
    [[nodiscard]] Result<internal::UniqueFd> open_folder(Parts& parts, bool make);
    [[nodiscard]] Result<Place> find_place(const Parts& parts, bool make);

    internal::UniqueFd root_;
    ImageLimits limits_;
    std::uint64_t total_ = 0;
    std::uint32_t entries_ = 0;
    /// Real paths that the current layer has made.
    std::set<std::string, std::less<>> fresh_;
};

}  // namespace decloud::sandbox::oci
