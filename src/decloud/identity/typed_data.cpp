#include "typed_data.hpp"

#include <algorithm>
#include <string>

namespace decloud::identity {

namespace {

constexpr std::string_view kDomainType =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

/// "Name(type member,…)" as a list of members.
json::Array members_of(std::string_view type) {
    json::Array out;
    std::size_t at = type.find('(') + 1;
    const std::size_t end = type.find(')');
    while (at < end) {
        const std::size_t comma = std::min(type.find(',', at), end);
        const std::string_view member = type.substr(at, comma - at);
        const std::size_t space = member.find(' ');
        out.emplace_back(
            json::Object{{"name", member.substr(space + 1)}, {"type", member.substr(0, space)}});
        at = comma + 1;
    }
    return out;
}

}  // namespace

json::Object typed_data(std::string_view type, json::Object message, const NamedDomain& domain) {
    const std::string name(type.substr(0, type.find('(')));
    json::Object types;
    types["EIP712Domain"] = members_of(kDomainType);
    types[name] = members_of(type);
    return {{"types", std::move(types)}, {"primaryType", name},
        {"domain",
            json::Object{{"name", domain.name}, {"version", domain.version},
                {"chainId", domain.chain_id}, {"verifyingContract", to_string(domain.contract)}}},
        {"message", std::move(message)}};
}

}  // namespace decloud::identity
