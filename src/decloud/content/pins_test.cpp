#include "pins.hpp"

#include "car_transfer.hpp"
#include "disk_store.hpp"
#include "importer.hpp"
#include "internal/test_support.hpp"
#include "reader.hpp"

#include <decloud/base/units.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace decloud::content {
namespace {

using internal::random_bytes;
using internal::raw_block;

Pin pin_of(std::string_view content, std::string owner, std::uint64_t bytes) {
    return {.root = raw_block(content).cid,
        .owner = std::move(owner),
        .reason = "deployment",
        .bytes = bytes,
        .created = {100},
        .expires = {}};
}

TEST(Pins, SurviveReopening) {
    const TemporaryFolder home;
    Pin pin = pin_of("a", "alice", 10);
    pin.expires = UnixSeconds{500};
    {
        ASSERT_TRUE((*open_pins(home.path() / "pins.sqlite"))->pin(pin));
    }
    const auto pins = open_pins(home.path() / "pins.sqlite");
    ASSERT_TRUE(pins);
    const auto listed = (*pins)->list();
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ(listed->front().root, pin.root);
    EXPECT_EQ(listed->front().owner, "alice");
    EXPECT_EQ(listed->front().reason, "deployment");
    EXPECT_EQ(listed->front().bytes, 10U);
    EXPECT_EQ(listed->front().created, UnixSeconds{100});
    EXPECT_EQ(listed->front().expires, UnixSeconds{500});
}

TEST(Pins, CountAnOwnersRootsOnce) {
    const TemporaryFolder home;
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    Pin pin = pin_of("a", "alice", 10);
    ASSERT_TRUE(pins->pin(pin));
    ASSERT_TRUE(pins->pin(pin));
    pin.reason = "user";
    ASSERT_TRUE(pins->pin(pin));
    ASSERT_TRUE(pins->pin(pin_of("b", "alice", 5)));
    ASSERT_TRUE(pins->pin(pin_of("a", "bob", 7)));
    EXPECT_EQ(pins->owner_bytes("alice"), 15U);
    EXPECT_EQ(pins->owner_bytes("bob"), 7U);
    EXPECT_EQ(pins->owner_bytes("carol"), 0U);
    EXPECT_EQ(pins->list_owner("alice")->size(), 3U);
}

TEST(Pins, RefuseWhatIsBeyondAnOwnersQuota) {
    const TemporaryFolder home;
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    ASSERT_TRUE(pins->pin_within(pin_of("a", "alice", 60), 100));
    const auto refused = pins->pin_within(pin_of("b", "alice", 41), 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), CommonError::limit_exceeded);
    EXPECT_EQ(pins->owner_bytes("alice"), 60U);
    EXPECT_TRUE(pins->pin_within(pin_of("a", "alice", 60), 100));
    EXPECT_TRUE(pins->pin_within(pin_of("b", "alice", 40), 100));
    EXPECT_EQ(
        pins->pin(pin_of("c", "alice", UINT64_MAX)).error().code(), CommonError::limit_exceeded);
}

TEST(Pins, AreRemovedByOwnerAndReason) {
    const TemporaryFolder home;
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    Pin pin = pin_of("a", "alice", 10);
    ASSERT_TRUE(pins->pin(pin));
    pin.reason = "user";
    ASSERT_TRUE(pins->pin(pin));
    ASSERT_TRUE(pins->pin(pin_of("a", "bob", 10)));
    EXPECT_EQ(pins->unpin(pin.root, "alice", "other"), 0U);
    EXPECT_EQ(pins->unpin(pin.root, "alice", "user"), 1U);
    EXPECT_EQ(pins->unpin(pin.root, "alice", ""), 1U);
    EXPECT_EQ(pins->is_pinned(pin.root), true);
    EXPECT_EQ(pins->unpin(pin.root, "bob", ""), 1U);
    EXPECT_EQ(pins->is_pinned(pin.root), false);
}

TEST(Pins, OfOneReasonAreRemovedTogether) {
    const TemporaryFolder home;
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    const Pin shared = pin_of("program", "alice", 0);
    for (const char* reason : {"first", "second"}) {
        Pin spec = pin_of(reason, "alice", 10);
        Pin program = shared;
        spec.reason = program.reason = reason;
        ASSERT_TRUE(pins->pin(spec));
        ASSERT_TRUE(pins->pin(program));
    }
    EXPECT_EQ(pins->unpin_reason("bob", "first"), 0U);
    EXPECT_EQ(pins->unpin_reason("alice", "first"), 2U);
    EXPECT_EQ(pins->is_pinned(shared.root), true);
    EXPECT_EQ(pins->owner_bytes("alice"), 10U);
    EXPECT_EQ(pins->unpin_reason("alice", "second"), 2U);
    EXPECT_EQ(pins->is_pinned(shared.root), false);
}

