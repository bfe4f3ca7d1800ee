#include "http2_client.hpp"

#include "../error.hpp"
#include "../websocket/handshake.hpp"
#include "http2_head.hpp"
#include "http2_websocket.hpp"
#include "serialize.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/units.hpp>

#include <boost/system/system_error.hpp>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

namespace decloud::net::http::internal {

namespace {

constexpr std::size_t kSourceBuffer = std::size_t{64} * 1024;
constexpr std::string_view kWebSocketKey = "Sec-WebSocket-Key";

ssize_t read_output(nghttp2_session*,
    std::int32_t /*id*/,
    std::uint8_t* frame,
    std::size_t size,
    std::uint32_t* flags,
    nghttp2_data_source* source,
    void* /*user*/) {
    return static_cast<Http2Stream*>(source->ptr)->take_output({frame, size}, *flags);
}

/// Resets the stream unless its answer was taken.
class Unanswered {
  public:
    explicit Unanswered(Http2Stream& stream) : stream_(&stream) {}
    Unanswered(const Unanswered&) = delete;
    Unanswered& operator=(const Unanswered&) = delete;
    ~Unanswered() {
        if (stream_ != nullptr) {
            stream_->reset(NGHTTP2_CANCEL);
        }
    }
    void release() { stream_ = nullptr; }

