#include "signed_structs.hpp"

#include <decloud/base/encoding.hpp>

#include <limits>
#include <optional>
#include <span>

namespace decloud::identity {

namespace {

constexpr std::size_t kMaxProviders = 256;
constexpr Uint128 kMaxJsonInteger = Uint128{1} << 53U;

json::Value integer(Uint128 value) {
    json::Value out(static_cast<std::uint64_t>(value));
    if (value > kMaxJsonInteger) {
        out = to_string(value);
    }
    return out;
}

json::Array words(const std::vector<Bytes32>& list) {
    json::Array out;
    for (const Bytes32& word : list) {
        out.emplace_back(to_string(word));
    }
    return out;
}

// Takes members by name and notes the first that is wrong; `finish` also refuses members left over.
class Reader {
  public:
    explicit Reader(const json::Object& object) : object_(object) {}

    void read(std::string_view name, Bytes32& out) { read_text(name, out, parse_bytes32); }
    void read(std::string_view name, Address& out) { read_text(name, out, parse_address); }

    void read(std::string_view name, Uint128& out) {
        const json::Value* const value = take(name);
        if (value == nullptr) {
            return;
        }
        if (value->is_string()) {
            keep(name, out, parse_uint128(value->get_string()));
        } else if (value->is_uint64() && value->get_uint64() <= kMaxJsonInteger) {
            out = value->get_uint64();
        } else if (value->is_int64() && value->get_int64() >= 0 &&
                   Uint128(value->get_int64()) <= kMaxJsonInteger) {
            out = Uint128(value->get_int64());
        } else {
            refuse(name, "must be a whole number, beyond 2^53 a decimal string");
        }
    }

    void read(std::string_view name, std::uint64_t& out) {
        Uint128 wide = 0;
        read(name, wide);
        if (wide > std::numeric_limits<std::uint64_t>::max()) {
            refuse(name, "is above 2^64-1");
            return;
        }
        out = static_cast<std::uint64_t>(wide);
    }

    void read(std::string_view name, std::vector<Bytes32>& out) {
        const json::Value* const value = take(name);
        if (value == nullptr) {
            return;
        }
        if (!value->is_array() || value->get_array().size() > kMaxProviders) {
            refuse(name, "must be an array of at most 256 hashes");
            return;
        }
        for (const json::Value& item : value->get_array()) {
            Bytes32 word;
            if (!item.is_string()) {
                refuse(name, "must hold texts");
                return;
            }
            keep(name, word, parse_bytes32(item.get_string()));
            out.push_back(word);
        }
    }

    void read(std::string_view name, crypto::EcdsaSignature& out) {
        const auto parse = [](std::string_view text) -> Result<crypto::EcdsaSignature> {
            if (!text.starts_with("0x")) {
                return fail(CommonError::invalid_input, "must start with 0x");
            }
            TRY(const Bytes bytes, from_hex(text));
            return crypto::EcdsaSignature::from(bytes);
        };
        read_text(name, out, parse);
    }

    [[nodiscard]] Result<void> finish() {
        if (problem_) {
            return fail(std::move(*problem_));
        }
        if (taken_ != object_.size()) {
            return fail(
                CommonError::invalid_input, "the statement has members that are not signed");
        }
        return {};
    }

  private:
    const json::Value* take(std::string_view name) {
        const json::Value* const value = object_.if_contains(name);
        if (value == nullptr) {
            refuse(name, "is missing");
            return nullptr;
        }
        ++taken_;
        return value;
    }

    template <class T, class Parse>
    void read_text(std::string_view name, T& out, Parse parse) {
        const json::Value* const value = take(name);
        if (value == nullptr) {
            return;
        }
        if (!value->is_string()) {
            refuse(name, "must be a text");
            return;
        }
        keep(name, out, parse(value->get_string()));
    }

    template <class T>
    void keep(std::string_view name, T& out, Result<T> value) {
        if (value) {
            out = *value;
        } else {
            refuse(name, value.error().detail());
        }
    }