TEST(Pins, EndWhenTheyExpire) {
    const TemporaryFolder home;
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    ASSERT_TRUE(pins->pin(pin_of("a", "alice", 1)));
    ASSERT_TRUE(pins->pin(pin_of("b", "bob", 1)));
    ASSERT_TRUE(pins->expire_owner("alice", UnixSeconds{1000}));
    EXPECT_TRUE(pins->remove_expired({999})->empty());
    ASSERT_TRUE(pins->expire_owner("alice", std::nullopt));
    EXPECT_TRUE(pins->remove_expired({1000})->empty());
    ASSERT_TRUE(pins->expire_owner("alice", UnixSeconds{1000}));
    const auto removed = pins->remove_expired({1000});
    ASSERT_EQ(removed->size(), 1U);
    EXPECT_EQ(removed->front().owner, "alice");
    EXPECT_EQ(pins->list()->size(), 1U);
}

class GarbageTest : public testing::Test {
  protected:
    Cid import(std::uint64_t seed) {
        ImportOptions options;
        options.profile.chunk_size = 100;
        options.profile.max_links = 4;
        std::mt19937_64 random(seed);
        return import_bytes(*store_, random_bytes(random, 3000), options)->cid;
    }
    Result<GarbageResult> collect(std::uint64_t now) {
        return collect_garbage(
            *store_, *pins_, {.min_age = std::chrono::seconds(60), .now = {now}});
    }

    TemporaryFolder home_;
    ManualClock clock_{UnixSeconds{1000}};
    std::unique_ptr<DiskBlockStore> store_ =
        *open_disk_store(home_.path() / "blocks", {.clock = &clock_});
    std::unique_ptr<Pins> pins_ = *open_pins(home_.path() / "pins.sqlite");
};

TEST_F(GarbageTest, SparesOldBlocksThatAnImportRefersToWithoutSendingThem) {
    const Cid root = import(1);
    clock_.set(UnixSeconds{5000});
    const Bytes only_root = multiformats::encode_car_header({&root, 1});
    ASSERT_TRUE(car_import(*store_, only_root, {.allow_held = true}));
    EXPECT_EQ(collect(5059)->blocks_removed, 0U);
    EXPECT_EQ(read_file(*store_, root, kMiB)->size(), 3000U);
}

TEST_F(GarbageTest, SparesWhatIsImportedWhileItRuns) {
    const Cid root = import(1);
    const Cid other = import(2);
    auto collection = GarbageCollection::begin(
        *store_, *pins_, {.min_age = std::chrono::seconds(60), .now = {5000}});
    ASSERT_TRUE(collection);
    // Nothing is pinned, so marking ends with the first step and sweeping has not begun.
    EXPECT_EQ(collection->step(), true);
    clock_.set(UnixSeconds{5000});
    EXPECT_EQ(import(1), root);
    ASSERT_TRUE(pins_->pin({.root = root, .owner = "alice", .reason = "user"}));
    while (collection->step().value()) {
    }
    EXPECT_GT(collection->result().blocks_removed, 30U);
    EXPECT_EQ(read_file(*store_, root, kMiB)->size(), 3000U);
    EXPECT_EQ(store_->has(other), false);
}

/// For several threads.
class SharedClock final : public Clock {
  public:
    [[nodiscard]] std::chrono::system_clock::time_point now() const override {
        return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
    }
    std::atomic<std::int64_t> seconds = 1000;
};

TEST_F(GarbageTest, LosesNothingToCollectionsThatRunBesideImports) {
    constexpr std::uint64_t kRounds = 40;
    SharedClock clock;
    store_.reset();
    store_ = *open_disk_store(home_.path() / "blocks", {.clock = &clock});
    std::atomic<bool> done = false;
    std::atomic<int> failures = 0;
    std::thread collector([&] {
        while (!done) {
            if (!collect(clock.unix_seconds().value)) {
                ++failures;
            }
        }
    });
    std::vector<Cid> roots;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
        // Old garbage, which is imported again while it is being collected.
        const Cid root = import(round);
        clock.seconds += 100;
        EXPECT_EQ(import(round), root);
        ASSERT_TRUE(pins_->pin({.root = root, .owner = "alice", .reason = "user"}));
        roots.push_back(root);
    }
    done = true;
    collector.join();
    EXPECT_EQ(failures, 0);
    for (const Cid& root : roots) {
        EXPECT_TRUE(read_file(*store_, root, kMiB)) << root.to_string();
    }
}

}  // namespace
}  // namespace decloud::content
