#include "api.hpp"

#include "internal/answers.hpp"
#include "internal/availability.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/multiformats/car.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/http/client.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <utility>

namespace decloud::kubo {

namespace {

using net::http::Client;
using std::chrono::steady_clock;

constexpr std::uint64_t kMaxText = std::uint64_t{64} << 10U;
/// An announcement tells of every peer that was asked.
constexpr std::uint64_t kMaxEvents = std::uint64_t{4} << 20U;
constexpr std::size_t kIdleConnections = 4;
constexpr int kOk = 200;
constexpr int kFailed = 500;

/// As whom pins are listed in Kubo.
constexpr std::string_view kPinName = "decloud";

struct Request {
    std::string command;
    Bytes body{};
    std::string content_type{};
    std::uint64_t max_answer = kMaxText;
    std::chrono::milliseconds time{};
};

/// Of a command that was carried out, its output; else why not.
struct Answer {
    bool done = false;
    Bytes output{};
    std::string message{};
};

/// Blocks are known to Kubo by their multihash; as raw ones it does not look into them.
Cid as_raw(const Cid& cid) { return Cid::v1(multiformats::Codec::raw, cid.hash()); }

std::unexpected<Error> refused(const std::string& message) {
    return fail(CommonError::io, "Kubo says: " + message);
}

Result<Bytes> require_done(Answer answer) {
    if (!answer.done) {
        return refused(answer.message);
    }
    return std::move(answer.output);
}

net::http::ClientSettings client_settings(const ApiSettings& settings) {
    net::http::ClientSettings out;
    out.connect_timeout = settings.connect_time;
    // Each call has a limit of its own.
    out.head_timeout = settings.tree_time;
    out.idle_timeout = settings.tree_time;
    out.max_idle_per_host = kIdleConnections;
    return out;
}

bool is_secret_text(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

Result<std::string> authorization_of(std::string_view secret) {
    const std::size_t end = secret.find_last_not_of("\r\n");
    secret = secret.substr(0, end == std::string_view::npos ? 0 : end + 1);
    const std::size_t colon = secret.find(':');
    const std::string_view kind = secret.substr(0, std::min(colon, secret.size()));
    const std::string_view rest = secret.substr(std::min(kind.size() + 1, secret.size()));
    if (kind == "bearer" && !rest.empty() && is_secret_text(rest)) {
        return "Bearer " + std::string(rest);
    }
    if (kind == "basic" && rest.find(':') != std::string_view::npos && is_secret_text(rest)) {
        return "Basic " + to_base64(as_bytes(rest));
    }
    return fail(CommonError::invalid_input,
        "a secret of Kubo's RPC is bearer:TOKEN or basic:USER:PASSWORD, on one line");
}

class Api::Impl {
  public:
    explicit Impl(ApiSettings given) : settings(std::move(given)) {}
    ~Impl() { stop(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] Result<Answer> run(Request request) {
        Result<Answer> answer = fail(CommonError::cancelled, "Kubo is asked nothing any more");
        auto refusal = availability_.refuse(steady_clock::now());
        if (refusal && !is_stopped()) {
            return fail(std::move(*refusal));
        }
        // Connections that were kept may have died with the process that they led to.
        for (std::size_t tries = 0; tries <= kIdleConnections && begin(); ++tries) {
            answer = run_once(request);
            end();
            if (answer || answer.error() != make_error_code(net::NetError::connection_closed)) {
                break;
            }
        }
        if (!answer) {
            answer = fail(explain(answer.error()));
        }
        if (answer || answer.error() != make_error_code(CommonError::unavailable)) {
            availability_.succeeded();
        } else {
            availability_.failed(answer.error(), steady_clock::now());
        }
        return answer;
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(stopped_, true)) {
                return;
            }
        }
        boost::asio::co_spawn(pool_, finish(), boost::asio::use_future).get();
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [this] { return under_way_ == 0; });
    }

    const ApiSettings settings;

  private:
    [[nodiscard]] bool is_stopped() {
        const std::lock_guard lock(mutex_);
        return stopped_;
    }
    [[nodiscard]] bool begin() {
        const std::lock_guard lock(mutex_);
        under_way_ += stopped_ ? 0 : 1;
        return !stopped_;
    }
    void end() {
        const std::lock_guard lock(mutex_);
        --under_way_;
        idle_.notify_all();
    }

