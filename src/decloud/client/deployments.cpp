#include "deployments.hpp"

#include "error.hpp"

#include <decloud/store/atomic_file.hpp>
#include <decloud/store/error.hpp>

#include <algorithm>

namespace decloud::client {

namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::uint64_t kMaxFileBytes = 64U << 20U;

json::Object to_json(const DeployedVersion& version) {
    return {{"cid", version.cid}, {"created", version.created.value},
        {"providers", json::Array(version.providers.begin(), version.providers.end())},
        {"public", version.is_public}, {"owner", to_string(version.owner)},
        {"specHash", to_string(version.spec_hash)}, {"maxPrice", to_string(version.max_price)},
        {"fingerprint", version.fingerprint}, {"revoked", version.revoked}};
}

Result<DeployedVersion> parse_version(const json::Object& object) {
    DeployedVersion version;
    TRY(version.cid, json::string_member(object, "cid"));
    TRY(version.created.value, json::uint_member(object, "created"));
    TRY(const json::Array providers, json::array_member(object, "providers"));
    for (const json::Value& provider : providers) {
        if (!provider.is_string()) {
            return fail(CommonError::invalid_input, "a provider is a text");
        }
        version.providers.emplace_back(provider.get_string());
    }
    TRY(version.is_public, json::bool_member(object, "public"));
    TRY(const std::string owner, json::string_member(object, "owner"));
    TRY(version.owner, parse_address(owner));
    TRY(const std::string hash, json::string_member(object, "specHash"));
    TRY(version.spec_hash, parse_bytes32(hash));
    TRY(const std::string price, json::string_member(object, "maxPrice"));
    TRY(version.max_price, parse_amount(price));
    TRY(version.fingerprint, json::string_member(object, "fingerprint"));
    TRY(version.revoked, json::bool_member(object, "revoked"));
    return version;
}

Result<NamedFunction> parse_function(const json::Value& value) {
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a function is an object");
    }
    NamedFunction out;
    TRY(out.current, json::string_member(value.get_object(), "current"));
    TRY(const json::Array versions, json::array_member(value.get_object(), "versions"));
    for (const json::Value& version : versions) {
        if (!version.is_object()) {
            return fail(CommonError::invalid_input, "a version is an object");
        }
        TRY(DeployedVersion parsed, parse_version(version.get_object()));
        out.versions.push_back(std::move(parsed));
    }
    return out;
}

Result<std::map<std::string, NamedFunction>> parse_functions(const json::Object& root) {
    TRY(const json::Object functions, json::object_member(root, "functions"));
    std::map<std::string, NamedFunction> out;
    for (const auto& entry : functions) {
        TRY(NamedFunction function, parse_function(entry.value()));
        out.emplace(std::string(entry.key()), std::move(function));
    }
    return out;
}

}  // namespace

const DeployedVersion* NamedFunction::current_version() const {
    const auto found = std::ranges::find(versions, current, &DeployedVersion::cid);
    return found == versions.end() ? nullptr : &*found;
}

DeployedVersion* NamedFunction::find(std::string_view cid) {
    const auto found = std::ranges::find(versions, cid, &DeployedVersion::cid);
    return found == versions.end() ? nullptr : &*found;
}

Result<Deployments> Deployments::load(const std::filesystem::path& file) {
    Deployments out;
    auto text = store::read_file(file, kMaxFileBytes);
    if (!text && text.error() == make_error_code(CommonError::not_found)) {
        return out;
    }
    if (!text) {
        return fail(std::move(text.error()));
    }
    const auto corrupt = [&](const Error& error) {
        return fail(CommonError::corrupt, file.string() + ": " + error.message());
    };
    auto value = json::parse(as_text(*text), {.max_bytes = kMaxFileBytes, .max_depth = 8});
    if (!value || !value->is_object()) {
        return corrupt(value ? Error(CommonError::invalid_input) : value.error());
    }
    const auto format = json::uint_member(value->get_object(), "format");
    if (!format) {
        return corrupt(format.error());
    }
    if (*format > kFormat) {
        return fail(StoreError::newer_format,
            file.string() + " has format " + std::to_string(*format) + ", this decloud knows 1");
    }
    auto functions = parse_functions(value->get_object());
    if (!functions) {
        return corrupt(functions.error());
    }
    out.functions_ = std::move(*functions);
    return out;
}

Result<void> Deployments::save(const std::filesystem::path& file) const {
    json::Object functions;
    for (const auto& [name, function] : functions_) {
        json::Array versions;
        for (const DeployedVersion& version : function.versions) {
            versions.emplace_back(to_json(version));
        }
        functions[name] =
            json::Object{{"current", function.current}, {"versions", std::move(versions)}};
    }
    const json::Object root{{"format", kFormat}, {"functions", std::move(functions)}};
    return store::write_file_atomically(file, as_bytes(json::to_text(root) + "\n"));
}

NamedFunction* Deployments::find(std::string_view name) {
    const auto found = functions_.find(std::string(name));
    return found == functions_.end() ? nullptr : &found->second;
}

Result<Deployments::Match> Deployments::resolve(std::string_view name_or_cid) const {
    if (const auto found = functions_.find(std::string(name_or_cid)); found != functions_.end()) {
        if (const DeployedVersion* version = found->second.current_version()) {
            return Match{found->first, *version};
        }
    }
    for (const auto& [name, function] : functions_) {
        for (const DeployedVersion& version : function.versions) {
            if (version.cid == name_or_cid) {
                return Match{name, version};
            }
        }
    }
    return fail_with_help(ClientError::not_found,
        "this home has deployed nothing called " + std::string(name_or_cid),
        "decloud ls shows what it has deployed");
}

UnixSeconds Deployments::next_creation(std::string_view name, UnixSeconds now) const {
    if (const auto found = functions_.find(std::string(name)); found != functions_.end()) {
        for (const DeployedVersion& version : found->second.versions) {
            now.value = std::max(now.value, version.created.value + 1);
        }
    }
    return now;
}

void Deployments::add(const std::string& name, DeployedVersion version) {
    NamedFunction& function = functions_[name];
    function.current = version.cid;
    if (DeployedVersion* known = function.find(version.cid)) {
        *known = std::move(version);
        return;
    }
    function.versions.push_back(std::move(version));
}

}  // namespace decloud::client
