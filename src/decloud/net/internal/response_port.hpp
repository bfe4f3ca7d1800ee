#pragma once

#include "../http/message.hpp"
#include "../stream.hpp"

#include <decloud/async/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace decloud::net::http::internal {

/// What a ClientResponse needs of the protocol that carries it. The meanings and errors are
/// ClientResponse's.
class ResponsePort {
  public:
    ResponsePort() = default;
    ResponsePort(const ResponsePort&) = delete;
    ResponsePort& operator=(const ResponsePort&) = delete;
    virtual ~ResponsePort() = default;

    [[nodiscard]] virtual const ResponseHead& head() const = 0;
    [[nodiscard]] virtual std::optional<std::uint64_t> content_length() const = 0;
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) = 0;
    [[nodiscard]] virtual async::Task<Result<Bytes>> read_all(std::uint64_t limit) = 0;
    [[nodiscard]] virtual const Headers& trailers() const = 0;
    virtual void abort() = 0;
    [[nodiscard]] virtual Result<std::unique_ptr<Stream>> upgrade() = 0;
};

}  // namespace decloud::net::http::internal
