#pragma once

#include <decloud/base/result.hpp>

#include <boost/asio/local/stream_protocol.hpp>

#include <string>
#include <utility>

namespace decloud::net::internal {

/// Where a Unix socket is, for `bind` and `connect`. The kernel takes 107 bytes; a longer path is
/// reached through its folder, which stays open as long as this. Move-only.
class LocalAddress {
  public:
    /// Errors: not_found without the folder, invalid_input for a file name that is too long.
    [[nodiscard]] static Result<LocalAddress> of(const std::string& path);
    ~LocalAddress();
    LocalAddress(LocalAddress&& other) noexcept
        : folder_(std::exchange(other.folder_, -1)), endpoint_(std::move(other.endpoint_)) {}
    LocalAddress& operator=(LocalAddress&&) = delete;
    LocalAddress(const LocalAddress&) = delete;
    LocalAddress& operator=(const LocalAddress&) = delete;

    [[nodiscard]] const boost::asio::local::stream_protocol::endpoint& endpoint() const {
        return endpoint_;
    }

  private:
    LocalAddress() = default;

    int folder_ = -1;
    boost::asio::local::stream_protocol::endpoint endpoint_;
};

}  // namespace decloud::net::internal
