#pragma once

#include "error.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <compare>
#include <string>
#include <string_view>

namespace decloud::identity {

/// The registry's top name.
inline constexpr std::string_view kTopName = "decloud";

/// EIP-137. The name must be normalised; "" gives zero.
[[nodiscard]] Bytes32 namehash(std::string_view name);

/// Labels that no provider can have under the top name: app, fn, p, ipfs, ipns, www, api.
[[nodiscard]] bool is_reserved_label(std::string_view label);

/// A provider's name in the registry, normalised: lower case, letters, digits and inner hyphens, no
/// empty label, no `xn--`, each label at most 63 characters.
class ProviderName {
  public:
    /// "alice" is under the top name, "alice.decloud" and "shop.example.eth" are full. Errors:
    /// invalid_name (the detail says which rule), reserved_name.
    [[nodiscard]] static Result<ProviderName> parse(std::string_view text);

    /// From a gateway's host label, where `-` stands for `.` and `--` for `-`: "a--b" is
    /// a-b.decloud. Errors as `parse`.
    [[nodiscard]] static Result<ProviderName> from_gateway_label(std::string_view label);

    /// "alice.decloud".
    [[nodiscard]] const std::string& full() const { return full_; }
    /// "alice" for a name right under the top name, else the full name.
    [[nodiscard]] std::string short_form() const;
    /// The one label under a gateway's domain: "alice", "a--b", "shop-example-eth". At most 63
    /// characters.
    [[nodiscard]] std::string gateway_label() const;
    /// The namehash of the full name: the registry's node.
    [[nodiscard]] Bytes32 node() const { return namehash(full_); }

    friend auto operator<=>(const ProviderName&, const ProviderName&) = default;

  private:
    explicit ProviderName(std::string full) : full_(std::move(full)) {}
    std::string full_;
};

}  // namespace decloud::identity
