#include "dns_links.hpp"

#include "internal/dns_query.hpp"

#include <decloud/base/ascii.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace decloud::ipfs {

namespace {

constexpr std::string_view kPrefix = "dnslink=";
constexpr std::size_t kMostPath = 1024;
constexpr std::uint64_t kLeastAge = 10;
constexpr std::uint64_t kMostAge = 3600;
constexpr std::uint64_t kAbsentAge = 60;
constexpr std::chrono::seconds kFailedAge{5};

/// "/ipfs/…" or "/ipns/…", printable ASCII.
bool is_path(std::string_view text) {
    constexpr std::size_t kSpace = 6;
    return (text.starts_with("/ipfs/") || text.starts_with("/ipns/")) && text.size() > kSpace &&
           text.size() <= kMostPath &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

/// That is under way: when it ends, however it does, others may ask.
class Asking {
  public:
    using All = std::map<std::string, std::shared_ptr<async::Event>>;

    Asking(All& all, std::string domain, const async::Executor& executor)
        : all_(all), domain_(std::move(domain)), ended_(std::make_shared<async::Event>(executor)) {
        all_.emplace(domain_, ended_);
    }
    ~Asking() {
        all_.erase(domain_);
        ended_->set();
    }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;

  private:
    All& all_;
    std::string domain_;
    std::shared_ptr<async::Event> ended_;
};

Refusal refusal_of(const std::string& domain, const Error& error) {
    return {.status = error == make_error_code(CommonError::timeout) ? 504 : 502,
        .detail = "no DNSLink of " + domain + ": " + error.message(),
        .retry_after = kFailedAge};
}

}  // namespace

Answered<std::string> dnslink_of(std::string_view domain, const std::vector<std::string>& texts) {
    std::optional<std::string> path;
    for (const std::string& text : texts) {
        if (!text.starts_with(kPrefix) || !is_path(std::string_view(text).substr(kPrefix.size()))) {
            continue;
        }
        if (path) {
            return refuse(502, "several TXT records of _dnslink." + std::string(domain) +
                                   " are DNSLinks to content: its owner has to keep one");
        }
        path = text.substr(kPrefix.size());
    }
    if (!path) {
        return refuse(404,
            "no TXT record of _dnslink." + std::string(domain) + " is a DNSLink (dnslink=/ipfs/…)");
    }
    return std::move(*path);
}

DnsLinks::DnsLinks(DnsLinkSettings settings, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

std::optional<DomainLinks::Known> DnsLinks::find(std::string_view domain) const {
    const UnixSeconds now = clock_.unix_seconds();
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(to_lower(domain));
    if (found == entries_.end() || found->second.until <= now) {
        return std::nullopt;
    }
    Known known = found->second.known;
    known.max_age = found->second.until.value - now.value;
    return known;
}

async::Task<DnsLinks::Entry> DnsLinks::look_up(std::string domain) const {
    const auto found = co_await internal::query_dns_texts(
        "_dnslink." + domain, settings_.servers, settings_.limit);
    const std::uint64_t now = clock_.unix_seconds().value;
    if (!found && found.error() != make_error_code(CommonError::not_found)) {
        co_return Entry{.known = {.path = std::unexpected(refusal_of(domain, found.error()))},
            .until = {now + static_cast<std::uint64_t>(kFailedAge.count())}};
    }
    auto path = dnslink_of(domain, found ? found->texts : std::vector<std::string>());
    const auto ttl = found ? static_cast<std::uint64_t>(found->ttl.count()) : kAbsentAge;
    const std::uint64_t most = path ? kMostAge : kAbsentAge;
    co_return Entry{
        .known = {.path = std::move(path)}, .until = {now + std::clamp(ttl, kLeastAge, most)}};
}

void DnsLinks::keep(const std::string& domain, Entry entry) {
    const UnixSeconds now = clock_.unix_seconds();
    const std::scoped_lock lock(mutex_);
    if (entries_.size() >= settings_.most_kept && !entries_.contains(domain)) {
        std::erase_if(entries_, [now](const auto& each) { return each.second.until <= now; });
    }
    if (entries_.size() >= settings_.most_kept && !entries_.contains(domain)) {
        // The one that would go first.
        entries_.erase(std::ranges::min_element(
            entries_, {}, [](const auto& each) { return each.second.until; }));
    }
    entries_.insert_or_assign(domain, std::move(entry));
}

async::Task<Result<void>> DnsLinks::ask(std::string domain) {
    domain = to_lower(domain);
    while (!find(domain)) {
        if (const auto running = asking_.find(domain); running != asking_.end()) {
            const std::shared_ptr<async::Event> ended = running->second;
            CO_TRY_VOID(co_await ended->wait(2 * settings_.limit));
            // Without an answer if its client hung up: then this one asks.
            continue;
        }
        if (asking_.size() >= settings_.most_at_once) {
            co_return fail(CommonError::limit_exceeded, "too many domains are being asked for");
        }
        const Asking asking(asking_, domain, co_await boost::asio::this_coro::executor);
        keep(domain, co_await look_up(domain));
        co_return Result<void>{};
    }
    co_return Result<void>{};
}

}  // namespace decloud::ipfs
