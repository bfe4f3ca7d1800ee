#pragma once

#include "account_signer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/registry/provider.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace decloud::client {

/// Which logs are asked for.
struct LogsQuestion {
    registry::Provider provider;
    std::string cid;
    /// Goes on as calls come, until the provider or the caller ends it.
    bool follow = false;
};

/// Reads a deployment's logs at one provider, for which its owner signs once; `each` gets every
/// entry as the provider wrote it, and ends the reading by an error. Errors: `remote_error`,
/// NetError, `each`'s, invalid_input for what is no log.
[[nodiscard]] async::Task<Result<void>> read_logs(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    LogsQuestion question,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock,
    std::function<Result<void>(const json::Object&)> each
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// An entry for people: a line that says how the call ended, and the lines of its stderr, indented
/// and without control characters. Error: invalid_input for what is no entry.
[[nodiscard]] Result<std::string> describe_log(
    std::string_view provider, const json::Object& entry);

}  // namespace decloud::client
