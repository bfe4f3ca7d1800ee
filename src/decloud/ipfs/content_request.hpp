#pragma once

#include "byte_range.hpp"
#include "refusal.hpp"

#include <decloud/net/http/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// In which form content is asked for. `natural` is files, listings and documents as they are.
enum class Format : std::uint8_t {
    natural,
    html,
    raw,
    car,
    tar,
    ipns_record,
    dag_json,
    dag_cbor,
    json,
    cbor,
};

/// How much below the end of the path a CAR holds.
enum class DagScope : std::uint8_t { block, entity, all };

/// What is asked of a CAR; its order is always depth first.
struct CarOptions {
    DagScope scope = DagScope::all;
    std::optional<EntityBytes> bytes{};
    /// A block that occurs twice is sent twice.
    bool duplicates = false;
};

/// A request for `/ipfs/…` or `/ipns/…` (IPFS HTTP gateway specifications).
struct ContentRequest {
    /// "ipfs" or "ipns".
    std::string space;
    /// The cid or name behind it, percent-decoded.
    std::string name;
    /// What follows, percent-decoded, without empty ones.
    std::vector<std::string> segments;
    bool trailing_slash = false;
    /// The content path and the query as sent.
    std::string path;
    /// What the beginning of the path stands for the origin itself: "/ipfs/CID" on one of its own.
    std::string mount;
    std::string query;
    Format format = Format::natural;
    /// The format comes from Accept and not from the query.
    bool from_accept = false;
    CarOptions car;
    /// The name to save under, from the query.
    std::string filename;
    bool download = false;
    bool only_if_cached = false;
};

/// Limits of a path.
inline constexpr std::size_t kMaxSegments = 128;
inline constexpr std::size_t kMaxSegment = 1024;

/// `mount` stands in front of the path on the origin of one cid or name. 400 for what cannot be
/// read, 406 for a form that is not given.
[[nodiscard]] Answered<ContentRequest> parse_content_request(
    const net::http::RequestHead& head, std::string_view mount = {});

/// `/ipfs/?uri=ipfs://…` and `/ipns/?uri=ipns://…`, where browsers send links of these schemes: the
/// path to go to.
[[nodiscard]] std::optional<std::string> path_of_uri(const net::http::RequestHead& head);

/// The word of `?format=` for a form; empty for `natural` and `html`.
[[nodiscard]] std::string_view format_word(Format format);

}  // namespace decloud::ipfs
