#include "provider_directory.hpp"

#include "internal/directory_impl.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/crypto/hash.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace decloud::registry {

namespace {

constexpr std::chrono::steady_clock::duration kFollowPause = std::chrono::milliseconds(500);

Error lookup_error(const identity::ProviderName& name, const Error& error) {
    if (error == make_error_code(ChainError::not_found)) {
        return {RegistryError::unknown_provider, name.full()};
    }
    if (error == make_error_code(CommonError::limit_exceeded) ||
        error == make_error_code(CommonError::invalid_input) ||
        error == make_error_code(ChainError::invalid_response) ||
        error == make_error_code(ChainError::reverted)) {
        return {RegistryError::unusable_record,
            fmt::format("{}: its resolver gives no proper answer", name.full())};
    }
    return {
        RegistryError::unavailable, fmt::format("looking up {}: {}", name.full(), error.message())};
}

/// Sets the event when the coroutine ends, however it ends.
class SetAtEnd {
  public:
    explicit SetAtEnd(async::Event& event) : event_(event) {}
    ~SetAtEnd() { event_.set(); }
    SetAtEnd(const SetAtEnd&) = delete;
    SetAtEnd& operator=(const SetAtEnd&) = delete;

  private:
    async::Event& event_;
};

Bytes32 topic_of(std::string_view event) { return crypto::keccak256(as_bytes(event)); }

Bytes32 subnode(const Bytes32& parent, const Bytes32& label) {
    Bytes joined = to_bytes(parent.view());
    append(joined, label.view());
    return crypto::keccak256(joined);
}

}  // namespace

ProviderDirectory::Impl::Impl(async::Executor executor,
    chain::EthereumClient& client,
    chain::HeadFollower& head,
    Address registry,
    ProviderDirectorySettings settings)
    : executor_(std::move(executor)),
      client_(client),
      head_(head),
      view_(client, registry),
      settings_(settings),
      known_(settings.max_providers),
      refused_(settings.max_refused),
      tasks_(executor_),
      head_moved_(executor_),
      on_head_(head.on_head([this](const chain::BlockHeader&) { head_moved_.set(); })),
      on_reorganisation_(head.on_reorganisation([this](std::uint64_t) {
          forget_all();
          head_moved_.set();
      })) {}

bool ProviderDirectory::Impl::is_followed() const {
    return verified_at_ &&
           std::chrono::steady_clock::now() - *verified_at_ <= settings_.stale_limit;
}

std::optional<Result<Provider>> ProviderDirectory::Impl::cached(
    const identity::ProviderName& name) {
    if (!is_followed()) {
        return std::nullopt;
    }
    const TimePoint now = std::chrono::steady_clock::now();
    if (const Known* known = known_.find(name); known != nullptr && now < known->refresh_at) {
        return known->provider;
    }
    if (const Refused* refused = refused_.find(name); refused != nullptr && now < refused->until) {
        return fail(refused->error);
    }
    return std::nullopt;
}

async::Task<Result<Provider>> ProviderDirectory::Impl::find(identity::ProviderName name) {
    if (auto hit = cached(name)) {
        co_return std::move(*hit);
    }
    CO_TRY(const auto lookup, join_lookup(name));
    (void)co_await lookup->done.wait(settings_.lookup_timeout + std::chrono::seconds(1));
    Result<Provider> result = lookup->result.value_or(
        fail(RegistryError::unavailable, fmt::format("looking up {} was ended", name.full())));
    if (!result && result.error() == make_error_code(RegistryError::unavailable) && is_followed()) {
        if (const Known* known = known_.find(name)) {
            co_return known->provider;
        }
    }
    co_return result;
}

Result<std::shared_ptr<ProviderDirectory::Impl::Lookup>> ProviderDirectory::Impl::join_lookup(
    const identity::ProviderName& name) {
    if (const auto found = running_.find(name.full()); found != running_.end()) {
        return found->second;
    }
    if (stopped_) {
        return fail(RegistryError::unavailable, "shutting down");
    }
    if (running_.size() >= settings_.max_lookups) {
        return fail(RegistryError::unavailable, "too many names are being looked up");
    }
    auto lookup = std::make_shared<Lookup>(executor_);
    running_.emplace(name.full(), lookup);
    tasks_.spawn(look_up(name, lookup));
    return lookup;
}

async::Task<void> ProviderDirectory::Impl::look_up(
    identity::ProviderName name, std::shared_ptr<Lookup> lookup) {
    const SetAtEnd at_end(lookup->done);
    ++lookups_;
    const std::uint64_t generation = generation_;
    std::optional<std::uint64_t> asked_at;
    if (const auto head = head_.head()) {
        asked_at = head->number;
    }
    auto record = co_await ask(name);
    running_.erase(name.full());
    const Result<Provider> result =
        record ? parse_provider(name, *record) : fail(lookup_error(name, record.error()));
    if (generation == generation_) {
        keep(name, result, record ? record->resolver : Address{}, asked_at);
    }
    lookup->result = result;
}

async::Task<Result<chain::ProviderRecord>> ProviderDirectory::Impl::ask(
    identity::ProviderName name) {
    try {
        co_return co_await async::with_timeout(
            settings_.lookup_timeout, view_.resolve(name.node()));
    } catch (const boost::system::system_error&) {
        // Only `stop` cancels a lookup.
        co_return fail(CommonError::cancelled);
    }
}

