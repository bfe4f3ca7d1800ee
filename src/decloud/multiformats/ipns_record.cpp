#include "ipns_record.hpp"

#include "internal/protobuf.hpp"
#include "ipld.hpp"
#include "multibase.hpp"

#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/foreign_signature.hpp>
#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <optional>

namespace decloud::multiformats {

namespace {

using internal::ProtobufField;
using internal::ProtobufReader;

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kEndOfLife = 0;
constexpr std::string_view kSignaturePrefix = "ipns-signature:";

std::unexpected<Error> bad(std::string_view problem) {
    return fail(CommonError::invalid_input, "IPNS record: " + std::string(problem));
}

std::unexpected<Error> unsigned_record(std::string_view problem) {
    return fail(CommonError::permission_denied, "IPNS record: " + std::string(problem));
}

/// The message `IpnsEntry`; views into the record.
struct Entry {
    std::optional<BytesView> value;
    std::optional<BytesView> signature_v1;
    std::optional<std::uint64_t> validity_type;
    std::optional<BytesView> validity;
    std::optional<std::uint64_t> sequence;
    std::optional<std::uint64_t> ttl;
    std::optional<BytesView> public_key;
    std::optional<BytesView> signature_v2;
    std::optional<BytesView> data;
};

Result<void> take(Entry& entry, const ProtobufField& field) {
    using Kind = ProtobufField::Kind;
    struct BytesSlot {
        std::uint64_t number;
        std::optional<BytesView>* slot;
    };
    struct NumberSlot {
        std::uint64_t number;
        std::optional<std::uint64_t>* slot;
    };
    for (const BytesSlot& each : {BytesSlot{1, &entry.value}, BytesSlot{2, &entry.signature_v1},
             BytesSlot{4, &entry.validity}, BytesSlot{7, &entry.public_key},
             BytesSlot{8, &entry.signature_v2}, BytesSlot{9, &entry.data}}) {
        if (field.is(each.number, Kind::bytes)) {
            if (each.slot->has_value()) {
                return bad("a field twice");
            }
            *each.slot = field.bytes;
        }
    }
    for (const NumberSlot& each : {NumberSlot{3, &entry.validity_type},
             NumberSlot{5, &entry.sequence}, NumberSlot{6, &entry.ttl}}) {
        if (field.is(each.number, Kind::varint)) {
            if (each.slot->has_value()) {
                return bad("a field twice");
            }
            *each.slot = field.value;
        }
    }
    return {};
}

Result<Entry> parse_entry(BytesView record) {
    if (record.size() > kMaxIpnsRecord) {
        return fail(CommonError::limit_exceeded, "IPNS record: larger than 10 KiB");
    }
    Entry entry;
    ProtobufReader reader(record);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        TRY_VOID(take(entry, field));
    }
    return entry;
}

/// The message `PublicKey` of libp2p.
struct PublicKey {
    std::uint64_t type = 0;
    BytesView data;
};

Result<PublicKey> parse_public_key(BytesView encoded) {
    PublicKey key;
    ProtobufReader reader(encoded);
    while (!reader.done()) {
        TRY(const ProtobufField field, reader.next());
        if (field.is(1, ProtobufField::Kind::varint)) {
            key.type = field.value;
        } else if (field.is(2, ProtobufField::Kind::bytes)) {
            key.data = field.bytes;
        }
    }
    return key;
}

/// The key that the name stands for, in its encoding: out of the name, or out of the record.
Result<BytesView> key_of(const IpnsName& name, const Entry& entry) {
    if (name.hash().code() == HashCode::identity) {
        return name.hash().digest();
    }
    if (!entry.public_key) {
        return unsigned_record("it is without its key");
    }
    TRY(const bool is_named, name.hash().matches(*entry.public_key));
    return is_named ? Result<BytesView>(*entry.public_key)
                    : Result<BytesView>(unsigned_record("it is of another key"));
}

Result<bool> is_signed(BytesView encoded_key, BytesView message, BytesView signature) {
    constexpr std::uint64_t kRsa = 0;
    constexpr std::uint64_t kEd25519 = 1;
    constexpr std::uint64_t kSecp256k1 = 2;
    TRY(const PublicKey key, parse_public_key(encoded_key));
    switch (key.type) {
        case kRsa:
            return crypto::verify_rsa_sha256(key.data, message, signature);
        case kEd25519: {
            const auto fixed = crypto::Ed25519PublicKey::from(key.data);
            return fixed && crypto::verify(*fixed, message, signature);
        }
        case kSecp256k1:
            return crypto::verify_secp256k1_der(key.data, message, signature);
        default:
            return bad("a kind of key that is not known");
    }
}

template <class T>
Result<T> member(const IpldValue& data, std::string_view key) {
    const IpldValue* const found = data.find(key);
    const T* const value = found == nullptr ? nullptr : std::get_if<T>(&found->value);
    return value == nullptr ? Result<T>(bad("its data is without " + std::string(key)))
                            : Result<T>(*value);
}

/// "2123-05-14T13:48:05.123456789Z" (RFC 3339, UTC), whole seconds.
Result<UnixSeconds> parse_time(std::string_view text) {
    constexpr std::string_view kShape = "0000-00-00T00:00:00";
    const bool has_shape =
        text.size() > kShape.size() && text.ends_with('Z') &&
        std::ranges::equal(text.substr(0, kShape.size()), kShape,
            [](char c, char shape) { return shape == '0' ? c >= '0' && c <= '9' : c == shape; }) &&
        (text.size() == kShape.size() + 1 || text[kShape.size()] == '.');
    if (!has_shape) {
        return bad("a validity that is no time");
    }
    const auto number = [text](std::size_t at, std::size_t count) {
        unsigned value = 0;
        for (const char digit : text.substr(at, count)) {
            value = value * 10 + static_cast<unsigned>(digit - '0');
        }
        return value;
    };
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(number(0, 4))),
        std::chrono::month(number(5, 2)), std::chrono::day(number(8, 2))};
    if (!date.ok() || date.year() < std::chrono::year(1970) || number(11, 2) > 23 ||
        number(14, 2) > 59 || number(17, 2) > 60) {
        return bad("a validity that is no time");
    }
    const std::chrono::seconds moment = std::chrono::sys_days(date).time_since_epoch();
    return UnixSeconds{static_cast<std::uint64_t>(moment.count()) +
                       std::uint64_t{number(11, 2)} * 3600 + std::uint64_t{number(14, 2)} * 60 +
                       number(17, 2)};
}

