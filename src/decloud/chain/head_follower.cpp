#include "head_follower.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <algorithm>

namespace decloud::chain {

namespace {

// A longer gap (a long pause, a far reorganisation) is not walked block by block.
constexpr std::uint64_t kMaxGap = 64;

}  // namespace

template <class Argument>
struct HeadFollower::Listeners {
    using Function = std::function<void(const Argument&)>;
    std::vector<std::weak_ptr<Function>> all;

    Subscription add(Function function) {
        std::erase_if(all, [](const auto& listener) { return listener.expired(); });
        auto kept = std::make_shared<Function>(std::move(function));
        all.push_back(kept);
        return kept;
    }

    void tell(const Argument& argument) const {
        // A listener may add another one.
        const auto now = all;
        for (const auto& listener : now) {
            if (const auto function = listener.lock()) {
                (*function)(argument);
            }
        }
    }
};

struct HeadFollower::Hub {
    Listeners<BlockHeader> finalized;
    Listeners<BlockHeader> head;
    Listeners<std::uint64_t> reorganisation;
};

HeadFollower::HeadFollower(async::Executor executor,
    EthereumClient& client,
    const Clock& clock,
    HeadFollowerSettings settings)
    : client_(client),
      clock_(clock),
      settings_(settings),
      hub_(std::make_unique<Hub>()),
      changed_(std::move(executor)) {}

HeadFollower::~HeadFollower() = default;

HeadFollower::Subscription HeadFollower::on_finalized(
    std::function<void(const BlockHeader&)> listener) {
    return hub_->finalized.add(std::move(listener));
}

HeadFollower::Subscription HeadFollower::on_head(std::function<void(const BlockHeader&)> listener) {
    return hub_->head.add(std::move(listener));
}

HeadFollower::Subscription HeadFollower::on_reorganisation(
    std::function<void(std::uint64_t)> listener) {
    return hub_->reorganisation.add(
        [inner = std::move(listener)](const std::uint64_t& first) { inner(first); });
}

async::Task<void> HeadFollower::run() {
    for (;;) {
        (void)co_await poll();
        co_await async::delay(settings_.poll);
    }
}

async::Task<Result<void>> HeadFollower::poll() {
    auto outcome = co_await ask();
    if (!outcome && outcome.error() == make_error_code(CommonError::cancelled)) {
        co_return outcome;
    }
    const std::string problem = outcome ? "" : outcome.error().message();
    contradicted_ = !outcome && (outcome.error() == make_error_code(ChainError::inconsistent) ||
                                    outcome.error() == make_error_code(ChainError::wrong_chain));
    if (problem != problem_) {
        if (outcome && head_) {
            log::info("chain", "the chain answers, head {}", head_->number);
        } else if (!outcome) {
            log::warning("chain", "{}", problem);
        }
        problem_ = problem;
    }
    co_return outcome;
}

async::Task<Result<void>> HeadFollower::ask() {
    CO_TRY_VOID(co_await client_.rpc().survey());
    if (settings_.chain_id && !chain_checked_) {
        CO_TRY(const std::uint64_t id, co_await client_.chain_id());
        if (id != *settings_.chain_id) {
            co_return fail(ChainError::wrong_chain, "it is chain " + std::to_string(id) + ", not " +
                                                        std::to_string(*settings_.chain_id));
        }
        chain_checked_ = true;
    }
    CO_TRY(const BlockHeader head, co_await client_.get_block(BlockTag::latest()));
    if (!head_ || head_->hash != head.hash) {
        CO_TRY_VOID(co_await accept(head));
    }
    co_return co_await finalize();
}

// Walks back from the new head until it meets what is known, then takes the new blocks over.
async::Task<Result<void>> HeadFollower::accept(BlockHeader head) {
    if (const auto same = recent_.find(head.number);
        same != recent_.end() && same->second.hash == head.hash) {
        // An endpoint that is a little behind; a chain that really went back will differ soon.
        co_return Result<void>{};
    }
    std::vector<BlockHeader> fresh{head};
    const std::uint64_t lowest = recent_.empty()
                                     ? head.number - std::min(head.number, settings_.depth)
                                     : recent_.begin()->first;
    while (fresh.size() <= kMaxGap && fresh.back().number > lowest) {
        const BlockHeader& last = fresh.back();
        const auto known = recent_.find(last.number - 1);
        if (known != recent_.end() && known->second.hash == last.parent) {
            break;
        }
        CO_TRY(const BlockHeader parent, co_await client_.get_block(last.parent));
        fresh.push_back(parent);
    }
    const std::uint64_t first = fresh.back().number;
    const auto replaced = recent_.lower_bound(first);
    const bool reorganised = replaced != recent_.end();
    recent_.erase(replaced, recent_.end());
    if (fresh.size() > kMaxGap) {
        recent_.clear();
    }
    for (const BlockHeader& block : fresh) {
        recent_.emplace(block.number, block);
    }
    head_ = head;
    if (reorganised) {
        note_reorganisation(first);
    }
    hub_->head.tell(head);
    changed_.set();
    changed_.reset();
    co_return Result<void>{};
}

void HeadFollower::note_reorganisation(std::uint64_t first) {
    ++reorganisations_;
    log::info("chain", "blocks from {} on were replaced", first);
    if (finalized_ && first <= finalized_->number) {
        log::error("chain",
            "block {} was taken as final and has been replaced: the depth of {} is too small",
            finalized_->number, settings_.depth);
        finalized_.reset();
    }
    hub_->reorganisation.tell(first);
}

async::Task<Result<void>> HeadFollower::finalize() {
    if (!head_) {
        co_return Result<void>{};
    }
    const std::uint64_t target = head_->number - std::min(head_->number, settings_.depth);
    if (finalized_ && finalized_->number >= target) {
        co_return Result<void>{};
    }
    std::uint64_t next = finalized_ ? finalized_->number + 1 : target;
    if (target - next >= kMaxGap) {
        next = target;
    }
    for (; next <= target; ++next) {
        if (!recent_.contains(next)) {
            CO_TRY(const BlockHeader block, co_await client_.get_block(BlockTag::at(next)));
            recent_.emplace(next, block);
        }
        const BlockHeader block = recent_.at(next);
        finalized_ = block;
        hub_->finalized.tell(block);
    }
    // What lies below a final block cannot change.
    recent_.erase(recent_.begin(), recent_.lower_bound(target));
    changed_.set();
    changed_.reset();
    co_return Result<void>{};
}

ChainStatus HeadFollower::status() const {
    ChainStatus out;
    if (head_) {
        const std::uint64_t now = clock_.unix_seconds().value;
        out.head = head_->number;
        out.finalized = finalized_ ? finalized_->number : 0;
        out.head_age = std::chrono::seconds(now - std::min(now, head_->timestamp.value));
    }
    const bool known = head_ && finalized_;
    const bool fresh = out.head_age < settings_.max_age;
    if (!problem_.empty()) {
        out.reason = problem_;
    } else if (!known) {
        out.reason = "the chain has no final block yet";
    } else if (!fresh) {
        out.reason = "the chain's head is " + std::to_string(out.head_age.count()) + " s old";
    }
    out.may_serve_paid = known && fresh && !contradicted_;
    out.ready = out.reason.empty();
    return out;
}

async::Task<Result<void>> HeadFollower::wait_until(
    std::function<bool()> reached, std::chrono::steady_clock::duration limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!reached()) {
        const auto left = end - std::chrono::steady_clock::now();
        if (left <= std::chrono::steady_clock::duration::zero()) {
            co_return fail(CommonError::timeout);
        }
        auto woken = co_await changed_.wait(left);
        if (!woken && woken.error() == make_error_code(CommonError::cancelled)) {
            co_return woken;
        }
    }
    co_return Result<void>{};
}

async::Task<Result<void>> HeadFollower::wait_for_head(
    std::uint64_t number, std::chrono::steady_clock::duration limit) {
    return wait_until([this, number] { return head_ && head_->number >= number; }, limit);
}

async::Task<Result<void>> HeadFollower::wait_for_finalized(
    std::uint64_t number, std::chrono::steady_clock::duration limit) {
    return wait_until([this, number] { return finalized_ && finalized_->number >= number; }, limit);
}

}  // namespace decloud::chain
