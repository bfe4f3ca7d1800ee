#pragma once

#include "credential.hpp"
#include "payment_header.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/net/http/message.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace decloud::protocol {

struct Quote;

/// One request as the edge understood it. Immutable from then on; shared by the stages.
struct Call {
    std::string service;
    std::string method;
    std::vector<std::string> args;
    /// As received, target byte for byte; but `traceparent` names the span of this node.
    net::http::RequestHead head;
    /// The part of the path that named the service or deployment: "/p/alice/bafy…". A function's
    /// SCRIPT_NAME.
    std::string prefix;
    /// The path behind it, still escaped: "" or "/…".
    std::string path_info;
    /// Whom to count it against when nothing is signed: an IPv4 address, or an IPv6 /64.
    std::string client;
    PaymentHeader payment;
    /// The keys that have signed it, and what they have shown besides; verified. None: plain curl.
    std::vector<Credential> credentials{};
    /// The quote at whose price it is made: this node's own, good for this call. Null: none.
    std::shared_ptr<const Quote> quote{};
    /// Of this node: `RequestDigest`'s last line.
    std::string audience;
    /// The body's length, if it was announced.
    std::optional<std::uint64_t> content_length;
    UnixSeconds received;
};

/// The body of an admitted request. Single threaded.
class RequestBody {
  public:
    virtual ~RequestBody() = default;
    /// All of it, if it is in memory (bodies up to 1 MiB are); null otherwise.
    [[nodiscard]] virtual const Bytes* whole() const = 0;
    /// The next bytes; 0 is the end. Errors: the connection's, limit_exceeded.
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) = 0;
};

/// The way an answer goes back. Nothing of it leaves before the pipeline has made the charge
/// durable. Either one `send`, or `start` and any number of `write`s; the pipeline ends it. Single
/// threaded.
class Responder {
  public:
    virtual ~Responder() = default;
    /// The whole answer. It leaves when the service has returned.
    virtual Result<void> send(net::http::ResponseHead head, Bytes body) = 0;
    /// Starts an answer of unknown length. Errors: the connection's; the ledger's (then nothing was
    /// sent).
    [[nodiscard]] virtual async::Task<Result<void>> start(net::http::ResponseHead head) = 0;
    /// `bytes` must stay until the task ends.
    [[nodiscard]] virtual async::Task<Result<void>> write(BytesView bytes) = 0;
    /// Answers 101 to a request that asks for an upgrade. From then on `write` and `read` carry the
    /// bytes of both directions. Errors: as `start`; conflict where nothing can be upgraded.
    [[nodiscard]] virtual async::Task<Result<void>> upgrade(net::http::ResponseHead /*head*/) {
        co_return fail(CommonError::conflict, "there is nothing to upgrade");
    }
    /// What the client says after `upgrade`; 0 is its end. Errors: the connection's.
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(
        std::span<std::uint8_t> /*buffer*/) {
        co_return fail(CommonError::conflict, "nothing was upgraded");
    }
    /// True once a part of an answer has left, so that no other can be given.
    [[nodiscard]] virtual bool started() const = 0;
};

}  // namespace decloud::protocol
