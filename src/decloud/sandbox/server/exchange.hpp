#pragma once

#include "../internal/fd.hpp"
#include "../runtime.hpp"

namespace decloud::sandbox::server {

/// How one request and its answer went.
struct ExchangeResult {
    Outcome outcome;
    /// The connection broke before the answer was whole: the server may have died.
    bool broken = false;
};

/// Sends one request over `connection` and hands the answer to `sink` as it comes. Ends when the
/// answer is whole, the connection breaks, `limits.wall` is over or the call is cancelled. If the
/// request asks for an upgrade and the server says 101, `body` is what the client says after that;
/// such an exchange ends well, however it ends: with the server's end of the connection, a few
/// seconds after the client's, with its time, or cancelled.
[[nodiscard]] async::Task<ExchangeResult> exchange(internal::UniqueFd connection,
    CgiRequest request,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel);

}  // namespace decloud::sandbox::server
