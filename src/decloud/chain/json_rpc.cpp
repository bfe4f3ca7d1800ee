#include "json_rpc.hpp"

#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/revert.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>

namespace decloud::chain {

namespace {

constexpr json::Limits kAnswerLimits{.max_bytes = 32U << 20U, .max_depth = 16};

bool is_transient(const Error& error) {
    return error == make_error_code(ChainError::unreachable) ||
           error == make_error_code(ChainError::timeout) ||
           error == make_error_code(ChainError::invalid_response);
}

std::unexpected<Error> invalid(std::string why) {
    return fail(ChainError::invalid_response, std::move(why));
}

// Servers agree on the words more than on the codes.
struct Phrase {
    std::string_view text;
    ChainError code;
};
constexpr std::array<Phrase, 12> kPhrases{{
    {"execution reverted", ChainError::reverted},
    {"revert", ChainError::reverted},
    {"nonce too low", ChainError::nonce_too_low},
    {"replacement transaction underpriced", ChainError::underpriced},
    {"underpriced", ChainError::underpriced},
    {"less than block base fee", ChainError::underpriced},
    {"fee cap", ChainError::underpriced},
    {"insufficient funds", ChainError::insufficient_funds},
    {"already known", ChainError::already_known},
    {"already imported", ChainError::already_known},
    {"known transaction", ChainError::already_known},
    {"unsupported chain", ChainError::wrong_chain},
}};

// The bytes that a revert gave: `data`, or `data.data` with some servers.
Bytes revert_data(const json::Object& error) {
    const json::Value* data = error.if_contains("data");
    if (data != nullptr && data->is_object()) {
        data = data->get_object().if_contains("data");
    }
    if (data == nullptr) {
        return {};
    }
    return parse_data(*data).value_or(Bytes{});
}

// Digits of a quantity without "0x" and leading zeros; none if it is not one.
std::optional<std::string_view> quantity_digits(const json::Value& value) {
    if (!value.is_string()) {
        return std::nullopt;
    }
    std::string_view text = value.get_string();
    if (!text.starts_with("0x") || text.size() < 3) {
        return std::nullopt;
    }
    text.remove_prefix(2);
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    return text;
}

// An endpoint that was not let finish has not failed.
async::Task<bool> is_cancelled() {
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    co_return state.cancelled() != boost::asio::cancellation_type::none;
}

}  // namespace

struct JsonRpc::Endpoint {
    std::string url;
    bool usable = true;
    std::string reason;
    // What the survey under way has found so far; `settle` makes it count.
    bool candidate = true;
    std::string verdict;
    std::uint64_t head = 0;
    std::optional<std::uint64_t> chain_id;
    std::string hash;

    std::optional<std::chrono::steady_clock::time_point> behind_since;

    void drop(const Error& error) {
        const bool silent = error == make_error_code(ChainError::unreachable);
        drop(silent && !error.detail().empty() ? error.detail() : error.message());
    }

    void drop(std::string why) {
        candidate = false;
        verdict = std::move(why);
    }

    void settle() {
        if (!candidate && reason != verdict) {
            log::warning("chain", "endpoint {} is not used: {}", url, verdict);
        } else if (candidate && !usable) {
            log::info("chain", "endpoint {} is used again", url);
        }
        usable = candidate;
        reason = candidate ? "" : verdict;
    }
};

JsonRpc::JsonRpc(
    JsonRpcTransport& transport, std::vector<std::string> urls, JsonRpcSettings settings)
    : transport_(transport), settings_(settings) {
    for (std::string& url : urls) {
        endpoints_.push_back(Endpoint{.url = std::move(url),
            .reason = {},
            .verdict = {},
            .chain_id = {},
            .hash = {},
            .behind_since = {}});
    }
}

JsonRpc::~JsonRpc() = default;

async::Task<Result<json::Value>> JsonRpc::ask(
    std::string url, std::string method, json::Array params) {
    const std::uint64_t id = next_id_++;
    json::Object message;
    message["jsonrpc"] = "2.0";
    message["id"] = id;
    message["method"] = method;
    message["params"] = std::move(params);
    auto text = co_await transport_.post(url, json::to_text(message), settings_.timeout);
    if (!text) {
        co_return fail(text.error().within(method));
    }
    auto parsed = json::parse(*text, kAnswerLimits);
    if (!parsed || !parsed->is_object()) {
        co_return invalid(method + ": no JSON object");
    }
    json::Object& answer = parsed->get_object();
    if (const json::Value* const error = answer.if_contains("error"); error && error->is_object()) {
        co_return fail(rpc_error(error->get_object()));
    }
    json::Value* const result = answer.if_contains("result");
    if (result == nullptr || json::uint_member(answer, "id") != id) {
        co_return invalid(method + ": no result, or one of another request");
    }
    co_return std::move(*result);
}

async::Task<Result<json::Value>> JsonRpc::request(std::string method, json::Array params) {
    Error problem(make_error_code(ChainError::not_ready), reasons());
    for (const Endpoint& endpoint : endpoints_) {
        if (!endpoint.usable) {
            continue;
        }
        auto result = co_await ask(endpoint.url, method, params);
        if (result || !is_transient(result.error())) {
            co_return result;
        }
        problem = result.error().within(endpoint.url);
    }
    co_return fail(std::move(problem));
}

async::Task<void> JsonRpc::for_each_candidate(std::function<async::Task<void>(std::size_t)> work) {
    namespace asio = boost::asio;
    const auto executor = co_await asio::this_coro::executor;
    using Operation = decltype(asio::co_spawn(executor, work(0), asio::deferred));
    std::vector<Operation> operations;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
        if (endpoints_[i].candidate) {
            operations.push_back(asio::co_spawn(executor, work(i), asio::deferred));
        }
    }
    if (!operations.empty()) {
        co_await asio::experimental::make_parallel_group(std::move(operations))
            .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    }
}

