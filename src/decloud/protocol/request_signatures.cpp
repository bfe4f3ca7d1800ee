#include "request_signatures.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <array>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxComponents = 64;
constexpr std::size_t kMaxNonceBytes = 256;

bool covers(const RequestSignature& signature, std::string_view component) {
    return std::ranges::any_of(signature.input.items, [component](const Item& item) {
        // A component with parameters stands for a part or another form of the field.
        return item.parameters.empty() && std::get<std::string>(item.value) == component;
    });
}

std::string joined(const std::vector<std::string_view>& values) {
    std::string out;
    for (const std::string_view value : values) {
        out += out.empty() ? "" : ", ";
        out += value;
    }
    return out;
}

Checked<Dictionary> read_field(const net::http::Headers& headers, std::string_view name) {
    auto members = parse_dictionary(joined(headers.all(name)));
    if (!members) {
        return invalid_signature(std::string(name) + ": " + members.error().detail());
    }
    return std::move(*members);
}

/// Somebody else's signature: left to whom it is for.
bool is_foreign(const Parameters& parameters) {
    const auto* id = find_parameter<std::string>(parameters, "keyid");
    const auto* tag = find_parameter<std::string>(parameters, "tag");
    return (id == nullptr || !id->starts_with("did:")) && tag != nullptr &&
           !tag->starts_with("opencloud");
}

Checked<std::optional<UnixSeconds>> read_time(
    const std::string& label, const Parameters& parameters, std::string_view name) {
    if (find_parameter(parameters, name) == nullptr) {
        return std::nullopt;
    }
    const auto* seconds = find_parameter<std::int64_t>(parameters, name);
    if (seconds == nullptr || *seconds < 0) {
        return invalid_signature(
            "the signature \"" + label + "\": " + std::string(name) + " is seconds since 1970");
    }
    return UnixSeconds{static_cast<std::uint64_t>(*seconds)};
}

Checked<void> read_key(RequestSignature& out) {
    const Parameters& parameters = out.input.parameters;
    const auto* id = find_parameter<std::string>(parameters, "keyid");
    auto key = id == nullptr
                   ? Result<identity::DidKey>(fail(CommonError::invalid_input, "it has no keyid"))
                   : identity::parse_did_key(*id);
    if (!key) {
        return invalid_signature("the signature \"" + out.label + "\": " + key.error().detail(),
            "sign with an Ed25519 or P-256 key and give its did:key as keyid");
    }
    out.id = *id;
    out.key = *key;
    const bool is_ed25519 = std::holds_alternative<crypto::Ed25519PublicKey>(out.key);
    const std::string_view needed = is_ed25519 ? "ed25519" : "ecdsa-p256-sha256";
    if (find_parameter(parameters, "alg") != nullptr) {
        const auto* algorithm = find_parameter<std::string>(parameters, "alg");
        if (algorithm == nullptr || *algorithm != needed) {
            return invalid_signature("the signature \"" + out.label +
                                     "\": a key of this kind signs by " + std::string(needed));
        }
    }
    return {};
}

Checked<void> read_parameters(RequestSignature& out) {
    if (auto key = read_key(out); !key) {
        return key;
    }
    auto created = read_time(out.label, out.input.parameters, "created");
    auto expires = read_time(out.label, out.input.parameters, "expires");
    if (!created || !expires) {
        return std::unexpected(!created ? created.error() : expires.error());
    }
    const auto& known = *created;
    if (!known) {
        return invalid_signature(
            "the signature \"" + out.label + "\" does not say when it was created");
    }
    out.created = *known;
    out.expires = *expires;
    if (const auto* nonce = find_parameter<std::string>(out.input.parameters, "nonce")) {
        out.nonce = nonce->size() > kMaxNonceBytes ? std::string() : *nonce;
    }
    return {};
}

Checked<RequestSignature> read_one(
    std::string label, InnerList input, const Dictionary& signatures) {
    RequestSignature out{.label = std::move(label),
        .input = std::move(input),
        .signature = {},
        .id = {},
        .key = crypto::Ed25519PublicKey{},
        .created = {},
        .expires = {},
        .nonce = {}};
    const bool are_strings = std::ranges::all_of(out.input.items,
        [](const Item& item) { return std::holds_alternative<std::string>(item.value); });
    if (!are_strings || out.input.items.size() > kMaxComponents) {
        return invalid_signature(
            "the signature \"" + out.label + "\" covers at most 64 components, named by strings");
    }
    const auto found =
        std::ranges::find(signatures, out.label, [](const auto& m) { return m.first; });
    const auto* item = found == signatures.end() ? nullptr : std::get_if<Item>(&found->second);
    const auto* bytes = item == nullptr ? nullptr : std::get_if<Bytes>(&item->value);
    if (bytes == nullptr) {
        return invalid_signature("Signature has no bytes under \"" + out.label + "\"");
    }
    out.signature = *bytes;
    if (auto read = read_parameters(out); !read) {
        return std::unexpected(std::move(read.error()));
    }
    return out;
}

}  // namespace

