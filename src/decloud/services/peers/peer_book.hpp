#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/net/url.hpp>
#include <decloud/protocol/peer_record.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace decloud::services {

/// How much is kept of other nodes.
struct PeerBookLimits {
    /// Nodes that have answered.
    std::size_t peers = 1024;
    /// Addresses that somebody named and nobody has asked yet.
    std::size_t candidates = 1024;
    /// A node that has not answered for so long is forgotten.
    std::chrono::seconds silence = std::chrono::hours(1);
    /// An address is not asked again for so long …
    std::chrono::seconds between_questions = std::chrono::minutes(5);
    /// … or, if it did not answer, for so long, then twice that, and so on up to the former.
    std::chrono::seconds retry = std::chrono::seconds(10);
};

/// The nodes that this one knows. What others say of a node is only where to ask: it is known, and
/// passed on, once it has answered at that address with its own record. Single threaded.
class PeerBook {
  public:
    struct Peer {
        protocol::PeerRecord record;
        /// Where it answered: the others of its addresses are its word only.
        net::Url address;
        /// When it answered last.
        UnixSeconds seen;
    };

    /// `clock` outlives it; `own_id` and `own_address` are never kept.
    PeerBook(const Clock& clock,
        std::string own_id,
        std::string own_address,
        PeerBookLimits limits = {});

    /// A node answered at `asked` with this record. False if it is not its own: the record has to
    /// name that address. A later record replaces an earlier one of the same id. When the book is
    /// full who was silent the longest goes.
    bool saw(const net::Url& asked, protocol::PeerRecord record);
    /// An address that `next` gave did not answer.
    void failed(const net::Url& asked);
    /// Somebody named an address. False if it is known, was asked lately, or there is no room.
    bool hear(const net::Url& address);
    /// As `hear`, of everything that the operator or the registry names, and first in the queue.
    void suggest(const std::vector<net::Url>& addresses);

    /// Up to `most` addresses to ask now, in each class who waited longest: a third for known nodes
    /// whose turn it is, a third for suggested addresses, the rest for those heard of; what one
    /// class leaves the others get. They count as asked.
    [[nodiscard]] std::vector<net::Url> next(std::size_t most);

    /// Those that answered, the latest first; with a service only those that offer it.
    [[nodiscard]] std::vector<Peer> list(std::size_t most, const std::string& service = {}) const;
    [[nodiscard]] std::size_t size() const { return peers_.size(); }
    [[nodiscard]] std::size_t candidates() const { return heard_.size() + suggested_.size(); }

  private:
    void forget();
    [[nodiscard]] bool may_ask(const std::string& address) const;
    [[nodiscard]] bool is_own(const protocol::PeerRecord& record) const;

    const Clock& clock_;
    std::string own_id_;
    std::string own_address_;
    PeerBookLimits limits_;
    /// A queue whose members are in it once.
    class Queue {
      public:
        [[nodiscard]] bool contains(const std::string& text) const { return texts_.contains(text); }
        [[nodiscard]] std::size_t size() const { return order_.size(); }
        void push(const net::Url& url);
        /// It is not empty.
        [[nodiscard]] net::Url pop();

      private:
        std::deque<net::Url> order_;
        std::set<std::string> texts_;
    };
    struct Rest {
        UnixSeconds until;
        /// The last one after a failure; none if it answered.
        std::chrono::seconds retry{};
    };

    [[nodiscard]] std::vector<net::Url> due_peers(std::size_t most) const;

    /// By id.
    std::map<std::string, Peer> peers_;
    Queue suggested_;
    Queue heard_;
    /// Addresses that are not asked again yet; those that failed are remembered as long again.
    std::map<std::string, Rest> resting_;
};

}  // namespace decloud::services