async::Task<Result<std::uint64_t>> JsonRpc::ask_quantity(std::string url, std::string method) {
    CO_TRY(const json::Value answer, co_await ask(std::move(url), std::move(method), {}));
    co_return parse_quantity(answer);
}

async::Task<void> JsonRpc::probe(std::size_t index) {
    const std::string url = endpoints_[index].url;
    if (!endpoints_[index].chain_id) {
        auto id = co_await ask_quantity(url, "eth_chainId");
        if (!id) {
            endpoints_[index].drop(id.error());
            co_return;
        }
        endpoints_[index].chain_id = *id;
    }
    auto head = co_await ask_quantity(url, "eth_blockNumber");
    if (!head) {
        // It may come back as another chain.
        endpoints_[index].chain_id.reset();
        endpoints_[index].drop(head.error());
        co_return;
    }
    endpoints_[index].head = *head;
}

async::Task<void> JsonRpc::fetch_hash(std::size_t index, std::uint64_t number) {
    auto block =
        co_await ask(endpoints_[index].url, "eth_getBlockByNumber", {to_quantity(number), false});
    if (!block) {
        endpoints_[index].drop(block.error());
        co_return;
    }
    auto hash = block->is_object() ? json::string_member(block->get_object(), "hash")
                                   : Result<std::string>(fail(ChainError::not_found));
    if (!hash) {
        endpoints_[index].drop("it does not have block " + std::to_string(number));
        co_return;
    }
    endpoints_[index].hash = *hash;
}

void JsonRpc::judge_chain() {
    std::map<std::uint64_t, std::size_t> votes;
    for (const Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate && endpoint.chain_id) {
            ++votes[*endpoint.chain_id];
        }
    }
    const auto total =
        static_cast<std::size_t>(std::ranges::count(endpoints_, true, &Endpoint::candidate));
    std::optional<std::uint64_t> right = settings_.chain_id;
    for (const auto& [id, count] : votes) {
        if (!right && 2 * count > total) {
            right = id;
        }
    }
    for (Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate && endpoint.chain_id && endpoint.chain_id != right) {
            endpoint.drop(
                "it is on chain " + std::to_string(*endpoint.chain_id) +
                (right ? ", not on " + std::to_string(*right) : ", and there is no majority"));
        }
    }
}

void JsonRpc::judge_lag() {
    std::vector<std::uint64_t> heads;
    for (const Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate) {
            heads.push_back(endpoint.head);
        }
    }
    if (heads.empty()) {
        return;
    }
    // The highest head that no minority can make up alone.
    std::ranges::sort(heads, std::greater{});
    const std::uint64_t reference = heads[(heads.size() - 1) / 2];
    const auto now = std::chrono::steady_clock::now();
    for (Endpoint& endpoint : endpoints_) {
        if (!endpoint.candidate) {
            continue;
        }
        if (endpoint.head + settings_.max_lag > reference) {
            endpoint.behind_since.reset();
            continue;
        }
        if (!endpoint.behind_since) {
            endpoint.behind_since = now;
        }
        if (now - *endpoint.behind_since >= settings_.max_lag_time) {
            endpoint.drop("it is " + std::to_string(settings_.max_lag) + " blocks or more behind");
        }
    }
}

