#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace decloud::client {

/// The user's proxies: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` of this process's
/// environment, and the last three in capitals.
[[nodiscard]] std::shared_ptr<const net::http::ProxyRules> environment_proxies();

/// An HTTP client for addresses that the user or operator chose, through the user's proxies.
/// `stop` it before the executor ends.
[[nodiscard]] std::unique_ptr<net::http::Client> make_http_client(async::Executor executor);

/// The error that a refused request stands for: code by status, text from the problem body's
/// `detail` and `help` (RFC 9457), or from the status alone.
[[nodiscard]] Error remote_error(int status, std::string_view content_type, BytesView body);

/// A whole answer of status 2xx, at most `max_bytes`. Errors: `remote_error`, NetError.
[[nodiscard]] async::Task<Result<Bytes>> fetch(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    net::Url url,
    net::http::ClientRequest request,
    std::uint64_t max_bytes);

/// The running node of a home, asked over its Unix socket.
class OperatorClient {
  public:
    /// `client` outlives it.
    OperatorClient(net::http::Client& client, std::string socket)
        : client_(client), socket_(std::move(socket)) {}

    /// False if no node listens.
    [[nodiscard]] async::Task<bool> reachable();
    /// What `GET /operator/status` answers. Errors, here and below: `remote_error`, NetError.
    [[nodiscard]] async::Task<Result<json::Object>> status();
    /// What `GET /operator/exposure` answers: what is served and not settled, with its bounds.
    [[nodiscard]] async::Task<Result<json::Object>> exposure();
    /// What `GET /operator/debts` answers: what was promised to the node.
    [[nodiscard]] async::Task<Result<json::Object>> debts();
    /// Counts what a did:key owes as paid, and lets it promise again.
    [[nodiscard]] async::Task<Result<json::Object>> forgive(std::string id);
    /// Has the node settle everything now; answers when it is final on the chain.
    [[nodiscard]] async::Task<Result<json::Object>> settle();
    /// The roots of the CAR, which the node keeps under `pin`; an incomplete one is not pinned.
    [[nodiscard]] async::Task<Result<json::Object>> import_content(
        std::string pin, net::http::BodySource car, bool incomplete = false);
    /// The root of the file that has these bytes, which the node keeps under `pin`.
    [[nodiscard]] async::Task<Result<json::Object>> add_file(
        std::string pin, net::http::BodySource bytes);
    /// Keeps an IPNS record, which the node verifies, and gives its name as the node spells it.
    [[nodiscard]] async::Task<Result<json::Object>> keep_record(std::string name, Bytes record);
    /// Has a key of the node, made if it is missing, say that its name leads to `value`, and go on
    /// saying so: `name`, `value`, `sequence`, `valid_until`.
    [[nodiscard]] async::Task<Result<json::Object>> publish_name(std::string key,
        std::string value,
        std::chrono::seconds lifetime,
        std::chrono::seconds ttl);
    /// Has the node renew the name of a key no more.
    [[nodiscard]] async::Task<Result<json::Object>> withdraw_name(std::string key);
    /// Everything under `cid` as a CAR, depth first, in pieces, as it arrives. On error what `sink`
    /// got is not whole. Errors also: the sink's.
    [[nodiscard]] async::Task<Result<void>> export_content(
        std::string cid, std::function<Result<void>(BytesView)> sink);
    /// The bytes of a file, which the node verifies, as they arrive. On error what `sink` got is
    /// not whole. Errors also: the sink's.
    [[nodiscard]] async::Task<Result<void>> read_file(
        std::string cid, std::function<Result<void>(BytesView)> sink);
    /// Has the node read its services' files again: `services`, `errors`.
    [[nodiscard]] async::Task<Result<json::Object>> reload_services();
    /// What the node keeps, by pin.
    [[nodiscard]] async::Task<Result<json::Object>> list_content();
    /// Keeps what the node holds under `cid`: `blocks`, `bytes`.
    [[nodiscard]] async::Task<Result<json::Object>> pin_content(
        std::string cid, std::string reason);
    /// Removes the pins of `owner` (empty: the operator's) for `reason` (empty: all): `removed`.
    [[nodiscard]] async::Task<Result<json::Object>> unpin_content(
        std::string cid, std::string owner, std::string reason);
    /// Removes what nothing pins and is older: `blocks`, `bytes`, `freed`, `missing`.
    [[nodiscard]] async::Task<Result<json::Object>> collect_content(std::chrono::seconds min_age);
    /// Has every block read and hashed: `blocks`, `bytes`, `damaged_blocks`, `damaged`.
    [[nodiscard]] async::Task<Result<json::Object>> verify_content();

  private:
    [[nodiscard]] async::Task<Result<json::Object>> ask(std::string method, std::string target);
    /// Errors also: what went wrong after the answer's head.
    [[nodiscard]] async::Task<Result<json::Object>> ask_long(
        std::string method, std::string target);
    [[nodiscard]] static async::Task<Result<json::Object>> read_object(
        net::http::ClientResponse response);
    using Body = decltype(net::http::ClientRequest::body);
    /// An answer of status 2xx, whose body goes to `sink`.
    [[nodiscard]] async::Task<Result<void>> receive(
        std::string target, std::function<Result<void>(BytesView)> sink);
    /// An answer of status 2xx whose body is still to be read.
    [[nodiscard]] async::Task<Result<net::http::ClientResponse>> exchange(
        std::string method, std::string target, Body body);

    net::http::Client& client_;
    std::string socket_;
};

}  // namespace decloud::client
