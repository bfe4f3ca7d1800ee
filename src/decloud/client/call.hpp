#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/registry/provider.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace decloud::client {

/// One call of a deployment.
struct FunctionCall {
    std::string cid;
    /// After the cid: "", "/path", "?query".
    std::string suffix;
    std::string method = "GET";
    net::http::Headers headers;
    Bytes body;
};

/// Who pays if it is not the owner.
struct CallerPayment {
    const crypto::Secp256k1PrivateKey* key = nullptr;
    Amount max_price;
};

/// Where a call may go.
struct CallRoute {
    /// Tried first; empty: none.
    std::string gateway_url;
    registry::Provider provider;
};

/// Takes the answer as it arrives.
struct CallSink {
    std::function<Result<void>(const net::http::ResponseHead&)> head;
    std::function<Result<void>(BytesView)> body;
};

/// Calls by the gateway and, if that cannot be reached, the provider itself. The status is returned
/// whatever it is. Errors: NetError if neither could be reached or the answer broke off; the
/// sink's.
[[nodiscard]] async::Task<Result<int>> call_function(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    FunctionCall call,
    CallRoute route,
    std::optional<CallerPayment> payment,
    identity::Domain domain,
    const Clock& clock,
    CallSink sink
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

}  // namespace decloud::client