    void refuse(std::string_view name, std::string_view why) {
        if (!problem_) {
            problem_ = Error(make_error_code(CommonError::invalid_input),
                std::string(name) + ": " + std::string(why));
        }
    }

    const json::Object& object_;
    std::size_t taken_ = 0;
    std::optional<Error> problem_;
};

}  // namespace

std::string_view type_of(const Deployment& /*fields*/) {
    return "Deployment(bytes32 specHash,address owner,bytes32[] providers,"
           "bytes32[] keyThumbprints,bytes32 termsHash,address escrow,uint256 chainId,"
           "uint128 maxPrice,uint64 created)";
}

std::string_view type_of(const CallAuthorization& /*fields*/) {
    return "CallAuthorization(address payer,address provider,bytes32 requestDigest,"
           "uint128 maxPrice,bytes32 nonce,uint64 validBefore)";
}

std::string_view type_of(const Delegation& /*fields*/) {
    return "Delegation(address account,bytes32 node,bytes32 ed25519Key,uint64 epoch,"
           "uint64 notBefore,uint64 expires)";
}

std::string_view type_of(const Revocation& /*fields*/) {
    return "Revocation(bytes32 specHash,address owner,uint64 created)";
}

std::string_view type_of(const Voucher& /*fields*/) {
    return "Voucher(bytes32 channelId,uint128 cumulativeAmount)";
}

std::string_view type_of(const Window& /*fields*/) {
    return "Window(bytes32 channelId,bytes32 keyHash,uint64 firstSequence,uint64 validBefore)";
}

Bytes32 digest(const Deployment& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.spec_hash)
        .add(fields.owner)
        .add(std::span<const Bytes32>(fields.providers))
        .add(std::span<const Bytes32>(fields.key_thumbprints))
        .add(fields.terms_hash)
        .add(fields.escrow)
        .add(Uint128{fields.chain_id})
        .add(fields.max_price)
        .add(Uint128{fields.created});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

Bytes32 digest(const CallAuthorization& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.payer)
        .add(fields.provider)
        .add(fields.request_digest)
        .add(fields.max_price)
        .add(fields.nonce)
        .add(Uint128{fields.valid_before});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

Bytes32 digest(const Delegation& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.account)
        .add(fields.node)
        .add(fields.ed25519_key)
        .add(Uint128{fields.epoch})
        .add(Uint128{fields.not_before})
        .add(Uint128{fields.expires});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

Bytes32 digest(const Revocation& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.spec_hash).add(fields.owner).add(Uint128{fields.created});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

Bytes32 digest(const Voucher& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.channel_id).add(fields.cumulative_amount);
    return typed_data_digest(voucher_domain_separator(domain), hasher.finish());
}

Bytes32 digest(const Window& fields, const Domain& domain) {
    StructHasher hasher(type_of(fields));
    hasher.add(fields.channel_id)
        .add(fields.key_hash)
        .add(Uint128{fields.first_sequence})
        .add(Uint128{fields.valid_before});
    return typed_data_digest(domain_separator(domain), hasher.finish());
}