void ProviderDirectory::Impl::keep(const identity::ProviderName& name,
    const Result<Provider>& result,
    const Address& resolver,
    std::optional<std::uint64_t> asked_at) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (!result) {
        if (result.error() != make_error_code(RegistryError::unavailable)) {
            known_.remove(name.node());
            refused_.put(name, {result.error(), now + settings_.refused_age});
        }
        return;
    }
    if (!asked_at) {
        return;
    }
    refused_.remove(name.node());
    known_.put(name, {*result, resolver, now + settings_.refresh_age});
    due_from_ = std::min(due_from_.value_or(*asked_at + 1), *asked_at + 1);
    // It may have been overtaken: then its events were looked at before there was anything to
    // forget.
    head_moved_.set();
}

async::Task<void> ProviderDirectory::Impl::run() {
    for (;;) {
        co_await follow();
        const auto moved = co_await head_moved_.wait(kFollowPause);
        if (!moved && moved.error() == make_error_code(CommonError::cancelled)) {
            co_return;
        }
        head_moved_.reset();
    }
}

async::Task<void> ProviderDirectory::Impl::follow() {
    const auto head = head_.head();
    if (!head || !head_.status().ready) {
        co_return;
    }
    const std::uint64_t generation = generation_;
    const bool due = due_from_ && *due_from_ <= head->number;
    if (!checked_ || head->number > *checked_ || due) {
        if (auto checked = co_await check_events(head->number); !checked) {
            if (!std::exchange(events_failing_, true)) {
                log::warning(
                    "registry", "cannot read the registry's events: {}", checked.error().message());
            }
            co_return;
        }
        events_failing_ = false;
    }
    if (generation == generation_) {
        checked_ = head->number;
        verified_at_ = std::chrono::steady_clock::now();
    }
}

async::Task<Result<void>> ProviderDirectory::Impl::check_events(std::uint64_t head) {
    if (known_.empty() && refused_.empty()) {
        due_from_.reset();
        co_return Result<void>{};
    }
    const auto due = std::exchange(due_from_, std::nullopt);
    const std::uint64_t after = checked_ ? *checked_ + 1 : head;
    const std::uint64_t first = std::min(due.value_or(after), after);
    if (head > first && head - first > settings_.max_event_blocks) {
        forget_all();
        co_return Result<void>{};
    }
    const std::uint64_t from = first - std::min(first, settings_.overlap_blocks);
    auto logs = co_await async::with_timeout(
        settings_.lookup_timeout, client_.get_logs(event_filter(from, head)));
    if (!logs) {
        due_from_ = std::min(due_from_.value_or(first), first);
        co_return std::unexpected(std::move(logs.error()));
    }
    forget_changed(*logs);
    co_return Result<void>{};
}

chain::LogFilter ProviderDirectory::Impl::event_filter(std::uint64_t from, std::uint64_t to) const {
    namespace registry = contracts::registry;
    namespace resolver = contracts::resolver;
    std::set<Address> addresses{view_.address()};
    known_.for_each([&](const Known& known) { addresses.insert(known.resolver); });
    // As earlier resolvers of ENS say that a text changed, and later ones that all were dropped.
    static const Bytes32 earlier_text_changed = topic_of("TextChanged(bytes32,string,string)");
    static const Bytes32 version_changed = topic_of("VersionChanged(bytes32,uint64)");
    chain::LogFilter filter;
    filter.addresses.assign(addresses.begin(), addresses.end());
    filter.topics = {{registry::NewResolverEvent::kTopic, registry::NewOwnerEvent::kTopic,
        registry::TransferEvent::kTopic, resolver::TextChangedEvent::kTopic,
        resolver::AddrChangedEvent::kTopic, earlier_text_changed, version_changed}};
    filter.from_block = from;
    filter.to_block = to;
    return filter;
}

void ProviderDirectory::Impl::forget_changed(const std::vector<chain::Log>& logs) {
    for (const chain::Log& log : logs) {
        if (log.topics.size() < 2) {
            continue;
        }
        const bool by_parent = log.topics.front() == contracts::registry::NewOwnerEvent::kTopic;
        if (by_parent && log.topics.size() < 3) {
            continue;
        }
        const Bytes32 node = by_parent ? subnode(log.topics[1], log.topics[2]) : log.topics[1];
        known_.remove(node);
        refused_.remove(node);
    }
}

void ProviderDirectory::Impl::forget_all() {
    ++generation_;
    known_.clear();
    refused_.clear();
    due_from_.reset();
    checked_.reset();
}

async::Task<void> ProviderDirectory::Impl::stop() {
    stopped_ = true;
    tasks_.cancel();
    co_await tasks_.join();
}

ProviderDirectory::ProviderDirectory(async::Executor executor,
    chain::EthereumClient& client,
    chain::HeadFollower& head,
    Address registry,
    ProviderDirectorySettings settings)
    : impl_(std::make_unique<Impl>(std::move(executor), client, head, registry, settings)) {}

ProviderDirectory::~ProviderDirectory() = default;

async::Task<Result<Provider>> ProviderDirectory::find(identity::ProviderName name) {
    return impl_->find(std::move(name));
}
async::Task<void> ProviderDirectory::run() { return impl_->run(); }
async::Task<void> ProviderDirectory::stop() { return impl_->stop(); }
std::uint64_t ProviderDirectory::lookups() const { return impl_->lookups(); }
std::size_t ProviderDirectory::size() const { return impl_->size(); }

}  // namespace decloud::registry
