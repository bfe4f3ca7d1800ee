#include "provider_catalogue.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>

#include <algorithm>
#include <utility>

namespace decloud::registry {

namespace {

/// Of one event that a stranger had emitted, a name could be as long as a block.
constexpr std::size_t kMaxLabelBytes = 63;

}  // namespace

ProviderCatalogue::ProviderCatalogue(async::Executor executor,
    chain::EthereumClient& client,
    chain::HeadFollower& head,
    Address registry,
    ProviderSource& source,
    ProviderCatalogueSettings settings)
    : client_(client),
      head_(head),
      view_(client, registry),
      source_(source),
      settings_(settings),
      wake_(std::move(executor)),
      on_head_(head.on_head([this](const chain::BlockHeader&) { wake_.set(); })),
      on_reorganisation_(head.on_reorganisation([this](std::uint64_t first) {
          if (first < next_) {
              start_over();
          }
          wake_.set();
      })),
      next_(settings.first_block) {}

ProviderCatalogue::~ProviderCatalogue() = default;

void ProviderCatalogue::start_over() {
    ++generation_;
    registrar_.reset();
    next_ = settings_.first_block;
    final_.clear();
    recent_.clear();
    retries_.clear();
    read_head_.reset();
    full_ = false;
    complete_ = false;
}

async::Task<void> ProviderCatalogue::run() {
    for (;;) {
        wake_.reset();
        if (auto read = co_await read_names(); !read) {
            if (!std::exchange(failing_, true)) {
                log::warning(
                    "registry", "cannot read who is registered: {}", read.error().message());
            }
        } else {
            failing_ = false;
        }
        co_await refresh();
        const auto woken = co_await wake_.wait(settings_.pause);
        if (!woken && woken.error() == make_error_code(CommonError::cancelled)) {
            co_return;
        }
    }
}

async::Task<Result<void>> ProviderCatalogue::find_registrar() {
    const TimePoint now = std::chrono::steady_clock::now();
    if (registrar_ && now < registrar_due_) {
        co_return Result<void>{};
    }
    CO_TRY(const Address owner, co_await async::with_timeout(settings_.timeout,
                                    view_.owner(identity::namehash(identity::kTopName))));
    if (registrar_ && *registrar_ != owner) {
        start_over();
    }
    registrar_ = owner;
    registrar_due_ = now + settings_.registrar_age;
    co_return Result<void>{};
}

async::Task<Result<std::vector<chain::Log>>> ProviderCatalogue::registrations(
    std::uint64_t from, std::uint64_t to) {
    chain::LogFilter filter;
    filter.addresses = {registrar_.value_or(Address{})};
    filter.topics = {{contracts::registrar::NameRegisteredEvent::kTopic}};
    filter.from_block = from;
    filter.to_block = to;
    co_return co_await async::with_timeout(settings_.timeout, client_.get_logs(std::move(filter)));
}

async::Task<Result<void>> ProviderCatalogue::read_names() {
    const auto head = head_.head();
    const auto finalized = head_.finalized();
    if (!head || !finalized || !head_.status().ready) {
        co_return Result<void>{};
    }
    CO_TRY_VOID(co_await find_registrar());
    if (read_head_ == head->hash) {
        co_return Result<void>{};
    }
    const std::uint64_t generation = generation_;
    while (next_ <= finalized->number) {
        const std::uint64_t to =
            std::min(next_ + settings_.max_event_blocks - 1, finalized->number);
        CO_TRY(const auto logs, co_await registrations(next_, to));
        if (generation != generation_) {
            co_return Result<void>{};
        }
        co_await note_changes(std::max(next_, to - std::min(to, head_.depth())), to);
        if (generation != generation_) {
            co_return Result<void>{};
        }
        for (const chain::Log& log : logs) {
            take(log, final_);
        }
        next_ = to + 1;
    }
    Names recent;
    if (next_ <= head->number) {
        CO_TRY(const auto logs, co_await registrations(next_, head->number));
        co_await note_changes(next_, head->number);
        for (const chain::Log& log : logs) {
            take(log, recent);
        }
    }
    if (generation == generation_) {
        recent_ = std::move(recent);
        read_head_ = head->hash;
        complete_ = true;
    }
    co_return Result<void>{};
}

async::Task<void> ProviderCatalogue::note_changes(std::uint64_t from, std::uint64_t to) {
    if (retries_.empty()) {
        co_return;
    }
    // Whose event it is does not matter: it only has a name looked up again.
    chain::LogFilter filter;
    filter.topics = {{contracts::registry::NewResolverEvent::kTopic,
        contracts::resolver::TextChangedEvent::kTopic,
        contracts::resolver::AddrChangedEvent::kTopic}};
    filter.from_block = from;
    filter.to_block = to;
    const auto logs =
        co_await async::with_timeout(settings_.timeout, client_.get_logs(std::move(filter)));
    if (!logs) {
        // Some chains refuse what may have many answers.
        if (!std::exchange(changes_failing_, true)) {
            log::warning("registry", "cannot read which providers' records have changed: {}",
                logs.error().message());
        }
        co_return;
    }
    changes_failing_ = false;
    for (const chain::Log& log : *logs) {
        if (log.topics.size() >= 2) {
            retries_.erase(log.topics[1]);
        }
    }
}

void ProviderCatalogue::take(const chain::Log& log, Names& into) {
    const auto event =
        contracts::registrar::NameRegisteredEvent::decode({.topics = log.topics, .data = log.data});
    if (!event || event->name.size() > kMaxLabelBytes) {
        return;
    }
    auto name = identity::ProviderName::parse(event->name);
    if (!name || name->node() != event->node) {
        return;
    }
    const std::size_t others = &into == &final_ ? 0 : into.size();
    if (final_.size() + others >= settings_.max_providers && !final_.contains(event->node) &&
        !into.contains(event->node)) {
        if (!std::exchange(full_, true)) {
            log::warning(
                "registry", "only the first {} providers are followed", settings_.max_providers);
        }
        return;
    }
    into.emplace(event->node, std::move(*name));
}

async::Task<void> ProviderCatalogue::refresh() {
    Names names = final_;
    names.insert(recent_.begin(), recent_.end());
    std::map<Bytes32, const Provider*> before;
    const auto old = providers_;
    for (const Provider& provider : *old) {
        before.emplace(provider.name.node(), &provider);
    }
    auto list = std::make_shared<List>();
    for (const auto& [node, name] : names) {
        const TimePoint now = std::chrono::steady_clock::now();
        const auto retry = retries_.find(node);
        if (retry != retries_.end() && now < retry->second.at) {
            continue;
        }
        const auto wait = retry == retries_.end() ? settings_.retry : retry->second.next;
        auto found = co_await source_.find(name);
        if (found) {
            retries_.erase(node);
            list->push_back(std::move(*found));
        } else if (found.error() != make_error_code(RegistryError::unavailable)) {
            retries_[node] = {now + wait, std::min(wait * 2, settings_.longest_retry)};
        } else if (const auto kept = before.find(node); kept != before.end()) {
            list->push_back(*kept->second);
        }
    }
    std::erase_if(retries_, [&](const auto& one) { return !names.contains(one.first); });
    providers_ = std::move(list);
}

}  // namespace decloud::registry
