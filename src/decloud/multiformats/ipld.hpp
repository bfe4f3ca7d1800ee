#pragma once

#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace decloud::multiformats {

/// Plain CBOR, whose blocks are passed on as they are.
inline constexpr Codec kCborCodec{0x51};

/// A value of IPLD's data model (ipld.io/docs/data-model). Maps keep the order of the codec.
struct IpldValue {
    /// An integer below zero: -1 - `rest`, as CBOR has it.
    struct Negative {
        std::uint64_t rest = 0;
        friend bool operator==(const Negative&, const Negative&) = default;
    };
    /// Elements of a list.
    using List = std::vector<IpldValue>;
    /// Entries of a map; keys are unique.
    using Map = std::vector<std::pair<std::string, IpldValue>>;

    std::variant<std::nullptr_t,
        bool,
        std::uint64_t,
        Negative,
        double,
        std::string,
        Bytes,
        Cid,
        List,
        Map>
        value = nullptr;

    /// The entry of a map, or the element of a list by its index in decimal; null if there is none.
    [[nodiscard]] const IpldValue* find(std::string_view key) const;
    friend bool operator==(const IpldValue&, const IpldValue&) = default;
};

/// How much of a stranger's block is decoded.
struct IpldLimits {
    std::size_t max_bytes = kMaxBlock;
    std::size_t max_depth = 128;
    std::size_t max_values = 1'000'000;
};

/// Strict DAG-CBOR (ipld.io/specs/codecs/dag-cbor): shortest integers, 64-bit floats without NaN
/// and infinities, definite lengths, keys that are text, unique and sorted by length then bytes,
/// UTF-8, no tag but 42. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<IpldValue> decode_dag_cbor(BytesView input, IpldLimits limits = {});
/// Canonical; sorts the keys of maps.
[[nodiscard]] Bytes encode_dag_cbor(const IpldValue& value);

/// DAG-JSON (ipld.io/specs/codecs/dag-json): white space and order of keys are free, as blocks of
/// other writers have them; the reserved forms of links and bytes are checked. Decimal fractions
/// are read as nearly as the JSON parser does. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<IpldValue> decode_dag_json(BytesView input, IpldLimits limits = {});
/// Canonical: no white space, keys sorted by their bytes.
[[nodiscard]] std::string encode_dag_json(const IpldValue& value);

/// The links of a value, depth first, in the order of the codec.
[[nodiscard]] std::vector<Cid> ipld_links(const IpldValue& value);

}  // namespace decloud::multiformats
