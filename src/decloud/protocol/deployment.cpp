#include "deployment.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxVariables = 256;
constexpr std::size_t kMaxVariableBytes = 64 * 1024;
constexpr std::size_t kMaxListedCallers = 1024;
/// Of one instance of a server.
constexpr std::uint64_t kMaxConcurrency = 1000;

std::unexpected<Error> invalid(std::string detail) {
    return fail(CommonError::invalid_input, std::move(detail));
}

Result<void> only_members(const json::Object& object,
    std::initializer_list<std::string_view> known,
    std::string_view where) {
    for (const auto& member : object) {
        const std::string_view key(member.key().data(), member.key().size());
        if (std::ranges::find(known, key) == known.end()) {
            return invalid("unknown member \"" + std::string(key) + "\" in " + std::string(where));
        }
    }
    return {};
}

json::Object variables_json(const Variables& variables) {
    json::Object out;
    for (const auto& [name, value] : variables) {
        out[name] = value;
    }
    return out;
}

Result<Variables> parse_variables(const json::Object& spec, std::string_view member) {
    TRY(const json::Object object, json::object_member(spec, member));
    if (object.size() > kMaxVariables) {
        return invalid("more than 256 variables in " + std::string(member));
    }
    Variables out;
    for (const auto& entry : object) {
        const std::string name(entry.key());
        const bool good_name = !name.empty() && name.size() <= 128 &&
                               std::ranges::all_of(name,
                                   [](char c) {
                                       return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                              (c >= '0' && c <= '9') || c == '_';
                                   }) &&
                               !(name[0] >= '0' && name[0] <= '9');
        if (!good_name) {
            return invalid("\"" + name + "\" is not the name of an environment variable");
        }
        if (!entry.value().is_string() || entry.value().get_string().size() > kMaxVariableBytes ||
            std::string_view(entry.value().get_string()).find('\0') != std::string_view::npos) {
            return invalid("the value of " + name + " must be text of at most 64 KiB without NUL");
        }
        out.emplace_back(name, std::string(entry.value().get_string()));
    }
    std::ranges::sort(out);
    return out;
}

json::Object limits_json(const FunctionLimits& limits) {
    return {{"wallMilliseconds", limits.wall.count()}, {"memoryBytes", limits.memory_bytes},
        {"processes", limits.processes}, {"requestBytes", limits.request_bytes},
        {"responseBytes", limits.response_bytes}, {"tmpBytes", limits.tmp_bytes}};
}

Result<FunctionLimits> parse_limits(const json::Object& manifest) {
    TRY(const json::Object object, json::object_member(manifest, "limits"));
    TRY_VOID(only_members(object,
        {"wallMilliseconds", "memoryBytes", "processes", "requestBytes", "responseBytes",
            "tmpBytes"},
        "limits"));
    FunctionLimits limits;
    TRY(const std::uint64_t wall, json::uint_member(object, "wallMilliseconds"));
    if (wall == 0 || wall > 86'400'000) {
        return invalid("\"wallMilliseconds\" is between 1 and a day");
    }
    limits.wall = std::chrono::milliseconds(wall);
    TRY(limits.memory_bytes, json::uint_member(object, "memoryBytes"));
    TRY(limits.processes, json::uint_member(object, "processes"));
    TRY(limits.request_bytes, json::uint_member(object, "requestBytes"));
    TRY(limits.response_bytes, json::uint_member(object, "responseBytes"));
    TRY(limits.tmp_bytes, json::uint_member(object, "tmpBytes"));
    return limits;
}

std::string_view to_text(OutputMode mode) {
    switch (mode) {
        case OutputMode::automatic:
            return "auto";
        case OutputMode::cgi:
            return "cgi";
        case OutputMode::raw:
            return "raw";
    }
    return "auto";
}

json::Object manifest_json(const FunctionManifest& manifest) {
    json::Object out{{"name", manifest.name}, {"runtime", manifest.runtime},
        {"entry", manifest.entry}, {"limits", limits_json(manifest.limits)},
        {"output", to_text(manifest.output)}};
    if (manifest.server) {
        out["server"] = json::Object{{"concurrency", manifest.server->concurrency},
            {"idleMilliseconds", manifest.server->idle.count()}};
    }
    if (!manifest.egress.empty()) {
        const auto hosts = net::to_texts(manifest.egress);
        out["egress"] = json::Array(hosts.begin(), hosts.end());
    }
    return out;
}

