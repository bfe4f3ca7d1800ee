#include "content_service.hpp"

#include <decloud/content/disk_store.hpp>
#include <decloud/content/importer.hpp>
#include <decloud/payments/ledger_test_support.hpp>

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

namespace fs = std::filesystem;
using payments::testing::kStart;

std::uint64_t bytes_in(const fs::path& folder) {
    std::uint64_t sum = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        sum += entry.file_size();
    }
    return sum;
}

class ReviewTest : public testing::Test {
  protected:
    /// One content of 1 MB and its pin.
    content::Cid keep(std::uint8_t seed, std::string owner) {
        Bytes bytes(1'000'000);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(i * (seed + 1) + i / 251);
        }
        const content::Cid root = content::import_bytes(*store_, bytes)->cid;
        EXPECT_TRUE(pins_->pin({.root = root,
            .owner = std::move(owner),
            .reason = "deployment",
            .bytes = bytes.size(),
            .created = node_.clock.unix_seconds(),
            .expires = {}}));
        return root;
    }

    content::GarbageResult review() {
        content::GarbageResult out;
        node_.run([&]() -> async::Task<void> {
            EXPECT_TRUE(co_await review_pins(context_));
            const auto collected = co_await collect_garbage(context_, *store_);
            EXPECT_TRUE(collected);
            out = collected.value_or(content::GarbageResult{});
        });
        return out;
    }

    TemporaryFolder home_;
    payments::testing::Node node_{home_.path() / "ledger"};
    boost::asio::thread_pool pool_{1};
    std::unique_ptr<content::DiskBlockStore> store_ =
        *content::open_disk_store(home_.path() / "blocks", {.clock = &node_.clock});
    std::unique_ptr<content::Pins> pins_ = *content::open_pins(home_.path() / "pins.sqlite");
    ContentContext context_{*store_, *pins_, node_.ledger(), node_.clock, pool_, {}};
};

TEST_F(ReviewTest, FreesTheDiskADayAfterFundingHasEnded) {
    const std::string owner = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
    const content::Cid unpaid = keep(1, owner);
    const content::Cid own = keep(2, "operator");
    const fs::path segments = home_.path() / "blocks" / "segments";
    EXPECT_GT(bytes_in(segments), 2'000'000U);

    EXPECT_EQ(review().blocks_removed, 0U);
    node_.clock.set(UnixSeconds{kStart + 24 * 3600 - 1});
    EXPECT_EQ(review().blocks_removed, 0U);
    EXPECT_EQ(store_->has(unpaid), true);

    node_.clock.set(UnixSeconds{kStart + 24 * 3600});
    EXPECT_EQ(review().bytes_removed, 1'000'000U);
    EXPECT_EQ(store_->has(unpaid), false);
    EXPECT_EQ(store_->has(own), true);
    // More than half of the segment was alive; when the rest ends, too, it is rewritten.
    ASSERT_TRUE(pins_->unpin(own, "operator", ""));
    EXPECT_GT(review().bytes_freed_on_disk, 2'000'000U);
    EXPECT_LT(bytes_in(segments), 1000U);
}

}  // namespace
}  // namespace decloud::services
