#include "ipns_publisher.hpp"

#include <decloud/base/json.hpp>
#include <decloud/multiformats/ipns_signing.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace decloud::ipfs {

namespace {

using multiformats::IpnsRecord;

constexpr std::string_view kPrefix = "ipns-publication/";
constexpr std::chrono::seconds kShortestLifetime = std::chrono::minutes(10);
constexpr std::chrono::seconds kLongestLifetime = std::chrono::hours(24 * 365);

std::string record_key(std::string_view key) { return std::string(kPrefix) + std::string(key); }

Result<void> check(const Publication& publication) {
    if (publication.lifetime < kShortestLifetime || publication.lifetime > kLongestLifetime) {
        return fail(CommonError::invalid_input, "a lifetime is from ten minutes to a year");
    }
    if (publication.ttl < std::chrono::seconds(0) || publication.ttl > publication.lifetime) {
        return fail(CommonError::invalid_input, "a TTL is at most the lifetime");
    }
    return {};
}

}  // namespace

struct IpnsPublisher::Stored {
    Publication publication;
    std::uint64_t sequence = 0;

    [[nodiscard]] Bytes to_bytes() const {
        return decloud::to_bytes(json::to_text(json::Object{{"key", publication.key},
            {"value", publication.value}, {"lifetime", publication.lifetime.count()},
            {"ttl", publication.ttl.count()}, {"sequence", sequence}}));
    }
    static Result<Stored> parse(BytesView bytes) {
        TRY(const json::Value value, json::parse(as_text(bytes), {.max_bytes = 64 * 1024}));
        if (!value.is_object()) {
            return fail(CommonError::corrupt, "a publication that cannot be read");
        }
        const json::Object& object = value.get_object();
        Stored out;
        TRY(out.publication.key, json::string_member(object, "key"));
        TRY(out.publication.value, json::string_member(object, "value"));
        TRY(const std::uint64_t lifetime, json::uint_member(object, "lifetime"));
        TRY(const std::uint64_t ttl, json::uint_member(object, "ttl"));
        TRY(out.sequence, json::uint_member(object, "sequence"));
        out.publication.lifetime = std::chrono::seconds(lifetime);
        out.publication.ttl = std::chrono::seconds(ttl);
        return out;
    }
};

Result<IpnsPublisher::Published> IpnsPublisher::sign(
    const Publication& publication, std::uint64_t sequence) {
    TRY(const auto key, keys_(publication.key));
    const UnixSeconds now = clock_.unix_seconds();
    const IpnsRecord record{.value = publication.value,
        .sequence = sequence,
        .valid_until = {now.value + static_cast<std::uint64_t>(publication.lifetime.count())},
        .ttl = publication.ttl};
    TRY(const Bytes bytes, multiformats::sign_ipns_record(key, record));
    auto name = multiformats::ipns_name(key.public_key());
    // Before the record is out, so that no sequence is given away twice.
    TRY_VOID(
        publications_.put(record_key(publication.key), Stored{publication, sequence}.to_bytes()));
    TRY_VOID(records_.put(name, bytes, now));
    return Published{.name = std::move(name), .record = record};
}

Result<IpnsPublisher::Published> IpnsPublisher::publish(const Publication& publication) {
    TRY_VOID(check(publication));
    const std::scoped_lock lock(mutex_);
    TRY(const auto key, keys_(publication.key));
    TRY(const auto held,
        records_.find(multiformats::ipns_name(key.public_key()), clock_.unix_seconds()));
    TRY(const auto bytes, publications_.get(record_key(publication.key)));
    std::optional<std::uint64_t> last;
    bool same = true;
    if (bytes) {
        TRY(const Stored stored, Stored::parse(*bytes));
        last = stored.sequence;
        same = stored.publication.value == publication.value;
    }
    if (held && held->record.sequence >= last.value_or(0)) {
        last = held->record.sequence;
        // One that would end later says the same for longer than it should.
        same = held->record.value == publication.value &&
               held->record.valid_until.value <=
                   clock_.unix_seconds().value +
                       static_cast<std::uint64_t>(publication.lifetime.count());
    }
    return sign(publication, !last ? 0 : same ? *last : *last + 1);
}

Result<void> IpnsPublisher::withdraw(std::string_view key) {
    const std::scoped_lock lock(mutex_);
    TRY(const auto bytes, publications_.get(record_key(key)));
    if (!bytes) {
        return fail(CommonError::not_found,
            "nothing is published under the key \"" + std::string(key) + "\"");
    }
    return publications_.remove(record_key(key));
}

Result<bool> IpnsPublisher::renew_if_due(const Stored& stored) {
    TRY(const auto key, keys_(stored.publication.key));
    const UnixSeconds now = clock_.unix_seconds();
    TRY(const auto held, records_.find(multiformats::ipns_name(key.public_key()), now));
    if (held && held->record.sequence > stored.sequence) {
        return fail(CommonError::conflict, "a newer record was made elsewhere with the same key");
    }
    const auto half = static_cast<std::uint64_t>(stored.publication.lifetime.count()) / 2;
    if (held && held->record.valid_until.value > now.value + half) {
        return false;
    }
    TRY_VOID(sign(stored.publication, stored.sequence));
    return true;
}

Result<IpnsPublisher::Renewed> IpnsPublisher::renew() {
    const std::scoped_lock lock(mutex_);
    TRY(const auto all, publications_.list(kPrefix));
    Renewed out;
    for (const auto& [key, bytes] : all) {
        const auto stored = Stored::parse(bytes);
        auto renewed = stored ? renew_if_due(*stored) : Result<bool>(fail(stored.error()));
        if (!renewed) {
            out.problems.push_back(key.substr(kPrefix.size()) + ": " + renewed.error().message());
        } else if (*renewed) {
            ++out.records;
        }
    }
    return out;
}

}  // namespace decloud::ipfs