  private:
    Http2Stream* stream_;
};

std::optional<ResponseHead> response_head(Http2Fields& fields) {
    const auto status = parse_content_length(fields.status, 999);
    if (!status || *status < 200 || fields.too_large || !are_valid_fields(fields.headers) ||
        fields.headers.count("content-length") > 1) {
        return std::nullopt;
    }
    return ResponseHead{static_cast<int>(*status), {}, std::move(fields.headers)};
}

bool is_for_websocket(const ClientRequest& request) {
    return request.method == "GET" && !std::holds_alternative<BodySource>(request.body) &&
           request.headers.has_token("Upgrade", websocket::kProtocol);
}

/// As HTTP/1.1 would have it: 101 for 200, or an answer to a request that has no more to say.
void answer_upgrade(Http2Stream& stream, const ClientRequest& request, ResponseHead& head) {
    if (head.status != 200) {
        stream.finish({});
        return;
    }
    head.status = 101;
    head.headers.set("Upgrade", websocket::kProtocol);
    head.headers.set("Sec-WebSocket-Accept",
        websocket::accept_value(request.headers.find(kWebSocketKey).value_or("")));
}

}  // namespace

Http2Client::Http2Client(async::Executor executor,
    std::unique_ptr<Stream> transport,
    const ClientSettings& settings,
    const Http2Settings& http2,
    std::string_view scheme)
    : Http2Session(executor,
          std::move(transport),
          false,
          http2,
          settings.limits,
          {.header = settings.connect_timeout,
              .body = settings.idle_timeout,
              .idle = std::chrono::hours(24 * 365),
              .write = settings.idle_timeout}),
      head_timeout_(settings.head_timeout),
      scheme_(scheme),
      bodies_(executor) {}

bool Http2Client::takes_requests() const {
    return nghttp2_session_check_request_allowed(native()) != 0;
}

std::shared_ptr<Http2Stream> Http2Client::begin_stream(std::int32_t /*id*/) { return nullptr; }
void Http2Client::head_arrived(const std::shared_ptr<Http2Stream>& /*stream*/) {}

async::Task<void> Http2Client::wind_up() {
    bodies_.cancel();
    co_await bodies_.join();
}

Result<void> Http2Client::submit(Http2Stream& stream, const ClientRequest& request) {
    const bool websocket = is_for_websocket(request);
    if (websocket && nghttp2_session_get_remote_settings(
                         native(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) != 1) {
        return fail(NetError::wrong_state, "the other end takes no WebSockets over HTTP/2");
    }
    if (!is_token(request.method) || !are_valid_fields(request.headers) ||
        !is_valid_field("path", request.target)) {
        return fail(CommonError::invalid_input, "a request that cannot be sent");
    }
    Http2FieldList list;
    list.add(":method", websocket ? "CONNECT" : request.method);
    if (websocket) {
        list.add(":protocol", websocket::kProtocol);
    }
    list.add(":scheme", scheme_);
    list.add(":authority", request.headers.find("Host").value_or(""));
    list.add(":path", request.target);
    for (const Headers::Field field : request.headers) {
        if (!is_framing_header(field.name) && !equals_ignoring_case(field.name, "Host") &&
            !equals_ignoring_case(field.name, "Expect") &&
            !equals_ignoring_case(field.name, "Upgrade") &&
            !(websocket && equals_ignoring_case(field.name, kWebSocketKey)) &&
            !equals_ignoring_case(field.name, "TE")) {
            list.add(field.name, field.value);
        }
    }
    const auto* bytes = std::get_if<Bytes>(&request.body);
    const auto* source = std::get_if<BodySource>(&request.body);
    const auto length = bytes != nullptr    ? std::optional<std::uint64_t>(bytes->size())
                        : source != nullptr ? source->length
                                            : std::nullopt;
    if (length && !websocket) {
        list.add("content-length", std::to_string(*length));
    }
    const bool has_body = websocket || source != nullptr || (bytes != nullptr && !bytes->empty());
    nghttp2_data_provider provider{.source = {.ptr = &stream}, .read_callback = read_output};
    const std::int32_t id = nghttp2_submit_request(
        native(), nullptr, list.data(), list.size(), has_body ? &provider : nullptr, nullptr);
    if (id < 0) {
        return fail(NetError::connect_failed, "the other end takes no more requests");
    }
    stream.set_id(id);
    streams_.emplace(id, stream.shared_from_this());
    flush_later();
    return {};
}

async::Task<Result<ClientResponse>> Http2Client::request(std::shared_ptr<ClientRequest> request) {
    const auto self = shared_from_this();
    if (ended()) {
        co_return fail(NetError::connect_failed, "the connection has ended");
    }
    const auto stream = std::make_shared<Http2Stream>(shared_from_this(), 0);
    CO_TRY_VOID(submit(*stream, *request));
    Unanswered unanswered(*stream);
    const bool has_bytes = !is_for_websocket(*request) &&
                           std::holds_alternative<Bytes>(request->body) &&
                           !std::get<Bytes>(request->body).empty();
    if (has_bytes || std::holds_alternative<BodySource>(request->body)) {
        bodies_.spawn(send_body(stream, request));
    }
    if (auto arrived = co_await stream->wait_for_head(head_timeout_); !arrived) {
        co_return fail(stream->failure().value_or(arrived.error()));
    }
    auto head = response_head(stream->fields());
    if (!head) {
        co_return fail(NetError::malformed_message, "a malformed answer");
    }
    std::optional<std::uint64_t> length;
    if (const auto text = head->headers.find("content-length")) {
        length = parse_content_length(*text, limits().max_content_length);
        if (!length) {
            co_return fail(NetError::malformed_message, "a malformed answer");
        }
    }
    if (stream->input_ended() && !stream->has_input()) {
        length = 0;
    }
    unanswered.release();
    if (is_for_websocket(*request)) {
        answer_upgrade(*stream, *request, *head);
    }
    co_return ClientResponse(std::make_shared<Http2Response>(stream, std::move(*head), length));
}

async::Task<void> Http2Client::send_body(
    std::shared_ptr<Http2Stream> stream, std::shared_ptr<ClientRequest> request) {
    try {
        if (const auto* bytes = std::get_if<Bytes>(&request->body)) {
            (void)co_await stream->write(*bytes, true);
            co_return;
        }
        auto& source = std::get<BodySource>(request->body);
        const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kSourceBuffer);
        for (;;) {
            const auto got = co_await source.read({buffer.get(), kSourceBuffer});
            if (!got) {
                stream->fail_with(Error(NetError::body_source_failed, got.error().message()));
                break;
            }
            if (*got == 0) {
                stream->finish(source.trailers ? source.trailers() : Headers{});
                break;
            }
            if (!co_await stream->write(BytesView(buffer.get(), *got), false)) {
                break;
            }
        }
    } catch (const boost::system::system_error&) {
        stream->reset(NGHTTP2_CANCEL);
    }
    // What it holds, an Exchange perhaps, is not to outlive its use.
    request->body = std::monostate{};
}

Http2Response::Http2Response(
    std::shared_ptr<Http2Stream> stream, ResponseHead head, std::optional<std::uint64_t> length)
    : stream_(std::move(stream)), head_(std::move(head)), length_(length) {}

Http2Response::~Http2Response() { abort(); }

async::Task<Result<std::size_t>> Http2Response::read(std::span<std::uint8_t> buffer) {
    return stream_->read(buffer);
}

async::Task<Result<Bytes>> Http2Response::read_all(std::uint64_t limit) {
    constexpr std::size_t kStep = std::size_t{64} * 1024;
    Bytes body;
    std::size_t size = 0;
    for (;;) {
        body.resize(
            size + static_cast<std::size_t>(std::min<std::uint64_t>(kStep, limit - size + 1)));
        CO_TRY(const std::size_t got, co_await read(std::span(body).subspan(size)));
        if (got == 0) {
            break;
        }
        size += got;
        if (size > limit) {
            abort();
            co_return fail(CommonError::limit_exceeded, "the answer is too long");
        }
    }
    body.resize(size);
    co_return body;
}

void Http2Response::abort() {
    if (!upgraded_) {
        stream_->reset(NGHTTP2_CANCEL);
    }
}

Result<std::unique_ptr<Stream>> Http2Response::upgrade() {
    if (head_.status != 101 || upgraded_) {
        return fail(NetError::wrong_state, "the stream was not upgraded");
    }
    upgraded_ = true;
    return std::make_unique<Http2ByteStream>(stream_);
}

}  // namespace decloud::net::http::internal
