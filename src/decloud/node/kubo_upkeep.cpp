#include "kubo_upkeep.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace decloud::node {

namespace {

constexpr auto kBetweenTries = std::chrono::seconds(5);
/// Kubo is asked for each pin.
constexpr auto kBetweenReviews = std::chrono::hours(1);

}  // namespace

KuboUpkeep::KuboUpkeep(kubo::Engine& engine,
    boost::asio::thread_pool& pool,
    std::function<ipfs::VisibilityRule()> visibility,
    Announces announces)
    : engine_(engine), pool_(pool), visibility_(std::move(visibility)), rule_(visibility_()) {
    if (announces == Announces::no) {
        return;
    }
    announcer_ = std::make_unique<kubo::Announcer>(
        [this](const std::optional<content::Cid>& after, std::size_t count) {
            return engine_.pins().roots_in_kubo(after, count);
        },
        [this](const content::Cid& root) { return announce(root); });
    engine_.pins().on_pinned([this](const content::Cid& root) { announcer_->add(root); });
}

Result<bool> KuboUpkeep::announce(const content::Cid& root) {
    ipfs::VisibilityRule rule;
    {
        const std::lock_guard lock(mutex_);
        rule = rule_;
    }
    TRY(const ipfs::Visibility visibility, rule(root));
    if (visibility != ipfs::Visibility::shown) {
        return false;
    }
    TRY_VOID(engine_.api().announce(root));
    return true;
}

async::Task<void> KuboUpkeep::run() {
    std::string told;
    auto next_review = std::chrono::steady_clock::now();
    bool release = true;
    for (;;) {
        {
            const std::lock_guard lock(mutex_);
            rule_ = visibility_();
        }
        const auto now = std::chrono::steady_clock::now();
        const bool review = now >= next_review;
        release = engine_.pins().take_unreleased() || release || review;
        Result<void> kept;
        if (release) {
            kept = co_await async::offload(pool_, [this, review] {
                auto done = engine_.pins().release_ended();
                return done && review ? engine_.pins().restore_lost() : done;
            });
        }
        if (kept) {
            release = false;
            next_review = review ? now + kBetweenReviews : next_review;
            told.clear();
        } else if (told != kept.error().message()) {
            told = kept.error().message();
            log::warning("node", "pins in Kubo could not be looked after: {}", told);
        }
        co_await async::delay(kBetweenTries);
    }
}

void KuboUpkeep::stop() {
    engine_.api().stop();
    if (announcer_) {
        announcer_->stop();
    }
}

}  // namespace decloud::node
