#include "opencloud_id.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/protocol/succession.hpp>
#include <decloud/store/atomic_file.hpp>

#include <algorithm>
#include <utility>

namespace decloud::client {

namespace {

constexpr std::string_view kKey = "opencloud-id";
/// What a request may bring.
constexpr std::size_t kMostEarlier = 8;
constexpr std::uint64_t kMaxFile = 64 * 1024;
constexpr std::uint64_t kTenYears = std::uint64_t{10} * 365 * 86'400;

using Claims = std::vector<protocol::CredentialClaim>;

Result<std::string> id_of(const crypto::Secret& seed) {
    TRY(const auto key, crypto::Ed25519PrivateKey::from_seed(seed.view()));
    return identity::to_did_key(key.public_key());
}

Result<protocol::CredentialClaim> parse_claim(const json::Value& value) {
    if (!value.is_object()) {
        return fail(CommonError::corrupt, "a succession is an object");
    }
    protocol::CredentialClaim claim;
    TRY(claim.id, json::string_member(value.as_object(), "id"));
    TRY(claim.by, json::string_member(value.as_object(), "by"));
    TRY(claim.proof, json::string_member(value.as_object(), "proof"));
    TRY(claim.expires.value, json::uint_member(value.as_object(), "exp"));
    const auto written =
        protocol::parse_credential_claims(protocol::format_credential_claims({claim}));
    if (!written) {
        return fail(CommonError::corrupt, written.error().detail());
    }
    return claim;
}

Result<Claims> read_claims(const std::filesystem::path& file) {
    const auto bytes = store::read_file(file, kMaxFile);
    if (!bytes && bytes.error() == make_error_code(CommonError::not_found)) {
        return Claims();
    }
    const auto corrupt = [&file](const Error& error) {
        return fail(CommonError::corrupt, file.string() + ": " + error.detail());
    };
    if (!bytes) {
        return fail(bytes.error());
    }
    const auto value = json::parse(as_text(*bytes), {.max_bytes = kMaxFile});
    if (!value || !value->is_object()) {
        return fail(CommonError::corrupt, file.string() + " is not JSON");
    }
    const auto rows = json::array_member(value->as_object(), "successions");
    if (!rows) {
        return corrupt(rows.error());
    }
    Claims out;
    for (const json::Value& row : *rows) {
        auto claim = parse_claim(row);
        if (!claim) {
            return corrupt(claim.error());
        }
        out.push_back(std::move(*claim));
    }
    return out;
}

Result<void> write_claims(const std::filesystem::path& file, const Claims& claims) {
    json::Array rows;
    for (const protocol::CredentialClaim& claim : claims) {
        rows.emplace_back(json::Object{{"id", claim.id}, {"by", claim.by},
            {"exp", claim.expires.value}, {"proof", claim.proof}});
    }
    const std::string text = json::to_text(json::Object{{"successions", std::move(rows)}}) + "\n";
    return store::write_file_atomically(file, as_bytes(text));
}

/// Those that lead to `id`, the latest first. A rotation that a crash has cut off leads nowhere.
Claims line_of(std::string id, const Claims& all) {
    Claims line;
    while (line.size() < kMostEarlier) {
        const auto before = std::ranges::find(all, id, [](const auto& claim) { return claim.by; });
        if (before == all.end()) {
            break;
        }
        line.push_back(*before);
        id = before->id;
    }
    return line;
}

}  // namespace

std::string OpenCloudId::credentials() const { return protocol::format_credential_claims(earlier); }

Result<OpenCloudId> open_opencloud_id(
    identity::KeyStore& keys, const std::filesystem::path& successions) {
    TRY(crypto::Secret seed, keys.mac_key(kKey));
    TRY(std::string id, id_of(seed));
    TRY(const Claims all, read_claims(successions));
    auto earlier = line_of(id, all);
    return OpenCloudId{.seed = std::move(seed), .id = std::move(id), .earlier = std::move(earlier)};
}

Result<OpenCloudId> rotate_opencloud_id(
    identity::KeyStore& keys, const std::filesystem::path& successions, UnixSeconds now) {
    TRY(const OpenCloudId before, open_opencloud_id(keys, successions));
    TRY(const auto old, crypto::Ed25519PrivateKey::from_seed(before.seed.view()));
    crypto::Secret seed = crypto::Secret::random(32);
    TRY(std::string id, id_of(seed));
    protocol::CredentialClaim claim{
        .id = before.id, .expires = {now.value + kTenYears}, .proof = {}, .by = id};
    claim.proof = to_base64(old.sign(as_bytes(protocol::succession_text(claim))).view());
    Claims all = before.earlier;
    all.insert(all.begin(), std::move(claim));
    TRY_VOID(write_claims(successions, all));
    TRY_VOID(keys.replace_mac_key(kKey, seed));
    all.resize(std::min(all.size(), kMostEarlier));
    return OpenCloudId{.seed = std::move(seed), .id = std::move(id), .earlier = std::move(all)};
}

}  // namespace decloud::client
