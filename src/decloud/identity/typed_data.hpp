#pragma once

#include "eip712.hpp"
#include "signed_structs.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace decloud::identity {

/// An EIP-712 domain as it is written out: also those of tokens and payment channels.
struct NamedDomain {
    std::string name;
    std::string version;
    std::uint64_t chain_id = 0;
    Address contract{};
};

/// EIP-712's JSON form, as eth_signTypedData_v4 takes it: types, primaryType, domain and message.
/// `type` is the encoded type ("Name(type member,…)"), `message` has its members.
[[nodiscard]] json::Object typed_data(
    std::string_view type, json::Object message, const NamedDomain& domain);

/// The domain whose separator is in `digest(fields, domain)`.
template <class Struct>
[[nodiscard]] NamedDomain named_domain(const Struct& /*fields*/, const Domain& domain) {
    return {.name = std::is_same_v<Struct, Voucher> ? "EVM Payment Channel" : "decloud",
        .version = "1",
        .chain_id = domain.chain_id,
        .contract = domain.escrow};
}

/// Of what is signed: whoever signs this gives the signature over `digest(fields, domain)`.
template <class Struct>
[[nodiscard]] json::Object typed_data(const Struct& fields, const Domain& domain) {
    json::Object message = to_json(Signed<Struct>{fields, {}});
    message.erase("signature");
    return typed_data(type_of(fields), std::move(message), named_domain(fields, domain));
}

}  // namespace decloud::identity
