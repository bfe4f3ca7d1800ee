#pragma once

#include "names.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// How DNSLinks are asked for, and kept.
struct DnsLinkSettings {
    /// "ADDRESS:PORT,…"; empty: the system's servers.
    std::string servers{};
    /// For one domain, repetitions included.
    std::chrono::milliseconds limit{5'000};
    /// Domains that are asked about at a time; further ones are refused.
    std::size_t most_at_once = 32;
    /// Domains that are remembered.
    std::size_t most_kept = 4'096;
};

/// DNSLinks by DNS (dnslink.dev): the TXT records of `_dnslink.DOMAIN`. What was found is kept for
/// its TTL, 10 seconds to an hour; what is not there for a minute; that nobody answered for 5
/// seconds. `find` is thread safe; the rest is single threaded, used on the executor of who asks.
class DnsLinks final : public DomainLinks {
  public:
    /// `clock` outlives it. Nothing is opened before something is asked.
    DnsLinks(DnsLinkSettings settings, const Clock& clock);

    [[nodiscard]] std::optional<Known> find(std::string_view domain) const override;

    /// Asks, unless the answer is known, once however many wait. Afterwards `find` knows something
    /// of the domain, if only that nobody answered. Errors: limit_exceeded if too much is asked;
    /// timeout. Outlives the task.
    [[nodiscard]] async::Task<Result<void>> ask(std::string domain);

  private:
    struct Entry {
        Known known;
        UnixSeconds until;
    };
    [[nodiscard]] async::Task<Entry> look_up(std::string domain) const;
    void keep(const std::string& domain, Entry entry);

    DnsLinkSettings settings_;
    const Clock& clock_;
    mutable std::mutex mutex_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, std::shared_ptr<async::Event>> asking_;
};

/// The content path that the TXT records of a domain say. Refusals: 404 if none does, 502 if
/// several do.
[[nodiscard]] Answered<std::string> dnslink_of(
    std::string_view domain, const std::vector<std::string>& texts);

}  // namespace decloud::ipfs
