#pragma once

#include "ipns_records.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/multiformats/ipns_record.hpp>
#include <decloud/store/record_store.hpp>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// What a name is to say.
struct Publication {
    /// Of the key that signs.
    std::string key;
    /// A content path, "/ipfs/…" or "/ipns/…".
    std::string value;
    /// How long a record is valid; renewed when less than half of it is left. Ten minutes to a
    /// year.
    std::chrono::seconds lifetime = std::chrono::hours(48);
    /// How long others may keep it without asking again; at most the lifetime.
    std::chrono::seconds ttl = std::chrono::minutes(5);
};

/// Signs records of this node's own names, keeps them where names are looked up, and renews them.
/// What is published is durable. Thread safe; calls block on the disk.
class IpnsPublisher {
  public:
    /// Gives a key by its name, made if it is missing.
    using KeySource = std::function<Result<crypto::Ed25519PrivateKey>(std::string_view key)>;

    /// All of it outlives this.
    IpnsPublisher(
        KeySource keys, IpnsRecords& records, store::RecordStore& publications, const Clock& clock)
        : keys_(std::move(keys)), records_(records), publications_(publications), clock_(clock) {}

    /// A name and what it says now.
    struct Published {
        multiformats::IpnsName name;
        multiformats::IpnsRecord record;
    };
    /// Publishes, and goes on renewing. The sequence goes up with each new value. Errors:
    /// invalid_input, limit_exceeded, those of keys and records.
    [[nodiscard]] Result<Published> publish(const Publication& publication);
    /// Renews it no more; its last record stays valid until its end. Error: not_found.
    [[nodiscard]] Result<void> withdraw(std::string_view key);

    /// Signs again what is due.
    struct Renewed {
        std::size_t records = 0;
        /// Names of keys whose record could not be renewed, with the reason.
        std::vector<std::string> problems{};
    };
    [[nodiscard]] Result<Renewed> renew();

  private:
    struct Stored;
    [[nodiscard]] Result<Published> sign(const Publication& publication, std::uint64_t sequence);
    [[nodiscard]] Result<bool> renew_if_due(const Stored& stored);

    KeySource keys_;
    IpnsRecords& records_;
    store::RecordStore& publications_;
    const Clock& clock_;
    std::mutex mutex_;
};

}  // namespace decloud::ipfs