Result<FunctionServer> parse_server(const json::Object& manifest) {
    TRY(const json::Object object, json::object_member(manifest, "server"));
    TRY_VOID(only_members(object, {"concurrency", "idleMilliseconds"}, "server"));
    FunctionServer server;
    TRY(server.concurrency, json::uint_member(object, "concurrency"));
    TRY(const std::uint64_t idle, json::uint_member(object, "idleMilliseconds"));
    if (server.concurrency == 0 || server.concurrency > kMaxConcurrency) {
        return invalid("\"concurrency\" is between 1 and 1000");
    }
    if (idle == 0 || idle > 86'400'000) {
        return invalid("\"idleMilliseconds\" is between 1 and a day");
    }
    server.idle = std::chrono::milliseconds(idle);
    return server;
}

Result<net::HostRules> parse_egress(const json::Object& manifest) {
    TRY(const json::Array array, json::array_member(manifest, "egress"));
    if (array.empty() || array.size() > net::kMaxHostRules) {
        return invalid("\"egress\" names 1 to 64 hosts");
    }
    net::HostRules rules;
    for (const json::Value& entry : array) {
        if (!entry.is_string()) {
            return invalid("a host in \"egress\" must be a string");
        }
        TRY(net::HostRule rule, net::parse_host_rule(std::string_view(entry.get_string())));
        rules.push_back(std::move(rule));
    }
    return rules;
}

Result<FunctionManifest> parse_manifest(const json::Object& spec) {
    TRY(const json::Object object, json::object_member(spec, "manifest"));
    TRY_VOID(only_members(
        object, {"name", "runtime", "entry", "limits", "output", "server", "egress"}, "manifest"));
    FunctionManifest manifest;
    TRY(manifest.name, json::string_member(object, "name"));
    TRY(manifest.runtime, json::string_member(object, "runtime"));
    TRY(manifest.entry, json::string_member(object, "entry"));
    TRY(manifest.limits, parse_limits(object));
    if (object.contains("server")) {
        TRY(manifest.server, parse_server(object));
    }
    if (object.contains("egress")) {
        TRY(manifest.egress, parse_egress(object));
    }
    TRY(const std::string output, json::string_member(object, "output"));
    for (const OutputMode mode : {OutputMode::automatic, OutputMode::cgi, OutputMode::raw}) {
        if (to_text(mode) == output) {
            manifest.output = mode;
            return manifest;
        }
    }
    return invalid("\"output\" is auto, cgi or raw");
}

json::Object owner_pays_json(const OwnerPays& terms) {
    json::Object out;
    switch (terms.callers) {
        case OwnerPays::Callers::any:
            out["callers"] = "any";
            break;
        case OwnerPays::Callers::none:
            out["callers"] = "none";
            break;
        case OwnerPays::Callers::list:
            out["callers"] = json::Array(terms.listed.begin(), terms.listed.end());
            break;
    }
    out["perDay"] = terms.per_day;
    if (terms.per_caller) {
        out["perCaller"] = *terms.per_caller;
    }
    if (terms.total) {
        out["total"] = *terms.total;
    }
    return out;
}

Result<OwnerPays> parse_owner_pays(const json::Object& spec) {
    TRY(const json::Object object, json::object_member(spec, "ownerPays"));
    TRY_VOID(only_members(object, {"callers", "perCaller", "perDay", "total"}, "ownerPays"));
    OwnerPays terms;
    const json::Value* callers = object.if_contains("callers");
    if (callers != nullptr && callers->is_array() &&
        callers->get_array().size() <= kMaxListedCallers) {
        terms.callers = OwnerPays::Callers::list;
        for (const json::Value& caller : callers->get_array()) {
            if (!caller.is_string()) {
                return invalid("a caller in \"callers\" must be a string");
            }
            terms.listed.emplace_back(caller.get_string());
        }
    } else if (callers != nullptr && *callers == json::Value("none")) {
        terms.callers = OwnerPays::Callers::none;
    } else if (callers == nullptr || *callers != json::Value("any")) {
        return invalid("\"callers\" is any, none or a list");
    }
    TRY(terms.per_day, json::uint_member(object, "perDay"));
    if (object.contains("perCaller")) {
        TRY(terms.per_caller, json::uint_member(object, "perCaller"));
    }
    if (object.contains("total")) {
        TRY(terms.total, json::uint_member(object, "total"));
    }
    return terms;
}

