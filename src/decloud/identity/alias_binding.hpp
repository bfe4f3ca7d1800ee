#pragma once

#include "eip712.hpp"
#include "signed_structs.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::identity {

/// Where a gateway tells and takes aliases: this, a slash and the alias.
inline constexpr std::string_view kAliasesPath = "/.well-known/decloud/aliases";

/// The owner's word on what an alias stands for at one gateway. Of several the highest version
/// counts.
struct AliasBinding {
    Address owner{};
    /// A DNS label.
    std::string alias{};
    /// The gateway's domain.
    std::string gateway{};
    /// A content id; empty: nothing, but the alias stays the owner's.
    std::string cid{};
    std::uint64_t version = 0;
    friend bool operator==(const AliasBinding&, const AliasBinding&) = default;
};

/// As for the structs of signed_structs.hpp, whose `sign` and `verify` take this, too.
[[nodiscard]] Bytes32 digest(const AliasBinding& fields, const Domain& domain);
[[nodiscard]] std::string_view type_of(const AliasBinding& fields);
[[nodiscard]] inline const Address& signatory(const AliasBinding& fields) { return fields.owner; }
[[nodiscard]] json::Object to_json(const Signed<AliasBinding>& statement);

/// Exactly those members, at most 4 KiB. The signature is not verified. Error: invalid_input naming
/// the member.
[[nodiscard]] Result<Signed<AliasBinding>> parse_alias_binding(std::string_view text);

}  // namespace decloud::identity
