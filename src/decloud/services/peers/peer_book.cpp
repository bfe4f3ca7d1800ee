#include "peer_book.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace decloud::services {

namespace {

UnixSeconds after(UnixSeconds time, std::chrono::seconds pause) {
    return {time.value + static_cast<std::uint64_t>(pause.count())};
}

}  // namespace

void PeerBook::Queue::push(const net::Url& url) {
    if (texts_.insert(url.to_string()).second) {
        order_.push_back(url);
    }
}

net::Url PeerBook::Queue::pop() {
    net::Url first = std::move(order_.front());
    order_.pop_front();
    texts_.erase(first.to_string());
    return first;
}

PeerBook::PeerBook(
    const Clock& clock, std::string own_id, std::string own_address, PeerBookLimits limits)
    : clock_(clock),
      own_id_(std::move(own_id)),
      own_address_(std::move(own_address)),
      limits_(limits) {}

bool PeerBook::is_own(const protocol::PeerRecord& record) const { return record.id == own_id_; }

bool PeerBook::may_ask(const std::string& address) const {
    const auto found = resting_.find(address);
    return address != own_address_ &&
           (found == resting_.end() || found->second.until <= clock_.unix_seconds());
}

void PeerBook::forget() {
    const UnixSeconds now = clock_.unix_seconds();
    std::erase_if(peers_, [&](const auto& entry) {
        return entry.second.record.expires <= now ||
               after(entry.second.seen, limits_.silence) <= now;
    });
    std::erase_if(resting_,
        [&](const auto& entry) { return after(entry.second.until, entry.second.retry) <= now; });
}

bool PeerBook::saw(const net::Url& asked, protocol::PeerRecord record) {
    if (is_own(record) || !record.is_at(asked)) {
        return false;
    }
    forget();
    const UnixSeconds now = clock_.unix_seconds();
    resting_[asked.to_string()] = {.until = after(now, limits_.between_questions)};
    const auto known = peers_.find(record.id);
    if (known != peers_.end()) {
        known->second.seen = now;
        known->second.address = asked;
        if (known->second.record.issued < record.issued) {
            known->second.record = std::move(record);
        }
        return true;
    }
    if (peers_.size() >= limits_.peers) {
        peers_.erase(std::ranges::min_element(
            peers_, {}, [](const auto& entry) { return entry.second.seen; }));
    }
    std::string id = record.id;
    peers_.emplace(std::move(id), Peer{.record = std::move(record), .address = asked, .seen = now});
    return true;
}

void PeerBook::failed(const net::Url& asked) {
    Rest& rest = resting_[asked.to_string()];
    rest.retry = std::clamp(rest.retry * 2, limits_.retry, limits_.between_questions);
    rest.until = after(clock_.unix_seconds(), rest.retry);
}

bool PeerBook::hear(const net::Url& address) {
    forget();
    const std::string text = address.to_string();
    if (!may_ask(text) || heard_.size() >= limits_.candidates || suggested_.contains(text) ||
        heard_.contains(text)) {
        return false;
    }
    if (std::ranges::any_of(
            peers_, [&](const auto& entry) { return entry.second.address == address; })) {
        return false;
    }
    heard_.push(address);
    return true;
}

void PeerBook::suggest(const std::vector<net::Url>& addresses) {
    for (const net::Url& address : addresses) {
        if (suggested_.size() < limits_.candidates && may_ask(address.to_string())) {
            suggested_.push(address);
        }
    }
}

std::vector<net::Url> PeerBook::due_peers(std::size_t most) const {
    std::vector<const Peer*> due;
    for (const auto& [id, peer] : peers_) {
        if (may_ask(peer.address.to_string())) {
            due.push_back(&peer);
        }
    }
    std::ranges::sort(due, {}, &Peer::seen);
    std::vector<net::Url> out;
    for (std::size_t i = 0; i < std::min(most, due.size()); ++i) {
        out.push_back(due[i]->address);
    }
    return out;
}

std::vector<net::Url> PeerBook::next(std::size_t most) {
    forget();
    std::vector<net::Url> out;
    const auto add = [&](net::Url url) {
        const std::string text = url.to_string();
        // It may have been asked since it came into its queue.
        if (may_ask(text)) {
            resting_[text].until = after(clock_.unix_seconds(), limits_.between_questions);
            out.push_back(std::move(url));
        }
    };
    for (net::Url& url : due_peers(most / 3)) {
        add(std::move(url));
    }
    for (std::size_t left = most / 3; left > 0 && suggested_.size() > 0; --left) {
        add(suggested_.pop());
    }
    while (out.size() < most && heard_.size() > 0) {
        add(heard_.pop());
    }
    while (out.size() < most && suggested_.size() > 0) {
        add(suggested_.pop());
    }
    for (net::Url& url : due_peers(most - out.size())) {
        add(std::move(url));
    }
    return out;
}

std::vector<PeerBook::Peer> PeerBook::list(std::size_t most, const std::string& service) const {
    std::vector<const Peer*> found;
    const UnixSeconds now = clock_.unix_seconds();
    for (const auto& [id, peer] : peers_) {
        const bool offers = service.empty() || std::ranges::find(peer.record.services, service) !=
                                                   peer.record.services.end();
        if (offers && peer.record.expires > now) {
            found.push_back(&peer);
        }
    }
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(most, found.size()));
    std::ranges::partial_sort(found, end, std::ranges::greater{}, &Peer::seen);
    std::vector<Peer> out;
    std::ranges::transform(
        found.begin(), end, std::back_inserter(out), [](const Peer* peer) { return *peer; });
    return out;
}

}  // namespace decloud::services
