#pragma once

#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::protocol {

/// OpenCloud's status words with their details; `OpenCloud-Status` carries `to_string`'s form.
enum class Status : std::uint8_t {
    ok,
    bad_request,
    invalid_signature,
    service_unsupported,
    method_unsupported,
    server_error,
    declined,
    refresh_nonce,
    payment_too_low,
    payment_no_defer,
    payment_acceptable,
};

/// "ok", "client-error.bad-request", "request-declined.payment-declined.too-low", …
[[nodiscard]] std::string_view to_string(Status status);

/// One payment that the node would take for the call that was refused.
struct AcceptablePayment {
    std::string type;    ///< "attached" or "deferred"
    std::string method;  ///< "authorization", …
    AssetId currency;
    Amount amount;
};

/// Why a request is not answered as asked: an RFC 9457 problem with an OpenCloud status.
/// Everything in it is shown to strangers.
struct Problem {
    int http_status = 500;
    Status status = Status::server_error;
    std::string title;
    std::string detail;
    /// The command or step that mends it, if there is one.
    std::string help;
    /// Only for 402.
    std::vector<AcceptablePayment> acceptable{};
    /// Only for 402: the same as rows of x402 v1.
    json::Array accepts{};
    /// Further response headers, such as Retry-After.
    std::vector<std::pair<std::string, std::string>> headers;
    /// The receipt of the call that this one repeats, for 409.
    std::string receipt;
    /// What is known of the channel that would have paid: its state for the client. Empty: nothing.
    json::Object channel{};
};

/// A value, or why the request is refused.
template <class T>
using Checked = std::expected<T, Problem>;

/// A problem with the standard title of its HTTP status, to be returned from a `Checked`.
[[nodiscard]] std::unexpected<Problem> refuse(
    int http_status, Status status, std::string detail, std::string help = {});

/// The one 402. `detail` says what was wrong with the payment, or that there was none.
[[nodiscard]] Problem payment_required(
    Status status, std::string detail, std::string help, std::vector<AcceptablePayment> acceptable);

/// The HTTP status for an error that a stage below did not turn into a problem itself. The text of
/// an error that is the node's own fault is not shown: the log has it.
[[nodiscard]] Problem problem_from(const Error& error);
/// As `problem_from`, for an error of reading the request's body: a client that is too slow gets
/// 408.
[[nodiscard]] Problem body_problem_from(const Error& error);

/// The body of design §4: RFC 9457 members and, for 402, `x402Version`, `error`, `accepts`,
/// `acceptable`.
[[nodiscard]] std::string problem_json(const Problem& problem);

}  // namespace decloud::protocol
