#pragma once

#include <decloud/content/block_store.hpp>
#include <decloud/content/reader.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace decloud::ipfs {

/// Text for HTML, in elements and in quoted attributes.
[[nodiscard]] std::string escape_html(std::string_view text);
/// Percent-encodes a path but for its slashes.
[[nodiscard]] std::string escape_path(std::string_view path);

/// What a listing shows. Names may be anything.
struct Listing {
    /// "/ipfs/CID/a/b", decoded, without a slash at its end.
    std::string path;
    /// On an origin of its own, where `/` is the content's root: not in front of links.
    std::string mount{};
    /// Where the first name of the path leads, and what is in front of links to those below it.
    std::string root_link{};
    std::string below_link{};
    /// In front of "/ipfs/CID" of an entry; nothing where the origin has no such paths.
    std::optional<std::string> cid_link{};
    content::Cid cid;
    std::span<const content::DirectoryEntry> entries;
    /// There are more than are shown.
    bool truncated = false;
};

/// A page that lists a directory; without scripts.
[[nodiscard]] std::string listing_page(const Listing& listing);

/// A page that shows a DAG-CBOR or DAG-JSON document, as DAG-JSON. `note` says why it is not whole,
/// if it is not.
[[nodiscard]] std::string document_page(
    const content::Cid& cid, std::string_view json, std::string_view note);

/// Changes whenever the pages look otherwise; part of their ETags.
inline constexpr std::string_view kPageVersion = "1";

}  // namespace decloud::ipfs
