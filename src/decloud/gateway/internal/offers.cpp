#include "offers.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <bit>
#include <utility>

namespace decloud::gateway::internal {

namespace {

constexpr std::uint64_t kMaxAnswerBytes = 4096;
constexpr const char* kTooMany = "too many deployments are being looked for";

/// Outer nothing: not understood. Inner nothing: it does not run there.
std::optional<std::optional<Uint128>> read_answer(BytesView body) {
    const auto value = json::parse(as_text(body), {.max_bytes = kMaxAnswerBytes, .max_depth = 4});
    if (!value || !value->is_object()) {
        return std::nullopt;
    }
    const json::Object& object = value->get_object();
    const auto runs = json::bool_member(object, "runs");
    if (!runs) {
        return std::nullopt;
    }
    if (!*runs) {
        return std::optional<Uint128>();
    }
    const auto price = json::string_member(object, "price");
    const auto units = price ? parse_uint128(*price) : fail(CommonError::invalid_input);
    return units ? std::optional(std::optional(*units)) : std::nullopt;
}

}  // namespace

Offers::Offers(async::Executor executor, Providers providers, Ask ask, OffersSettings settings)
    : executor_(executor),
      providers_(std::move(providers)),
      ask_(std::move(ask)),
      settings_(settings),
      // Nothing depends on nobody guessing it.
      random_(std::bit_cast<std::uint64_t>(crypto::random_array<8>())),
      tasks_(std::move(executor)) {}

void Offers::update_index() {
    const auto now = providers_();
    if (now == listed_) {
        return;
    }
    listed_ = now;
    by_name_.clear();
    by_account_.clear();
    for (const registry::Provider& one : *listed_) {
        auto provider = std::make_shared<const registry::Provider>(one);
        by_account_.emplace(provider->address, provider);
        by_name_.emplace(provider->name.full(), std::move(provider));
    }
}

std::shared_ptr<const registry::Provider> Offers::find_provider(std::string_view name) {
    update_index();
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

std::shared_ptr<const registry::Provider> Offers::find_provider(const Address& account) {
    update_index();
    const auto found = by_account_.find(account);
    return found == by_account_.end() ? nullptr : found->second;
}

std::shared_ptr<Offers::Entry> Offers::find_entry(const std::string& cid) {
    const auto found = entries_.find(cid);
    if (found == entries_.end()) {
        return nullptr;
    }
    std::list<std::string>& list = *found->second->list;
    list.splice(list.end(), list, found->second->recent);
    return found->second;
}

std::shared_ptr<Offers::Entry> Offers::add_entry(const std::string& cid) {
    auto entry = std::make_shared<Entry>(executor_);
    entry->list = &vacant_;
    entry->recent = vacant_.insert(vacant_.end(), cid);
    entries_.emplace(cid, entry);
    trim(vacant_);
    return entry;
}

void Offers::sort_in(const std::string& cid, const std::shared_ptr<Entry>& entry) {
    const auto found = entries_.find(cid);
    std::list<std::string>* const list = entry->prices.empty() ? &vacant_ : &recent_;
    if (found == entries_.end() || found->second != entry || entry->list == list) {
        return;
    }
    list->splice(list->end(), *entry->list, entry->recent);
    entry->list = list;
    trim(*list);
}

void Offers::trim(std::list<std::string>& list) {
    while (list.size() > settings_.max_cids) {
        entries_.erase(list.front());
        list.pop_front();
    }
}

void Offers::fill_queue(Entry& entry) {
    auto& queue = entry.queue;
    for (const auto& [name, provider] : by_name_) {
        queue.push_back(provider);
    }
    // From the back: those who said yes before, then the others by lot, so that nobody is never
    // asked and nobody who is silent is always in front.
    std::ranges::shuffle(queue, random_);
    std::ranges::partition(
        queue, [&](const auto& provider) { return !entry.prices.contains(provider->name.full()); });
    if (queue.size() > settings_.max_asked) {
        queue.erase(queue.begin(),
            queue.begin() + static_cast<std::ptrdiff_t>(queue.size() - settings_.max_asked));
    }
}

bool Offers::is_due(const Entry& entry) const {
    if (entry.running > 0) {
        return false;
    }
    const auto age = entry.prices.empty() ? settings_.nobody : settings_.fresh;
    return !entry.asked || std::chrono::steady_clock::now() - *entry.asked >= age;
}

bool Offers::begin_round(const std::string& cid, const std::shared_ptr<Entry>& entry) {
    if (rounds_ >= settings_.max_rounds) {
        return false;
    }
    std::erase_if(entry->prices, [&](const auto& one) { return !by_name_.contains(one.first); });
    sort_in(cid, entry);
    fill_queue(*entry);
    entry->running = std::min(settings_.parallel, entry->queue.size());
    if (entry->running == 0) {
        return true;
    }
    ++rounds_;
    for (std::size_t i = entry->running; i > 0; --i) {
        tasks_.spawn(work(cid, entry));
    }
    return true;
}

async::Task<void> Offers::work(std::string cid, std::shared_ptr<Entry> entry) {
    while (!entry->queue.empty()) {
        const auto provider = std::move(entry->queue.back());
        entry->queue.pop_back();
        const auto told = co_await ask_one(cid, provider);
        if (!told) {
            continue;
        }
        if (*told) {
            entry->prices.insert_or_assign(provider->name.full(), **told);
            sort_in(cid, entry);
            entry->changed.set();
            entry->changed.reset();
        } else {
            entry->prices.erase(provider->name.full());
            sort_in(cid, entry);
        }
    }
    if (--entry->running == 0) {
        --rounds_;
        entry->asked = std::chrono::steady_clock::now();
        entry->changed.set();
        entry->changed.reset();
    }
}

async::Task<Result<Bytes>> Offers::exchange(
    std::string cid, std::shared_ptr<const registry::Provider> provider) {
    net::http::ClientRequest request{.method = "POST",
        .target = "/oc/v1/compute/describe?arg=" + cid,
        .headers = {{"Host", provider->url.authority()}},
        .body = Bytes{}};
    CO_TRY(auto response, co_await ask_(*provider, std::move(request)));
    if (response.status() != 200) {
        co_return fail(CommonError::unavailable, "status " + std::to_string(response.status()));
    }
    co_return co_await response.read_all(kMaxAnswerBytes);
}

async::Task<std::optional<std::optional<Uint128>>> Offers::ask_one(
    std::string cid, std::shared_ptr<const registry::Provider> provider) {
    try {
        const auto body =
            co_await async::with_timeout(settings_.ask_timeout, exchange(cid, provider));
        if (body) {
            co_return read_answer(*body);
        }
        log::debug("gateway", "{} does not say whether it runs {}: {}", provider->name.full(), cid,
            body.error().message());
    } catch (const boost::system::system_error&) {
        // Only `stop` cancels.
        co_return std::nullopt;
    }
    co_return std::nullopt;
}

async::Task<Result<std::vector<Offer>>> Offers::find(std::string cid) {
    update_index();
    if (by_name_.empty()) {
        co_return fail(CommonError::unavailable, "no provider is known here yet");
    }
    auto entry = find_entry(cid);
    if (!entry && rounds_ < settings_.max_rounds) {
        entry = add_entry(cid);
    }
    if (!entry) {
        co_return fail(CommonError::limit_exceeded, kTooMany);
    }
    if (is_due(*entry) && !begin_round(cid, entry) && entry->prices.empty()) {
        co_return fail(CommonError::limit_exceeded, kTooMany);
    }
    const TimePoint deadline = std::chrono::steady_clock::now() + settings_.find_timeout;
    const bool first = !entry->asked;
    std::optional<TimePoint> end;
    while (entry->running > 0 && (entry->prices.empty() || first)) {
        if (!entry->prices.empty() && !end) {
            end = std::min(deadline, std::chrono::steady_clock::now() + settings_.grace);
        }
        const auto left = end.value_or(deadline) - std::chrono::steady_clock::now();
        if (left <= std::chrono::steady_clock::duration::zero()) {
            break;
        }
        const auto told = co_await entry->changed.wait(left);
        if (!told && told.error() == make_error_code(CommonError::cancelled)) {
            break;
        }
    }
    if (entry->running > 0 && entry->prices.empty()) {
        co_return fail(CommonError::unavailable, "not all providers have told what they run yet");
    }
    std::vector<Offer> out;
    for (const auto& [name, price] : entry->prices) {
        if (auto provider = find_provider(name)) {
            out.push_back({std::move(provider), price});
        }
    }
    co_return out;
}

void Offers::forget(const std::string& cid, std::string_view provider) {
    const auto found = entries_.find(cid);
    if (found == entries_.end()) {
        return;
    }
    auto& prices = found->second->prices;
    if (const auto price = prices.find(provider); price != prices.end()) {
        prices.erase(price);
        sort_in(cid, found->second);
    }
}

async::Task<void> Offers::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace decloud::gateway::internal
