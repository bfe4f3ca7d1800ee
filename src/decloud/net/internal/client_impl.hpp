#pragma once

#include "../http/client.hpp"
#include "client_connection.hpp"
#include "client_links.hpp"
#include "response_port.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::net::http::internal {

class ClientCall;

/// What a Client and its calls share: settings, the pool, the sweep that enforces deadlines.
class ClientImpl : public std::enable_shared_from_this<ClientImpl> {
  public:
    ClientImpl(async::Executor executor, ClientSettings settings, OutboundPolicy policy);

    [[nodiscard]] async::Task<Result<ClientResponse>> request(Url url, ClientRequest request);
    [[nodiscard]] async::Task<void> stop();
    /// Cuts everything off without waiting.
    void shut_down();

    [[nodiscard]] const async::Executor& executor() const { return executor_; }
    [[nodiscard]] const ClientSettings& settings() const { return settings_; }
    [[nodiscard]] async::TaskGroup& tasks() { return tasks_; }
    [[nodiscard]] TimePoint now() const { return now_; }
    [[nodiscard]] std::uint64_t connections_made() const { return connections_made_; }

    void add(ClientCall& call);
    void remove(ClientCall& call);
    void give_back(std::shared_ptr<ClientConnection> connection);

  private:
    /// While it lives others wait for the connection that is being made, which may be shared.
    class Dialling {
      public:
        Dialling(ClientImpl& client, std::string key);
        Dialling(const Dialling&) = delete;
        Dialling& operator=(const Dialling&) = delete;
        ~Dialling();

      private:
        ClientImpl& client_;
        std::string key_;
        /// Null if somebody else is waited for.
        std::shared_ptr<async::Event> event_;
    };

    [[nodiscard]] Result<std::optional<Proxy>> proxy_for(const Url& url) const;
    [[nodiscard]] std::shared_ptr<ClientConnection> take_pooled(const std::string& key);
    [[nodiscard]] async::Task<Result<std::shared_ptr<ClientConnection>>> open(
        Url url, std::string key, bool offer_http2);
    /// By HTTP/1.1, on this connection or a later one.
    [[nodiscard]] async::Task<Result<ClientResponse>> send(Url url,
        std::shared_ptr<ClientRequest> request,
        std::shared_ptr<ClientConnection> connection);
    /// By HTTP/2, as long as nothing else was agreed. Nothing: on `connection`, by HTTP/1.1.
    [[nodiscard]] async::Task<Result<std::optional<ClientResponse>>> send_by_http2(Url url,
        // Lives in `request`.
        ClientRequest* request,
        std::shared_ptr<ClientConnection>* connection);
    /// One that was there, or was just made; null: `*connection` is one of HTTP/1.1.
    [[nodiscard]] async::Task<Result<std::shared_ptr<Http2Requester>>> link_to(
        Url url, std::shared_ptr<ClientConnection>* connection);
    [[nodiscard]] async::Task<void> run_link(std::string key, std::shared_ptr<Http2Requester> link);
    void arm_sweep();
    void sweep();

    async::Executor executor_;
    ClientSettings settings_;
    OutboundPolicy policy_;
    std::shared_ptr<net::internal::TlsContext> tls_;
    async::TaskGroup tasks_;
    std::vector<ClientCall*> calls_;
    std::unordered_map<std::string, std::vector<std::shared_ptr<ClientConnection>>> pool_;
    ClientLinks links_;
    std::unordered_map<std::string, std::shared_ptr<async::Event>> dialling_;
    boost::asio::steady_timer sweep_timer_;
    std::chrono::milliseconds sweep_interval_;
    bool sweep_armed_ = false;
    bool stopped_ = false;
    TimePoint now_;
    std::uint64_t connections_made_ = 0;
};

/// One request and its response on one connection. Shared by the ClientResponse and the task that
/// sends the body.
class ClientCall final : public ResponsePort, public std::enable_shared_from_this<ClientCall> {
  public:
    ClientCall(std::shared_ptr<ClientImpl> client,
        std::shared_ptr<ClientConnection> connection,
        bool head_request);
    ~ClientCall() override;
    ClientCall(const ClientCall&) = delete;
    ClientCall& operator=(const ClientCall&) = delete;

    /// Sends `head` and a small body, starts the sending of a large one or a source, and waits for
    /// the final response's head. The request lives until the call ends.
    [[nodiscard]] async::Task<Result<void>> run(
        std::string head, std::shared_ptr<ClientRequest> request);
    /// True if it failed in the way a connection does that the server had closed before.
    [[nodiscard]] bool failed_stale() const { return !received_ && !connection_->timed_out; }
    /// False if the request's head, at least, has not left whole.
    [[nodiscard]] bool head_sent() const { return head_sent_; }

    [[nodiscard]] const ResponseParser& parser() const { return parser_; }
    [[nodiscard]] const ResponseHead& head() const override { return parser_.head(); }
    [[nodiscard]] std::optional<std::uint64_t> content_length() const override {
        return parser_.body_length();
    }
    [[nodiscard]] const Headers& trailers() const override { return parser_.trailers(); }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] async::Task<Result<Bytes>> read_all(std::uint64_t limit) override;
    [[nodiscard]] Result<std::unique_ptr<Stream>> upgrade() override;
    /// Closes the connection and stops the sending.
    void abort() override;
    void check_deadlines(TimePoint now);

  private:
    friend class ClientImpl;

    [[nodiscard]] async::Task<Result<void>> read_head();
    [[nodiscard]] Result<bool> take_interim();
    [[nodiscard]] async::Task<Result<std::size_t>> fill(std::chrono::milliseconds limit);
    [[nodiscard]] async::Task<Result<std::size_t>> read_directly(std::span<std::uint8_t> buffer);
    [[nodiscard]] async::Task<void> send_body();
    [[nodiscard]] async::Task<Result<void>> send_all();
    [[nodiscard]] async::Task<Result<void>> send_source(BodySource& source);
    [[nodiscard]] async::Task<Result<void>> send_part(net::internal::WriteParts parts);
    [[nodiscard]] Error why(Error error) const;
    void start_sending();
    void response_ended();
    void stop_sending();

    std::shared_ptr<ClientImpl> client_;
    std::shared_ptr<ClientConnection> connection_;
    std::shared_ptr<ClientRequest> request_;
    ResponseParser parser_;
    bool head_request_;
    std::size_t list_index_ = 0;
    std::size_t interims_ = 0;
    bool head_sent_ = false;
    bool received_ = false;
    bool final_head_ = false;
    bool ended_ = false;
    bool request_sent_ = false;
    bool sending_ = false;
    bool handed_over_ = false;
    std::optional<Error> failure_;
    async::Event may_continue_;
    boost::asio::cancellation_signal cancel_sending_;
};

}  // namespace decloud::net::http::internal