    /// However the task ends, who waits is told.
    struct Report {
        std::promise<Result<Answer>> promise;
        Result<Answer> answer = fail(CommonError::cancelled, "Kubo is asked nothing any more");
        Report() = default;
        Report(const Report&) = delete;
        Report& operator=(const Report&) = delete;
        ~Report() { promise.set_value(std::move(answer)); }
    };

    [[nodiscard]] Result<Answer> run_once(const Request& request) {
        auto report = std::make_shared<Report>();
        auto told = report->promise.get_future();
        boost::asio::post(
            pool_, [this, request = Request(request), report = std::move(report)]() mutable {
                work_.spawn(work(std::move(request), std::move(report)));
            });
        return told.get();
    }

    async::Task<void> work(Request request, std::shared_ptr<Report> report) {
        const auto time = request.time;
        report->answer = co_await async::with_timeout(time, send(std::move(request)));
    }

    async::Task<void> finish() {
        work_.cancel();
        co_await work_.join();
        co_await client_.stop();
    }

    async::Task<Result<Answer>> send(Request request) {
        const std::string& below = settings.url.target;
        net::http::ClientRequest sent{
            .method = "POST", .target = (below == "/" ? "" : below) + "/api/v0/" + request.command};
        if (!settings.authorization.empty()) {
            sent.headers.set("Authorization", settings.authorization);
        }
        if (!request.content_type.empty()) {
            sent.headers.set("Content-Type", request.content_type);
            sent.body = std::move(request.body);
        }
        CO_TRY(auto response, co_await client_.request(settings.url, std::move(sent)));
        const int status = response.status();
        if (status == 401 || status == 403) {
            co_return fail(CommonError::permission_denied,
                "Kubo's RPC wants another secret: the file that kubo_secret_file under [content] "
                "names holds it as Kubo's API.Authorizations has it, bearer:TOKEN or "
                "basic:USER:PASSWORD");
        }
        CO_TRY(Bytes body, co_await response.read_all(request.max_answer));
        if (status == kOk) {
            // What fails after the answer has begun is said at its end.
            if (const auto late = response.trailers().find("X-Stream-Error")) {
                co_return Answer{.message = std::string(late->substr(0, 300))};
            }
            co_return Answer{.done = true, .output = std::move(body)};
        }
        auto message = internal::read_message(as_text(body));
        if (status != kFailed || !message) {
            co_return fail(CommonError::invalid_input,
                fmt::format("what kubo_api under [content] names is no RPC of Kubo: it answers "
                            "{} {}",
                    request.command.substr(0, request.command.find('?')), status));
        }
        co_return Answer{.message = std::move(*message)};
    }

    [[nodiscard]] static Error explain(const Error& error) {
        for (const CommonError answered : {CommonError::permission_denied,
                 CommonError::invalid_input, CommonError::limit_exceeded, CommonError::cancelled}) {
            if (error == make_error_code(answered)) {
                return error;
            }
        }
        return {make_error_code(CommonError::unavailable),
            "Kubo, which keeps this node's public content, does not answer (" + error.message() +
                "): start it (ipfs daemon), or correct kubo_api under [content] in config.toml"};
    }