json::Object spec_json(const DeploymentSpec& spec) {
    json::Object out;
    out["version"] = 1;
    out["program"] = spec.program.to_string();
    if (spec.program_key) {
        out["programKey"] = to_base64url(*spec.program_key);
    }
    out["manifest"] = manifest_json(spec.manifest);
    out["environment"] = variables_json(spec.environment);
    out["secrets"] = variables_json(spec.secrets);
    out["terms"] = spec.terms;
    out["ownerPays"] = owner_pays_json(spec.owner_pays);
    out["maxPrice"] = to_string(spec.max_price);
    out["created"] = spec.created.value;
    out["owner"] = to_string(spec.owner);
    return out;
}

}  // namespace

Result<std::string> canonical_spec(const DeploymentSpec& spec) {
    return json::canonical(spec_json(spec));
}

Result<DeploymentSpec> parse_spec(const json::Object& object) {
    TRY_VOID(only_members(object,
        {"version", "program", "programKey", "manifest", "environment", "secrets", "terms",
            "ownerPays", "maxPrice", "created", "owner"},
        "the spec"));
    TRY(const std::uint64_t version, json::uint_member(object, "version"));
    if (version != 1) {
        return invalid(
            "a spec of version " + std::to_string(version) + "; this decloud reads version 1");
    }
    TRY(const std::string program, json::string_member(object, "program"));
    TRY(multiformats::Cid cid, multiformats::Cid::parse(program));
    DeploymentSpec spec{.program = std::move(cid),
        .program_key = {},
        .manifest = {},
        .environment = {},
        .secrets = {},
        .terms = {},
        .owner_pays = {},
        .max_price = {},
        .created = {},
        .owner = {}};
    if (object.contains("programKey")) {
        TRY(const std::string text, json::string_member(object, "programKey"));
        TRY(Bytes key, from_base64url(text));
        if (key.size() != 32) {
            return invalid("\"programKey\" is 32 bytes");
        }
        spec.program_key = std::move(key);
    }
    TRY(spec.manifest, parse_manifest(object));
    TRY(spec.environment, parse_variables(object, "environment"));
    TRY(spec.secrets, parse_variables(object, "secrets"));
    TRY(spec.terms, json::string_member(object, "terms"));
    TRY(spec.owner_pays, parse_owner_pays(object));
    TRY(const std::string price, json::string_member(object, "maxPrice"));
    TRY(spec.max_price, parse_amount(price));
    TRY(spec.created.value, json::uint_member(object, "created"));
    TRY(const std::string owner, json::string_member(object, "owner"));
    TRY(spec.owner, parse_address(owner));
    return spec;
}

Result<std::string> serialize_signed_spec(
    const DeploymentSpec& spec, const identity::Signed<identity::Deployment>& signature) {
    return json::canonical(
        json::Object{{"spec", spec_json(spec)}, {"signature", identity::to_json(signature)}});
}

Result<SignedSpec> parse_signed_spec(std::string_view text) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMiB, .max_depth = 8}));
    if (!value.is_object()) {
        return invalid("a deployment is a JSON object");
    }
    const json::Object& object = value.get_object();
    TRY_VOID(only_members(object, {"spec", "signature"}, "the deployment"));
    TRY(const json::Object spec_object, json::object_member(object, "spec"));
    TRY(const json::Object signature_object, json::object_member(object, "signature"));
    TRY(DeploymentSpec spec, parse_spec(spec_object));
    TRY(auto signature, identity::from_json<identity::Deployment>(signature_object));
    TRY(const std::string canonical, json::canonical(spec_object));
    const Bytes32 hash{crypto::sha256(canonical)};
    if (signature.fields.spec_hash != hash || signature.fields.owner != spec.owner ||
        signature.fields.created != spec.created.value ||
        signature.fields.max_price != spec.max_price.units()) {
        return invalid("the signature is for another spec");
    }
    return SignedSpec{std::move(spec), std::move(signature), hash};
}

bool is_encrypted_spec(std::string_view text) {
    return text.find("\"ciphertext\"") != std::string_view::npos &&
           text.find("\"spec\"") == std::string_view::npos;
}

}  // namespace decloud::protocol
