#include "alias_binding.hpp"

#include <decloud/base/encoding.hpp>

namespace decloud::identity {

namespace {

constexpr std::size_t kMaxBytes = 4096;
constexpr std::size_t kMembers = 6;
/// Integers are numbers in JSON up to there.
constexpr std::uint64_t kMaxVersion = std::uint64_t{1} << 53U;

}  // namespace

std::string_view type_of(const AliasBinding& /*fields*/) {
    return "AliasBinding(address owner,string alias,string gateway,string cid,uint64 version)";
}

Bytes32 digest(const AliasBinding& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.owner)
        .add_dynamic(as_bytes(fields.alias))
        .add_dynamic(as_bytes(fields.gateway))
        .add_dynamic(as_bytes(fields.cid))
        .add(Uint128{fields.version});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

json::Object to_json(const Signed<AliasBinding>& statement) {
    const AliasBinding& fields = statement.fields;
    return {{"owner", to_string(fields.owner)}, {"alias", fields.alias},
        {"gateway", fields.gateway}, {"cid", fields.cid}, {"version", fields.version},
        {"signature", to_hex_prefixed(statement.signature.view())}};
}

Result<Signed<AliasBinding>> parse_alias_binding(std::string_view text) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMaxBytes, .max_depth = 2}));
    if (!value.is_object() || value.get_object().size() != kMembers) {
        return fail(CommonError::invalid_input,
            "an alias's binding is an object of owner, alias, gateway, cid, version, signature");
    }
    const json::Object& object = value.get_object();
    Signed<AliasBinding> out;
    TRY(const std::string owner, json::string_member(object, "owner"));
    TRY(out.fields.owner, parse_address(owner));
    TRY(out.fields.alias, json::string_member(object, "alias"));
    TRY(out.fields.gateway, json::string_member(object, "gateway"));
    TRY(out.fields.cid, json::string_member(object, "cid"));
    TRY(out.fields.version, json::uint_member(object, "version"));
    if (out.fields.version > kMaxVersion) {
        return fail(CommonError::invalid_input, "version: is above 2^53");
    }
    TRY(const std::string signature, json::string_member(object, "signature"));
    if (!signature.starts_with("0x")) {
        return fail(CommonError::invalid_input, "signature: must start with 0x");
    }
    TRY(const Bytes bytes, from_hex(signature));
    TRY(out.signature, crypto::EcdsaSignature::from(bytes));
    return out;
}

}  // namespace decloud::identity
