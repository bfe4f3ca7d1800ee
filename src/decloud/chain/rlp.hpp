#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace decloud::chain::rlp {

/// Ethereum's RLP, written item by item into one buffer.
class Encoder {
  public:
    /// A string of bytes. Every `add` returns this encoder.
    Encoder& add(BytesView string);
    /// An integer without leading zeros; zero is the empty string.
    Encoder& add(Uint128 integer);
    /// What another encoder holds, as one list.
    Encoder& add_list(const Encoder& items);
    /// An item that is RLP already.
    Encoder& add_encoded(BytesView encoded);

    /// Everything added, as one list.
    [[nodiscard]] Bytes list() const;
    /// Everything added, one after the other.
    [[nodiscard]] const Bytes& items() const { return items_; }

  private:
    Bytes items_;
};

/// One decoded item.
struct Item {
    /// A string or a list of items.
    std::variant<Bytes, std::vector<Item>> value;
    friend bool operator==(const Item&, const Item&) = default;
};

/// How deep `decode` follows lists in lists.
inline constexpr std::size_t kMaxDepth = 32;

/// Exactly one item; only the shortest form of each length is taken. Errors: invalid_input,
/// limit_exceeded beyond 32 levels.
[[nodiscard]] Result<Item> decode(BytesView bytes);
/// The one encoding that `decode` gives `item` for.
[[nodiscard]] Bytes encode(const Item& item);

}  // namespace decloud::chain::rlp