std::unexpected<Problem> invalid_signature(std::string detail, std::string help) {
    return refuse(401, Status::invalid_signature, std::move(detail), std::move(help));
}

Checked<std::vector<RequestSignature>> read_request_signatures(const net::http::Headers& headers) {
    std::vector<RequestSignature> out;
    if (!headers.contains("Signature-Input") && !headers.contains("Signature")) {
        return out;
    }
    auto inputs = read_field(headers, "Signature-Input");
    auto signatures = read_field(headers, "Signature");
    if (!inputs || !signatures) {
        return std::unexpected(!inputs ? inputs.error() : signatures.error());
    }
    bool has_foreign = false;
    for (auto& [label, member] : *inputs) {
        auto* input = std::get_if<InnerList>(&member);
        if (input == nullptr) {
            return invalid_signature("Signature-Input: \"" + label + "\" is no list of components");
        }
        if (is_foreign(input->parameters)) {
            has_foreign = true;
            continue;
        }
        auto one = read_one(label, std::move(*input), *signatures);
        if (!one) {
            return std::unexpected(std::move(one.error()));
        }
        if (std::ranges::find(out, one->id, &RequestSignature::id) != out.end()) {
            return invalid_signature("two signatures by " + one->id);
        }
        out.push_back(std::move(*one));
        if (out.size() > kMaxRequestSignatures) {
            return invalid_signature("more than 8 signatures");
        }
    }
    if (out.empty() && !has_foreign) {
        return invalid_signature("Signature without Signature-Input");
    }
    return out;
}

Checked<void> check_coverage(
    const RequestSignature& signature, const net::http::Headers& headers, CoverageRules rules) {
    std::string missing;
    const auto need = [&](std::string_view component) {
        const std::string quoted = '"' + std::string(component) + '"';
        if (!covers(signature, component) && missing.find(quoted) == std::string::npos) {
            missing += (missing.empty() ? "" : " ") + quoted;
        }
    };
    need("@method");
    const bool whole_target = rules.own_authority && covers(signature, "@target-uri");
    if (!whole_target) {
        need("@path");
        need("@query");
        if (!rules.own_authority || !covers(signature, "@authority")) {
            need("opencloud-audience");
        }
    }
    if (rules.has_body) {
        need("content-digest");
    }
    for (const auto field : headers) {
        const std::string name = component_name(field.name);
        if (name.starts_with("opencloud-")) {
            need(name);
        }
    }
    if (!missing.empty()) {
        return invalid_signature(
            "the signature \"" + signature.label + "\" does not cover " + missing,
            "cover \"@method\" \"@path\" \"@query\" \"content-digest\" \"opencloud-audience\" and "
            "every OpenCloud field");
    }
    return {};
}

Checked<void> check_times(const RequestSignature& signature, UnixSeconds now) {
    const auto skew = static_cast<std::uint64_t>(kClockSkew.count());
    const std::uint64_t created = signature.created.value;
    const bool ahead = created > now.value;
    const std::uint64_t off = ahead ? created - now.value : now.value - created;
    if (off > skew) {
        return invalid_signature("the signature \"" + signature.label + "\" was created " +
                                     std::to_string(off) + " s " + (ahead ? "after" : "before") +
                                     " this node's time, " + format_utc(now) + "; at most " +
                                     std::to_string(skew) + " s are accepted",
            "set the clock, then sign again");
    }
    if (signature.expires && *signature.expires < now) {
        return invalid_signature(
            "the signature \"" + signature.label + "\" has expired", "sign again");
    }
    return {};
}

Checked<void> check_signature(const RequestSignature& signature, const SignableMessage& message) {
    const auto base = signature_base(message, signature.input);
    if (!base) {
        return invalid_signature(
            "the signature \"" + signature.label + "\": " + base.error().detail());
    }
    if (!identity::verify(signature.key, as_bytes(*base), signature.signature)) {
        return invalid_signature("the signature \"" + signature.label + "\" is not " +
                                 signature.id + "'s over this request");
    }
    return {};
}

std::string accept_signature(const RequestSignature& signature, std::string_view nonce) {
    InnerList wanted{.items = signature.input.items, .parameters = {}};
    const auto need = [&](const char* component) {
        if (!covers(signature, component)) {
            wanted.items.push_back({.value = std::string(component)});
        }
    };
    if (!covers(signature, "@target-uri")) {
        for (const char* each : {"@method", "@path", "@query", "opencloud-audience"}) {
            need(each);
        }
    }
    wanted.parameters = {{"created", true}, {"keyid", signature.id}, {"nonce", std::string(nonce)}};
    if (const auto* tag = find_parameter<std::string>(signature.input.parameters, "tag")) {
        wanted.parameters.emplace_back("tag", *tag);
    }
    const auto text = serialize_dictionary({{signature.label, Member(std::move(wanted))}});
    return text.value_or(std::string());
}

}  // namespace decloud::protocol
