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

async::Task<void> keep_kubo_pins(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    kubo::Engine& engine,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    boost::asio::thread_pool& pool) {
    std::string told;
    auto next_review = std::chrono::steady_clock::now();
    bool release = true;
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        const bool review = now >= next_review;
        release = engine.pins().take_unreleased() || release || review;
        Result<void> kept;
        if (release) {
            kept = co_await async::offload(pool, [&engine, review] {
                auto done = engine.pins().release_ended();
                return done && review ? engine.pins().restore_lost() : done;
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

}  // namespace decloud::node
