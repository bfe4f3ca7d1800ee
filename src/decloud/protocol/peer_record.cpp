#include "peer_record.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace decloud::protocol {

namespace {

/// Keeps a signature for one purpose from being taken for another.
constexpr std::string_view kType = "opencloud-peer+jwt";
constexpr std::size_t kMaxAddresses = 8;
constexpr std::size_t kMaxServices = 64;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxServiceName = 128;
constexpr std::uint64_t kSkewSeconds = 30;
constexpr std::size_t kMaxDepth = 4;

std::unexpected<Error> wrong(std::string what) {
    return fail(CommonError::invalid_input, "a peer's record: " + what);
}

std::string_view algorithm_of(const identity::DidKey& key) {
    return std::holds_alternative<crypto::Ed25519PublicKey>(key) ? "EdDSA" : "ES256";
}

Result<json::Object> decode_part(std::string_view part) {
    TRY(const Bytes bytes, from_base64url(part));
    TRY(json::Value value,
        json::parse(as_text(bytes), {.max_bytes = kMaxPeerRecordBytes, .max_depth = kMaxDepth}));
    if (!value.is_object()) {
        return wrong("its parts are JSON objects");
    }
    return std::move(value.get_object());
}

Result<std::array<std::string_view, 3>> split(std::string_view text) {
    const std::size_t first = text.find('.');
    const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
    if (second == text.npos || text.find('.', second + 1) != text.npos) {
        return wrong("it has three parts with dots between them");
    }
    return std::array{
        text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

Result<std::vector<std::string>> texts_member(
    const json::Object& object, const char* name, std::size_t most, std::size_t most_bytes) {
    TRY(const json::Array array, json::array_member(object, name));
    if (array.size() > most) {
        return wrong(std::string(name) + " has too many members");
    }
    std::vector<std::string> out;
    for (const json::Value& value : array) {
        if (!value.is_string() || value.get_string().empty() ||
            value.get_string().size() > most_bytes) {
            return wrong(std::string(name) + " has a member that is no short text");
        }
        out.emplace_back(value.get_string());
    }
    return out;
}

Result<void> read_addresses(const json::Object& claims, PeerRecord& record) {
    TRY(const auto texts, texts_member(claims, "addresses", kMaxAddresses, kMaxName));
    if (texts.empty()) {
        return wrong("it names no address");
    }
    for (const std::string& text : texts) {
        TRY(net::Url url, net::parse_url(text));
        if (url.scheme == net::Scheme::unix_socket || url.target != "/") {
            return wrong("an address is an http or https URL without a path");
        }
        record.addresses.push_back(std::move(url));
    }
    return {};
}

Result<void> check_times(const PeerRecord& record, UnixSeconds now) {
    if (record.issued.value > now.value + kSkewSeconds) {
        return wrong("it was issued in the future; check both clocks");
    }
    if (record.expires.value + kSkewSeconds <= now.value) {
        return wrong("it has expired");
    }
    if (record.expires <= record.issued ||
        record.expires.value - record.issued.value > kLongestPeerRecordSeconds) {
        return wrong("it holds for more than a day, or not at all");
    }
    return {};
}

Result<PeerRecord> read_claims(const json::Object& claims) {
    PeerRecord record;
    TRY(record.id, json::string_member(claims, "id"));
    TRY(record.name, json::string_member(claims, "name"));
    if (record.name.size() > kMaxName) {
        return wrong("its name is too long");
    }
    TRY_VOID(read_addresses(claims, record));
    TRY(record.services, texts_member(claims, "services", kMaxServices, kMaxServiceName));
    TRY(record.issued.value, json::uint_member(claims, "issued"));
    TRY(record.expires.value, json::uint_member(claims, "expires"));
    return record;
}

}  // namespace

bool PeerRecord::is_at(const net::Url& url) const {
    return std::ranges::any_of(addresses, [&](const net::Url& address) {
        return address.scheme == url.scheme && address.host == url.host && address.port == url.port;
    });
}

json::Object to_json(const PeerRecord& record) {
    json::Array addresses;
    for (const net::Url& url : record.addresses) {
        addresses.emplace_back(url.to_string());
    }
    return {{"id", record.id}, {"name", record.name}, {"addresses", std::move(addresses)},
        {"services", json::Array(record.services.begin(), record.services.end())},
        {"issued", record.issued.value}, {"expires", record.expires.value}};
}

Result<PeerRecord> sign_peer_record(PeerRecord record, const crypto::Ed25519PrivateKey& key) {
    record.id = identity::to_did_key(key.public_key());
    const json::Object header{{"alg", "EdDSA"}, {"kid", record.id}, {"typ", kType}};
    record.text = to_base64url(to_bytes(json::to_text(header))) + '.' +
                  to_base64url(to_bytes(json::to_text(to_json(record))));
    const auto signature = key.sign(to_bytes(record.text));
    record.text += '.' + to_base64url(signature.view());
    return parse_peer_record(record.text, record.issued);
}

Result<PeerRecord> parse_peer_record(std::string_view text, UnixSeconds now) {
    if (text.size() > kMaxPeerRecordBytes) {
        return fail(CommonError::limit_exceeded, "a peer's record is longer than 4096 bytes");
    }
    TRY(const auto parts, split(text));
    TRY(const json::Object header, decode_part(parts[0]));
    TRY(const std::string id, json::string_member(header, "kid"));
    TRY(const std::string type, json::string_member(header, "typ"));
    TRY(const std::string algorithm, json::string_member(header, "alg"));
    TRY(const identity::DidKey key, identity::parse_did_key(id));
    if (type != kType || algorithm != algorithm_of(key) || header.contains("crit")) {
        return wrong("its header has another typ or alg, or a crit");
    }
    TRY(const Bytes signature, from_base64url(parts[2]));
    const std::string_view covered = text.substr(0, parts[0].size() + 1 + parts[1].size());
    if (!identity::verify(key, to_bytes(covered), signature)) {
        return wrong("its signature is not by the key that it names");
    }
    TRY(const json::Object claims, decode_part(parts[1]));
    TRY(PeerRecord record, read_claims(claims));
    if (record.id != id) {
        return wrong("it is signed by another id");
    }
    TRY_VOID(check_times(record, now));
    record.text = text;
    return record;
}

}  // namespace decloud::protocol
