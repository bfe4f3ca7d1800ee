#pragma once

#include <decloud/base/bytes.hpp>

#include <string_view>

namespace decloud::net {

/// What a Stream over TLS is besides: a cast from Stream finds it. Whoever stands between two TLS
/// connections cannot make them agree on it.
class ChannelBinding {
  public:
    ChannelBinding() = default;
    ChannelBinding(const ChannelBinding&) = delete;
    ChannelBinding& operator=(const ChannelBinding&) = delete;
    virtual ~ChannelBinding() = default;
    /// RFC 8446 §7.5 and RFC 5705, without a context: 32 bytes; none without TLS.
    [[nodiscard]] virtual Bytes exporter(std::string_view label) const = 0;
};

}  // namespace decloud::net
