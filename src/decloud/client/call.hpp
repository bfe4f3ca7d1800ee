#pragma once

#include "payer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/registry/provider.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// Takes the answer as it arrives.
struct CallSink {
    std::function<Result<void>(const net::http::ResponseHead&)> head;
    std::function<Result<void>(BytesView)> body;
};

/// Keeps the answer in `body`, which outlives it, up to `limit` bytes. Error: limit_exceeded.
[[nodiscard]] CallSink collect_into(Bytes& body, std::size_t limit);

/// The ways to what is behind `path` ("/{cid}…") at a provider: by the gateway, unless
/// `gateway_url` is empty, then the provider itself. Error: invalid_input for a bad URL.
[[nodiscard]] Result<std::vector<RequestRoute>> routes_to(
    const std::string& gateway_url, const registry::Provider& provider, const std::string& path);

/// Sends `request` and passes the answer on, whatever its status. It is returned when it has been
/// read whole; only its head and `not_paid` are of use then. Errors: NetError if nobody could be
/// reached or the answer broke off; ClientError::payment; the sink's.
[[nodiscard]] async::Task<Result<Answer>> call(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Payer& payer,
    PayableRequest request,
    CallSink sink);

}  // namespace decloud::client
