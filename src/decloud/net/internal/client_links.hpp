#pragma once

#include "../http/http2_link.hpp"
#include "client_connection.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::net::http::internal {

/// A client's connections on which HTTP/2 was agreed, by what they lead to. Single threaded.
class ClientLinks {
  public:
    /// The least busy one that takes another request; null if a new connection is to be made.
    [[nodiscard]] std::shared_ptr<Http2Requester> find(const std::string& key);
    /// Once it is there it is found, until `remove`.
    void add(const std::string& key, std::shared_ptr<Http2Requester> link);
    void remove(const std::string& key, const std::shared_ptr<Http2Requester>& link);
    /// Ends those that had nothing to do for so long.
    void sweep(TimePoint now, std::chrono::milliseconds idle_limit);
    /// Breaks off what is under way.
    void close();
    [[nodiscard]] bool empty() const { return links_.empty(); }

  private:
    struct Entry {
        std::shared_ptr<Http2Requester> link;
        TimePoint idle_since = TimePoint::max();
    };
    std::unordered_map<std::string, std::vector<Entry>> links_;
};

}  // namespace decloud::net::http::internal
