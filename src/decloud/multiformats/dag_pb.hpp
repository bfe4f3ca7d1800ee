#pragma once

#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decloud::multiformats {

/// One link of a dag-pb node. An absent name and an empty one differ in the encoding.
struct PbLink {
    Cid cid;
    std::optional<std::string> name;
    /// Cumulative serialized size of what the link leads to; a hint by whoever wrote it, never
    /// trusted.
    std::optional<std::uint64_t> tsize;
    friend bool operator==(const PbLink&, const PbLink&) = default;
};

/// A node of the dag-pb codec (IPLD specs/codecs/dag-pb).
struct PbNode {
    std::vector<PbLink> links;
    std::optional<Bytes> data;
    friend bool operator==(const PbNode&, const PbNode&) = default;
};

/// How large a node may be. Sizes in bytes.
struct PbLimits {
    std::size_t max_bytes = kMaxBlock;
    std::size_t max_links = 65536;
    std::size_t max_name = 65536;
};

/// Links first, then data, in the order given: canonical if links are sorted by the bytes of their
/// names.
[[nodiscard]] Bytes encode_pb(const PbNode& node);

/// Strict: no unknown, repeated or misordered fields, minimal varints, links in one run. Links out
/// of order are accepted, as old writers left them. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<PbNode> decode_pb(BytesView input, PbLimits limits = {});

}  // namespace decloud::multiformats