json::Object to_json(const Signed<Deployment>& statement) {
    const Deployment& fields = statement.fields;
    json::Object out;
    out["specHash"] = to_string(fields.spec_hash);
    out["owner"] = to_string(fields.owner);
    out["providers"] = words(fields.providers);
    out["keyThumbprints"] = words(fields.key_thumbprints);
    out["termsHash"] = to_string(fields.terms_hash);
    out["escrow"] = to_string(fields.escrow);
    out["chainId"] = integer(fields.chain_id);
    out["maxPrice"] = integer(fields.max_price);
    out["created"] = integer(fields.created);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

json::Object to_json(const Signed<CallAuthorization>& statement) {
    const CallAuthorization& fields = statement.fields;
    json::Object out;
    out["payer"] = to_string(fields.payer);
    out["provider"] = to_string(fields.provider);
    out["requestDigest"] = to_string(fields.request_digest);
    out["maxPrice"] = integer(fields.max_price);
    out["nonce"] = to_string(fields.nonce);
    out["validBefore"] = integer(fields.valid_before);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

json::Object to_json(const Signed<Delegation>& statement) {
    const Delegation& fields = statement.fields;
    json::Object out;
    out["account"] = to_string(fields.account);
    out["node"] = to_string(fields.node);
    out["ed25519Key"] = to_string(fields.ed25519_key);
    out["epoch"] = integer(fields.epoch);
    out["notBefore"] = integer(fields.not_before);
    out["expires"] = integer(fields.expires);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

json::Object to_json(const Signed<Revocation>& statement) {
    const Revocation& fields = statement.fields;
    json::Object out;
    out["specHash"] = to_string(fields.spec_hash);
    out["owner"] = to_string(fields.owner);
    out["created"] = integer(fields.created);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

json::Object to_json(const Signed<Voucher>& statement) {
    json::Object out;
    out["channelId"] = to_string(statement.fields.channel_id);
    out["cumulativeAmount"] = integer(statement.fields.cumulative_amount);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

json::Object to_json(const Signed<Window>& statement) {
    const Window& fields = statement.fields;
    json::Object out;
    out["channelId"] = to_string(fields.channel_id);
    out["keyHash"] = to_string(fields.key_hash);
    out["firstSequence"] = integer(fields.first_sequence);
    out["validBefore"] = integer(fields.valid_before);
    out["signature"] = to_hex_prefixed(statement.signature.view());
    return out;
}

template <>
Result<Signed<Deployment>> from_json(const json::Object& object) {
    Signed<Deployment> out;
    Reader reader(object);
    reader.read("specHash", out.fields.spec_hash);
    reader.read("owner", out.fields.owner);
    reader.read("providers", out.fields.providers);
    reader.read("keyThumbprints", out.fields.key_thumbprints);
    reader.read("termsHash", out.fields.terms_hash);
    reader.read("escrow", out.fields.escrow);
    reader.read("chainId", out.fields.chain_id);
    reader.read("maxPrice", out.fields.max_price);
    reader.read("created", out.fields.created);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

template <>
Result<Signed<CallAuthorization>> from_json(const json::Object& object) {
    Signed<CallAuthorization> out;
    Reader reader(object);
    reader.read("payer", out.fields.payer);
    reader.read("provider", out.fields.provider);
    reader.read("requestDigest", out.fields.request_digest);
    reader.read("maxPrice", out.fields.max_price);
    reader.read("nonce", out.fields.nonce);
    reader.read("validBefore", out.fields.valid_before);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

template <>
Result<Signed<Delegation>> from_json(const json::Object& object) {
    Signed<Delegation> out;
    Reader reader(object);
    reader.read("account", out.fields.account);
    reader.read("node", out.fields.node);
    reader.read("ed25519Key", out.fields.ed25519_key);
    reader.read("epoch", out.fields.epoch);
    reader.read("notBefore", out.fields.not_before);
    reader.read("expires", out.fields.expires);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

template <>
Result<Signed<Revocation>> from_json(const json::Object& object) {
    Signed<Revocation> out;
    Reader reader(object);
    reader.read("specHash", out.fields.spec_hash);
    reader.read("owner", out.fields.owner);
    reader.read("created", out.fields.created);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

template <>
Result<Signed<Voucher>> from_json(const json::Object& object) {
    Signed<Voucher> out;
    Reader reader(object);
    reader.read("channelId", out.fields.channel_id);
    reader.read("cumulativeAmount", out.fields.cumulative_amount);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

template <>
Result<Signed<Window>> from_json(const json::Object& object) {
    Signed<Window> out;
    Reader reader(object);
    reader.read("channelId", out.fields.channel_id);
    reader.read("keyHash", out.fields.key_hash);
    reader.read("firstSequence", out.fields.first_sequence);
    reader.read("validBefore", out.fields.valid_before);
    reader.read("signature", out.signature);
    TRY_VOID(reader.finish());
    return out;
}

}  // namespace decloud::identity