    std::mutex mutex_;
    std::condition_variable idle_;
    bool stopped_ = false;
    std::size_t under_way_ = 0;
    internal::Availability availability_{settings.retry_time};
    boost::asio::thread_pool pool_{1};
    async::TaskGroup work_{pool_.get_executor()};
    Client client_{pool_.get_executor(), client_settings(settings), net::OutboundPolicy::trusted()};
};

Api::Api(ApiSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}

Api::~Api() = default;

void Api::stop() { impl_->stop(); }

Result<std::string> Api::version() {
    TRY(Answer answer, impl_->run({.command = "version", .time = impl_->settings.answer_time}));
    TRY(const Bytes output, require_done(std::move(answer)));
    return internal::read_version(as_text(output));
}

Result<bool> Api::is_unsynced() {
    TRY(Answer answer,
        impl_->run({.command = "config?arg=Datastore.Spec", .time = impl_->settings.answer_time}));
    TRY(const Bytes output, require_done(std::move(answer)));
    return internal::read_is_unsynced(as_text(output));
}

Result<std::optional<Bytes>> Api::get(const Cid& cid) {
    auto answer = impl_->run({.command = "block/get?offline=true&arg=" + as_raw(cid).to_string(),
        .max_answer = multiformats::kMaxBlock,
        .time = impl_->settings.answer_time});
    if (!answer && answer.error() == make_error_code(CommonError::limit_exceeded)) {
        return fail(CommonError::corrupt, "Kubo gives too much for the block " + cid.to_string());
    }
    if (answer && !answer->done && internal::says_missing(answer->message)) {
        return std::nullopt;
    }
    TRY(Answer given, std::move(answer));
    TRY(Bytes data, require_done(std::move(given)));
    if (!cid.verify(data)) {
        return fail(CommonError::corrupt, "block " + cid.to_string() + " is damaged in Kubo");
    }
    return data;
}

Result<void> Api::put(std::span<const Block> blocks) {
    if (blocks.empty()) {
        return {};
    }
    const Cid first = as_raw(blocks.front().cid);
    // Of chance, as the content is somebody's choice.
    const std::string boundary = to_hex(crypto::random_bytes(16));
    Bytes body = to_bytes(fmt::format(
        "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blocks.car\"\r\n"
        "Content-Type: application/vnd.ipld.car\r\n\r\n",
        boundary));
    append(body, multiformats::encode_car_header({&first, 1}));
    for (const Block& block : blocks) {
        multiformats::append_car_section(body, as_raw(block.cid), block.data);
    }
    append(body, as_bytes(fmt::format("\r\n--{}--\r\n", boundary)));
    TRY(Answer answer,
        impl_->run({.command = "dag/import?pin-roots=false&stats=true&fast-provide-root=false",
            .body = std::move(body),
            .content_type = "multipart/form-data; boundary=" + boundary,
            .time = impl_->settings.write_time}));
    TRY(const Bytes output, require_done(std::move(answer)));
    TRY(const std::uint64_t taken, internal::read_imported_blocks(as_text(output)));
    if (taken != blocks.size()) {
        return fail(
            CommonError::io, fmt::format("Kubo has taken {} of {} blocks", taken, blocks.size()));
    }
    return {};
}

Result<bool> Api::holds_tree(const Cid& root) {
    TRY(Answer answer,
        impl_->run({.command = "dag/stat?offline=true&progress=false&arg=" + root.to_string(),
            .time = impl_->settings.tree_time}));
    if (!answer.done && internal::says_missing(answer.message)) {
        return false;
    }
    TRY_VOID(require_done(std::move(answer)));
    return true;
}

Result<void> Api::pin(const Cid& root) {
    TRY(Answer answer,
        impl_->run({.command = fmt::format("pin/add?name={}&fast-provide-root=false&arg={}",
                        kPinName, root.to_string()),
            .time = impl_->settings.tree_time}));
    TRY_VOID(require_done(std::move(answer)));
    return {};
}

Result<void> Api::unpin(const Cid& root) {
    TRY(Answer answer, impl_->run({.command = "pin/rm?offline=true&arg=" + root.to_string(),
                           .time = impl_->settings.answer_time}));
    if (!answer.done && internal::says_not_pinned(answer.message)) {
        return {};
    }
    TRY_VOID(require_done(std::move(answer)));
    return {};
}

Result<bool> Api::is_pinned(const Cid& root) {
    TRY(Answer answer,
        impl_->run({.command = "pin/ls?type=recursive&offline=true&arg=" + root.to_string(),
            .time = impl_->settings.answer_time}));
    if (!answer.done && internal::says_not_pinned(answer.message)) {
        return false;
    }
    TRY_VOID(require_done(std::move(answer)));
    return true;
}

Result<void> Api::announce(const Cid& cid) {
    TRY(Answer answer, impl_->run({.command = "routing/provide?arg=" + cid.to_string(),
                           .max_answer = kMaxEvents,
                           .time = impl_->settings.announce_time}));
    TRY_VOID(require_done(std::move(answer)));
    return {};
}

}  // namespace decloud::kubo
