#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/server.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace decloud::gateway::internal {

/// A client's body on its way to the provider. Shared with the task that sends it, which may end a
/// little after the request.
class RequestBody {
  public:
    RequestBody(std::shared_ptr<net::http::Exchange> exchange, std::uint64_t max_bytes);

    /// For `net::http::ClientRequest`.
    [[nodiscard]] static net::http::BodySource as_source(std::shared_ptr<RequestBody> body);
    /// Reads what has come already of a chunked body, so that what is malformed in it is seen
    /// before the provider is asked. Errors as Exchange's `read`.
    [[nodiscard]] static async::Task<Result<void>> begin(std::shared_ptr<RequestBody> self);
    /// True while nobody has asked for any of it, so that it can be sent to another provider.
    [[nodiscard]] bool is_untouched() const { return !touched_; }
    /// Why the client's bytes could not be had, if that was so.
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  private:
    [[nodiscard]] static async::Task<Result<std::size_t>> read(
        std::shared_ptr<RequestBody> self, std::span<std::uint8_t> buffer);
    [[nodiscard]] async::Task<Result<std::size_t>> read_next(std::span<std::uint8_t> buffer);

    std::shared_ptr<net::http::Exchange> exchange_;
    std::uint64_t left_;
    /// Read by `begin`.
    Bytes early_;
    std::size_t early_begin_ = 0;
    bool early_end_ = false;
    bool touched_ = false;
    std::optional<Error> failure_;
};

}  // namespace decloud::gateway::internal