/// What is not signed must not say otherwise, as others may still read it.
bool agrees(const Entry& entry, BytesView value, BytesView validity, const IpldValue& data) {
    if (!entry.value && !entry.signature_v1) {
        return true;
    }
    const auto number = [&data](std::string_view key) {
        return member<std::uint64_t>(data, key).value_or(0);
    };
    return std::ranges::equal(entry.value.value_or(BytesView()), value) &&
           std::ranges::equal(entry.validity.value_or(BytesView()), validity) &&
           entry.validity_type.value_or(0) == number("ValidityType") &&
           entry.sequence.value_or(0) == number("Sequence") &&
           entry.ttl.value_or(0) == number("TTL");
}

}  // namespace

Result<IpnsName> IpnsName::parse(std::string_view text) {
    if (text.starts_with("Qm") || text.starts_with("1")) {
        TRY(const Bytes bytes, decode_digits(Multibase::base58btc, text));
        TRY(auto read, Multihash::read(bytes));
        if (read.size != bytes.size()) {
            return fail(CommonError::invalid_input, "something follows the hash of a name");
        }
        return IpnsName(std::move(read.hash));
    }
    TRY(const Cid cid, Cid::parse(text));
    if (cid.codec() != Codec::libp2p_key && cid.codec() != Codec::dag_pb) {
        return fail(CommonError::invalid_input, "a cid that is no libp2p key");
    }
    return IpnsName(cid.hash());
}

std::string IpnsName::to_string() const {
    return Cid::v1(Codec::libp2p_key, hash_).to_string(Multibase::base36);
}

Result<IpnsRecord> verify_ipns_record(const IpnsName& name, BytesView record) {
    TRY(const Entry entry, parse_entry(record));
    if (!entry.signature_v2 || !entry.data) {
        return unsigned_record("it has no signature V2");
    }
    TRY(const BytesView key, key_of(name, entry));
    Bytes message = to_bytes(kSignaturePrefix);
    append(message, *entry.data);
    TRY(const bool valid, is_signed(key, message, *entry.signature_v2));
    if (!valid) {
        return unsigned_record("its signature V2 is wrong");
    }
    TRY(const IpldValue data, decode_dag_cbor(*entry.data, {.max_bytes = kMaxIpnsRecord}));
    TRY(const Bytes value, member<Bytes>(data, "Value"));
    TRY(const Bytes validity, member<Bytes>(data, "Validity"));
    TRY(const auto type, member<std::uint64_t>(data, "ValidityType"));
    TRY(const auto sequence, member<std::uint64_t>(data, "Sequence"));
    TRY(const auto ttl, member<std::uint64_t>(data, "TTL"));
    if (type != kEndOfLife) {
        return bad("a validity that is no end of life");
    }
    if (!agrees(entry, value, validity, data)) {
        return bad("its fields V1 say something else than those that are signed");
    }
    TRY(const UnixSeconds until, parse_time(as_text(validity)));
    return IpnsRecord{.value = std::string(as_text(value)),
        .sequence = sequence,
        .valid_until = until,
        .ttl = std::chrono::seconds(ttl / kNanosecondsPerSecond)};
}

}  // namespace decloud::multiformats
