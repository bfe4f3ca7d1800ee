#include "ipns_signing.hpp"

#include "internal/protobuf.hpp"
#include "ipld.hpp"

#include <utility>

namespace decloud::multiformats {

namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kEndOfLife = 0;

/// The message `PublicKey` of libp2p.
Bytes encoded_key(const crypto::Ed25519PublicKey& key) {
    constexpr std::uint64_t kEd25519 = 1;
    Bytes out;
    internal::append_varint_field(out, 1, kEd25519);
    internal::append_bytes_field(out, 2, key.view());
    return out;
}

/// "/ipfs/…" or "/ipns/…" with something behind.
bool is_content_path(std::string_view value) {
    return (value.starts_with("/ipfs/") || value.starts_with("/ipns/")) &&
           value.size() > sizeof("/ipfs/") - 1;
}

}  // namespace

IpnsName ipns_name(const crypto::Ed25519PublicKey& key) {
    auto hash = Multihash::make(HashCode::identity, encoded_key(key));
    auto name = IpnsName::parse(
        Cid::v1(Codec::libp2p_key, std::move(hash.value())).to_string(Multibase::base36));
    return std::move(name.value());
}

Result<Bytes> sign_ipns_record(const crypto::Ed25519PrivateKey& key, const IpnsRecord& record) {
    if (!is_content_path(record.value)) {
        return fail(CommonError::invalid_input,
            "\"" + record.value + "\" is no content path: it starts with /ipfs/ or /ipns/");
    }
    std::string until = format_utc(record.valid_until);
    until.insert(until.size() - 1, ".000000000");
    const Bytes value = to_bytes(std::string_view(record.value));
    const Bytes validity = to_bytes(std::string_view(until));
    const std::uint64_t ttl =
        static_cast<std::uint64_t>(record.ttl.count()) * kNanosecondsPerSecond;
    const Bytes data = encode_dag_cbor({IpldValue::Map{{"Value", {value}}, {"Validity", {validity}},
        {"ValidityType", {kEndOfLife}}, {"Sequence", {record.sequence}}, {"TTL", {ttl}}}});

    Bytes message_v1 = value;
    append(message_v1, BytesView(validity));
    append(message_v1, std::string_view("EOL"));
    Bytes message_v2 = to_bytes(std::string_view("ipns-signature:"));
    append(message_v2, BytesView(data));
    const auto signature_v1 = key.sign(message_v1);
    const auto signature_v2 = key.sign(message_v2);

    Bytes out;
    internal::append_bytes_field(out, 1, value);
    internal::append_bytes_field(out, 2, signature_v1.view());
    internal::append_varint_field(out, 3, kEndOfLife);
    internal::append_bytes_field(out, 4, validity);
    internal::append_varint_field(out, 5, record.sequence);
    internal::append_varint_field(out, 6, ttl);
    internal::append_bytes_field(out, 8, signature_v2.view());
    internal::append_bytes_field(out, 9, data);
    if (out.size() > kMaxIpnsRecord) {
        return fail(CommonError::limit_exceeded, "an IPNS record larger than 10 KiB");
    }
    return out;
}

}  // namespace decloud::multiformats
