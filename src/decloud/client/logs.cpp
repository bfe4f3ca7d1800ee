#include "logs.hpp"

#include "deploy.hpp"
#include "http.hpp"

#include <decloud/base/encoding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace decloud::client {

namespace {

constexpr std::uint64_t kMaxProblem = 64 * kKiB;
constexpr std::size_t kMaxLine = kMiB;

/// The lines of a stream of JSON objects; empty ones only keep it alive.
class LineReader {
  public:
    explicit LineReader(std::function<Result<void>(const json::Object&)> each)
        : each_(std::move(each)) {}

    Result<void> take(std::string_view text) {
        pending_ += text;
        std::size_t start = 0;
        for (std::size_t end = 0; (end = pending_.find('\n', start)) != std::string::npos;
            start = end + 1) {
            TRY_VOID(take_line(std::string_view(pending_).substr(start, end - start)));
        }
        pending_.erase(0, start);
        if (pending_.size() > kMaxLine) {
            return fail(CommonError::limit_exceeded, "a line of the logs is too long");
        }
        return {};
    }

  private:
    Result<void> take_line(std::string_view line) {
        if (line.empty()) {
            return {};
        }
        TRY(const json::Value value, json::parse(line, {.max_bytes = kMaxLine, .max_depth = 4}));
        if (!value.is_object()) {
            return fail(CommonError::invalid_input, "a log's entry is a JSON object");
        }
        return each_(value.get_object());
    }

    std::function<Result<void>(const json::Object&)> each_;
    std::string pending_;
};

/// The owner's request, signed for one use.
Result<net::http::ClientRequest> make_request(const std::string& target,
    const Address& provider,
    const AccountSigner& owner,
    const identity::Domain& domain,
    UnixSeconds now) {
    TRY(const std::string payment, authorize({.method = "POST",
                                                 .target = target,
                                                 .content_digest = crypto::sha256(BytesView{}),
                                                 .provider = provider,
                                                 .max_price = {}},
                                       owner, domain, now));
    net::http::ClientRequest request;
    request.method = "POST";
    request.headers.set("OpenCloud-Payment", payment);
    request.body = Bytes{};
    return request;
}

}  // namespace

async::Task<Result<void>> read_logs(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    LogsQuestion question,
    const AccountSigner& owner,
    identity::Domain domain,
    const Clock& clock,
    std::function<Result<void>(const json::Object&)> each
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const std::string target = "/oc/v1/compute/logs?arg=" + percent_encode(question.cid) +
                               (question.follow ? "&arg=follow" : "");
    CO_TRY(auto request,
        make_request(target, question.provider.address, owner, domain, clock.unix_seconds()));
    net::Url url = question.provider.url;
    url.target = target;
    const std::string where = url.authority();
    auto response = co_await client.request(std::move(url), std::move(request));
    if (!response) {
        co_return fail(response.error().within(where));
    }
    if (const int status = response->status(); status != 200) {
        const std::string type(response->head().headers.find("Content-Type").value_or(""));
        const auto body = co_await response->read_all(kMaxProblem);
        co_return fail(remote_error(status, type, body ? BytesView(*body) : BytesView{}));
    }
    LineReader lines(std::move(each));
    std::array<std::uint8_t, 16 * kKiB> buffer{};
    for (;;) {
        const auto count = co_await response->read(buffer);
        if (!count) {
            co_return fail(count.error().within(where));
        }
        if (*count == 0) {
            co_return Result<void>{};
        }
        CO_TRY_VOID(lines.take(as_text(BytesView(buffer).first(*count))));
    }
}

namespace {

/// How a call ended, in words.
Result<std::string> describe_end(const json::Object& entry) {
    TRY(std::string end, json::string_member(entry, "end"));
    TRY(const std::string detail, json::string_member(entry, "detail"));
    if (end == "running") {
        return std::string("server");
    }
    if (end == "exited") {
        const auto* code = entry.if_contains("exitCode");
        end = "exit code " +
              (code != nullptr && code->is_int64() ? std::to_string(code->get_int64()) : "?");
    }
    return detail.empty() ? end : end + ": " + detail;
}

/// What it asked of other machines, in words; empty if it could not.
Result<std::string> describe_egress(const json::Object& entry) {
    if (!entry.contains("egress")) {
        return std::string();
    }
    TRY(const json::Object use, json::object_member(entry, "egress"));
    TRY(const std::uint64_t requests, json::uint_member(use, "requests"));
    TRY(const std::uint64_t refused, json::uint_member(use, "refused"));
    TRY(const std::uint64_t sent, json::uint_member(use, "sentBytes"));
    TRY(const std::uint64_t received, json::uint_member(use, "receivedBytes"));
    return fmt::format(" (egress: {} requests, {} refused, {} bytes sent, {} received)", requests,
        refused, sent, received);
}

/// A program must not write to the terminal of its owner: neither C0 nor C1 controls, nor DEL.
std::string without_controls(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next =
            i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : std::uint8_t{0};
        if (byte == 0xC2U && next >= 0x80U && next < 0xA0U) {
            ++i;
        } else if ((byte >= 0x20U && byte != 0x7FU) || byte == '\t') {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

Result<std::string> describe_log(std::string_view provider, const json::Object& entry) {
    TRY(const std::uint64_t number, json::uint_member(entry, "number"));
    TRY(const std::uint64_t time, json::uint_member(entry, "time"));
    TRY(const std::string errors, json::string_member(entry, "stderr"));
    TRY(const std::string end, describe_end(entry));
    TRY(const std::string egress, describe_egress(entry));
    std::string head =
        fmt::format("{} {} #{} {}{}", format_utc({time}), provider, number, end, egress);
    std::ranges::replace(head, '\n', ' ');
    std::string out = without_controls(head) + "\n";
    // What a program writes must not look like the head of an entry.
    std::string_view rest = errors;
    while (!rest.empty()) {
        const std::size_t line = std::min(rest.find('\n'), rest.size());
        out += "  " + without_controls(rest.substr(0, line)) + "\n";
        rest.remove_prefix(std::min(line + 1, rest.size()));
    }
    return out;
}

}  // namespace decloud::client
