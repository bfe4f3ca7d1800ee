#include "routers.hpp"

#include "internal/gateway_client.hpp"
#include "multiaddr.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::ipfs {

namespace {

constexpr std::string_view kProtocol = "transport-ipfs-gateway-http";
constexpr std::size_t kMaxDepth = 16;
constexpr int kNotFound = 404;

bool is_text(const json::Value& value, std::string_view text) {
    return value.is_string() && std::string_view(value.get_string()) == text;
}

/// Without a list of protocols only the addresses tell.
bool may_speak_http(const json::Object& record) {
    const json::Value* const protocols = record.if_contains("Protocols");
    if (protocols == nullptr || !protocols->is_array() || protocols->get_array().empty()) {
        return true;
    }
    return std::ranges::any_of(protocols->get_array(),
        [](const json::Value& protocol) { return is_text(protocol, kProtocol); });
}

void add_new(std::vector<net::Url>& gateways, net::Url url) {
    if (std::ranges::find(gateways, url) == gateways.end()) {
        gateways.push_back(std::move(url));
    }
}

void add_gateways(
    std::vector<net::Url>& gateways, const json::Value& value, std::size_t max_addresses) {
    const json::Object* const record = value.if_object();
    const json::Value* const schema = record == nullptr ? nullptr : record->if_contains("Schema");
    if (schema == nullptr || !is_text(*schema, "peer") || !may_speak_http(*record)) {
        return;
    }
    const json::Value* const addresses = record->if_contains("Addrs");
    if (addresses == nullptr || !addresses->is_array()) {
        return;
    }
    for (const json::Value& address : addresses->get_array()) {
        if (max_addresses-- == 0) {
            return;
        }
        if (auto url = address.is_string() ? url_of_address(address.get_string()) : std::nullopt) {
            add_new(gateways, std::move(*url));
        }
    }
}

}  // namespace

Result<std::vector<net::Url>> parse_providers(std::string_view text, const RouterLimits& limits) {
    TRY(const json::Value value,
        json::parse(text, {.max_bytes = limits.max_bytes, .max_depth = kMaxDepth}));
    const json::Object* const object = value.if_object();
    const json::Value* const rows = object == nullptr ? nullptr : object->if_contains("Providers");
    // Who knows of nobody may write so.
    if (rows != nullptr && rows->is_null()) {
        return std::vector<net::Url>{};
    }
    if (rows == nullptr || !rows->is_array()) {
        return fail(CommonError::invalid_input, "no list of providers");
    }
    std::vector<net::Url> gateways;
    std::size_t left = limits.max_records;
    for (const json::Value& row : rows->get_array()) {
        if (left-- == 0) {
            break;
        }
        add_gateways(gateways, row, limits.max_addresses);
    }
    return gateways;
}

Routers::Routers(net::http::Client& client, std::vector<net::Url> routers, RouterLimits limits)
    : client_(client), routers_(std::move(routers)), limits_(limits) {}

async::Task<Result<Routers::Gateways>> Routers::ask(net::Url router, std::string cid) {
    net::http::ClientRequest request;
    request.headers.set("Accept", "application/json");
    const net::Url url = internal::below(router,
        fmt::format("/routing/v1/providers/{}?filter-protocols=unknown,{}", cid, kProtocol));
    // No redirect is followed: this client may dial what strangers must not name.
    CO_TRY(auto response, co_await client_.request(url, std::move(request)));
    if (response.status() == kNotFound) {
        co_return Gateways{};
    }
    if (response.status() != 200) {
        co_return fail(CommonError::unavailable, fmt::format("it answered {}", response.status()));
    }
    CO_TRY(const Bytes body, co_await response.read_all(limits_.max_bytes));
    co_return parse_providers(as_text(body), limits_);
}

async::Task<Result<std::vector<Result<Routers::Gateways>>>> Routers::ask_all(std::string cid) {
    const auto executor = co_await boost::asio::this_coro::executor;
    std::vector<Result<Gateways>> answers(routers_.size(), fail(CommonError::cancelled));
    std::size_t working = routers_.size();
    async::Event ended(executor);
    async::TaskGroup group(executor);
    // The tasks use what is here: whoever cancels waits until they have ended.
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    for (std::size_t i = 0; i < routers_.size(); ++i) {
        group.spawn([](Routers* self, std::size_t router, std::string what,
                        std::vector<Result<Gateways>>* into, std::size_t* left,
                        async::Event* all) -> async::Task<void> {
            (*into)[router] = co_await async::with_timeout(
                self->limits_.time, self->ask(self->routers_[router], std::move(what)));
            if (--*left == 0) {
                all->set();
            }
        }(this, i, cid, &answers, &working, &ended));
    }
    const auto waited = co_await ended.wait(limits_.time * 2);
    group.cancel();
    co_await group.join();
    co_await boost::asio::this_coro::throw_if_cancelled(true);
    if (!waited && waited.error() == make_error_code(CommonError::cancelled)) {
        co_return fail(waited.error());
    }
    co_return answers;
}

bool Routers::may_ask() {
    const auto now = std::chrono::steady_clock::now();
    if (now >= minute_ends_) {
        minute_ends_ = now + std::chrono::minutes(1);
        questions_ = 0;
    }
    return questions_++ < limits_.max_questions;
}

Routers::Gateways Routers::merge(const std::vector<Result<Gateways>>& answers) const {
    Gateways merged;
    // By turns, so that one router alone cannot say where everything is.
    for (std::size_t turn = 0; turn < limits_.max_gateways; ++turn) {
        for (const auto& answer : answers) {
            if (answer && turn < answer->size() && merged.size() < limits_.max_gateways) {
                add_new(merged, (*answer)[turn]);
            }
        }
    }
    return merged;
}

void Routers::remember(std::string key, const Gateways& gateways) {
    if (const auto known = by_key_.find(key); known != by_key_.end()) {
        remembered_.erase(known->second);
        by_key_.erase(known);
    }
    if (!remembered_.empty() && remembered_.size() >= limits_.max_remembered) {
        by_key_.erase(remembered_.front().key);
        remembered_.pop_front();
    }
    const auto until = std::chrono::steady_clock::now() +
                       (gateways.empty() ? limits_.absent_for : limits_.found_for);
    remembered_.push_back({.key = key, .gateways = gateways, .until = until});
    by_key_.emplace(std::move(key), std::prev(remembered_.end()));
}

async::Task<Result<std::vector<net::Url>>> Routers::find(multiformats::Cid cid) {
    std::string key = to_hex(cid.hash().to_bytes());
    if (const auto known = by_key_.find(key);
        known != by_key_.end() && std::chrono::steady_clock::now() < known->second->until) {
        co_return known->second->gateways;
    }
    if (!may_ask()) {
        co_return fail(CommonError::unavailable, "routers were asked enough in this minute");
    }
    CO_TRY(const auto answers, co_await ask_all(cid.to_string()));
    if (std::ranges::none_of(answers, [](const auto& answer) { return answer.has_value(); })) {
        std::vector<std::string> reasons;
        reasons.reserve(answers.size());
        for (std::size_t i = 0; i < answers.size(); ++i) {
            reasons.push_back(routers_[i].to_string() + ": " + answers[i].error().message());
        }
        co_return fail(CommonError::unavailable,
            fmt::format("no router answered: {}", fmt::join(reasons, "; ")));
    }
    Gateways gateways = merge(answers);
    remember(std::move(key), gateways);
    co_return gateways;
}

}  // namespace decloud::ipfs