void JsonRpc::judge_hashes() {
    std::map<std::string, std::size_t> votes;
    std::size_t total = 0;
    for (const Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate) {
            ++votes[endpoint.hash];
            ++total;
        }
    }
    for (Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate && 2 * votes[endpoint.hash] <= total) {
            endpoint.drop("its block at the finality depth is not the majority's");
        }
    }
}

async::Task<Result<void>> JsonRpc::survey() {
    for (Endpoint& endpoint : endpoints_) {
        endpoint.candidate = true;
    }
    co_await for_each_candidate([this](std::size_t index) { return probe(index); });
    if (co_await is_cancelled()) {
        co_return fail(CommonError::cancelled);
    }
    judge_chain();
    judge_lag();
    std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
    for (const Endpoint& endpoint : endpoints_) {
        if (endpoint.candidate) {
            lowest = std::min(lowest, endpoint.head);
        }
    }
    if (std::ranges::count(endpoints_, true, &Endpoint::candidate) > 1) {
        const std::uint64_t number = lowest - std::min(lowest, settings_.depth);
        co_await for_each_candidate(
            [this, number](std::size_t index) { return fetch_hash(index, number); });
        if (co_await is_cancelled()) {
            co_return fail(CommonError::cancelled);
        }
        judge_hashes();
    }
    std::ranges::for_each(endpoints_, &Endpoint::settle);
    if (std::ranges::none_of(endpoints_, &Endpoint::usable)) {
        const bool answered = std::ranges::any_of(
            endpoints_, [](const Endpoint& endpoint) { return endpoint.chain_id.has_value(); });
        co_return fail(answered ? ChainError::inconsistent : ChainError::unreachable, reasons());
    }
    co_return Result<void>{};
}

std::string JsonRpc::reasons() const {
    std::string out;
    for (const Endpoint& endpoint : endpoints_) {
        if (!endpoint.usable) {
            out += (out.empty() ? "" : "; ") + endpoint.url + ": " + endpoint.reason;
        }
    }
    return out;
}

std::vector<EndpointStatus> JsonRpc::endpoints() const {
    std::vector<EndpointStatus> out;
    out.reserve(endpoints_.size());
    for (const Endpoint& endpoint : endpoints_) {
        out.push_back({endpoint.url, endpoint.usable, endpoint.reason, endpoint.head});
    }
    return out;
}

Error rpc_error(const json::Object& error) {
    const std::string message = json::string_member(error, "message").value_or("no message");
    const std::string words = to_lower(message);
    const Bytes data = revert_data(error);
    for (const Phrase& phrase : kPhrases) {
        if (words.find(phrase.text) == std::string::npos) {
            continue;
        }
        if (phrase.code == ChainError::reverted && !data.empty()) {
            return {make_error_code(phrase.code), contracts::describe_revert(data)};
        }
        return {make_error_code(phrase.code), message};
    }
    return {make_error_code(ChainError::rpc), message};
}

Result<Uint128> parse_quantity128(const json::Value& value) {
    const auto digits = quantity_digits(value);
    if (!digits || digits->size() > 32) {
        return invalid("not a quantity of at most 128 bits");
    }
    Uint128 out = 0;
    for (const char c : *digits) {
        const char low = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
        const bool decimal = low >= '0' && low <= '9';
        if (!decimal && (low < 'a' || low > 'f')) {
            return invalid("not a hexadecimal quantity");
        }
        out = out << 4U | static_cast<Uint128>(decimal ? low - '0' : low - 'a' + 10);
    }
    return out;
}

Result<std::uint64_t> parse_quantity(const json::Value& value) {
    TRY(const Uint128 wide, parse_quantity128(value));
    if (wide > std::numeric_limits<std::uint64_t>::max()) {
        return invalid("a quantity is above 2^64-1");
    }
    return static_cast<std::uint64_t>(wide);
}

Result<Bytes> parse_data(const json::Value& value) {
    if (!value.is_string() || !value.get_string().starts_with("0x")) {
        return invalid("not hexadecimal data");
    }
    auto bytes = from_hex(value.get_string());
    if (!bytes) {
        return invalid("not hexadecimal data");
    }
    return bytes;
}

std::string to_quantity(Uint128 value) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    do {
        out.insert(out.begin(), kDigits[static_cast<std::size_t>(value & 15U)]);
        value >>= 4U;
    } while (value != 0);
    return "0x" + out;
}

}  // namespace decloud::chain
