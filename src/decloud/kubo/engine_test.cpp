#include "engine.hpp"

#include <decloud/content/disk_store.hpp>
#include <decloud/content/testing/store_suite.hpp>
#include <decloud/net/url.hpp>

#include <gtest/gtest.h>

#include <cstdlib>

// Against the Kubo whose RPC is in DECLOUD_KUBO_API, as tests/interop/kubo sets it. There is none
// elsewhere, and so are these tests.

namespace decloud::kubo {
namespace {

using content::testing::block_of;
using content::testing::chance_bytes;
using content::testing::StoreKind;

std::optional<net::Url> api_url() {
    const char* const text = std::getenv("DECLOUD_KUBO_API");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? std::nullopt : std::optional(net::parse_url(text).value());
}

ApiSettings settings_of_test() {
    ApiSettings settings;
    settings.url = api_url().value();
    return settings;
}

class OpenKubo final : public content::testing::OpenStore {
  public:
    OpenKubo(const std::filesystem::path& folder, const Clock& clock)
        : disk_(content::open_disk_store(folder / "blocks", {.clock = &clock}).value()),
          pin_file_(content::open_pins(folder / "pins.sqlite").value()),
          private_blocks_(content::open_private_blocks(folder / "private.sqlite").value()),
          engine_(Engine::open(settings_of_test(),
              folder / "kubo.sqlite",
              *disk_,
              *pin_file_,
              *private_blocks_,
              clock)
                  .value()) {}

    content::ManagedBlockStore& blocks() override { return engine_->blocks(); }
    content::Pins& pins() override { return engine_->pins(); }
    content::DiskBlockStore& disk() { return *disk_; }
    content::PrivateBlocks& private_blocks() { return *private_blocks_; }
    Engine& engine() { return *engine_; }

  private:
    std::unique_ptr<content::DiskBlockStore> disk_;
    std::unique_ptr<content::Pins> pin_file_;
    std::unique_ptr<content::PrivateBlocks> private_blocks_;
    std::unique_ptr<Engine> engine_;
};

std::vector<StoreKind> kinds() {
    if (!api_url()) {
        return {};
    }
    return {{"kubo",
        [](const std::filesystem::path& folder,
            const Clock& clock) -> std::unique_ptr<content::testing::OpenStore> {
            return std::make_unique<OpenKubo>(folder, clock);
        }}};
}

/// What this engine does besides; the seeds differ, as all tests share one Kubo.
class KuboEngine : public testing::TestWithParam<StoreKind> {
  protected:
    Cid import(std::uint64_t seed) {
        return content::import_bytes(store_.blocks(), chance_bytes(seed, 3'000'000))->cid;
    }
    void make_private(const Cid& root) {
        ASSERT_TRUE(store_.private_blocks().add({root}, store_.blocks(), clock_.unix_seconds()));
    }
    [[nodiscard]] bool is_in_kubo(const Cid& cid) { return api_.get(cid)->has_value(); }
    static content::Pin pin_of(const Cid& root) {
        return {.root = root, .owner = "alice", .reason = "user"};
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{1000}};
    OpenKubo store_{folder_.path(), clock_};
    /// Another one than the store's.
    Api api_{settings_of_test()};
};

TEST_P(KuboEngine, GivesKuboWhatAnybodyMayRead) {
    const Cid root = import(101);
    EXPECT_TRUE(is_in_kubo(root));
    EXPECT_EQ(store_.disk().bytes_used(), 0U);
    EXPECT_EQ(api_.is_pinned(root), false);
    ASSERT_TRUE(store_.pins().pin(pin_of(root)));
    EXPECT_EQ(api_.is_pinned(root), true);
    EXPECT_EQ(store_.pins().unpin(root, "alice", ""), 1U);
    EXPECT_EQ(api_.is_pinned(root), false);
}

TEST_P(KuboEngine, NeverGivesKuboABatchWithAPrivateBlock) {
    const Block secret = block_of("a private program");
    const Block beside = block_of("what came with it, as chance would have it");
    make_private(secret.cid);
    ASSERT_TRUE(store_.blocks().put_all(std::vector<Block>{beside, secret}));
    const auto staged = store_.blocks().stage().value();
    const Block later = block_of("another part of it");
    ASSERT_TRUE(staged->put(secret.cid, secret.data));
    ASSERT_TRUE(staged->put(later.cid, later.data));
    ASSERT_TRUE(staged->commit());
    for (const Block& block : {secret, beside, later}) {
        EXPECT_FALSE(is_in_kubo(block.cid));
        EXPECT_EQ(*store_.blocks().get(block.cid), block.data);
    }
    ASSERT_TRUE(store_.pins().pin(pin_of(secret.cid)));
    EXPECT_EQ(api_.is_pinned(secret.cid), false);
    EXPECT_FALSE(is_in_kubo(secret.cid));
}

TEST_P(KuboEngine, MakesATreeWholeOnThisDiskOfWhichAPartIsPrivate) {
    const Block hidden = block_of("a private leaf");
    make_private(hidden.cid);
    ASSERT_TRUE(store_.blocks().put(hidden.cid, hidden.data));
    const Cid shown = import(102);
    multiformats::PbNode node;
    node.links = {{.cid = hidden.cid, .name = "hidden", .tsize = 1},
        {.cid = shown, .name = "shown", .tsize = 1}};
    const Bytes data = multiformats::encode_pb(node);
    const Block root{.cid = Cid::of(multiformats::Codec::dag_pb, data), .data = data};
    ASSERT_TRUE(store_.blocks().put(root.cid, root.data));
    EXPECT_TRUE(is_in_kubo(root.cid));
    ASSERT_TRUE(store_.pins().pin(pin_of(root.cid)));
    EXPECT_EQ(api_.is_pinned(root.cid), false);
    EXPECT_FALSE(is_in_kubo(hidden.cid));
    EXPECT_EQ(store_.disk().has(root.cid), true);
    EXPECT_EQ(content::read_file(store_.disk(), shown, 4 * kMiB), chance_bytes(102, 3'000'000));
}

TEST_P(KuboEngine, LeavesAPinThatSomebodyElseMade) {
    const Cid root = import(103);
    ASSERT_TRUE(api_.pin(root));
    ASSERT_TRUE(store_.pins().pin(pin_of(root)));
    EXPECT_EQ(store_.pins().unpin(root, "alice", ""), 1U);
    EXPECT_EQ(api_.is_pinned(root), true);
    ASSERT_TRUE(api_.unpin(root));
}

TEST_P(KuboEngine, KeepsAPinInKuboAsLongAsOneOfItsOwnersDoes) {
    const Cid root = import(104);
    content::Pin other = pin_of(root);
    other.owner = "bob";
    ASSERT_TRUE(store_.pins().pin(pin_of(root)));
    ASSERT_TRUE(store_.pins().pin(other));
    EXPECT_EQ(store_.pins().unpin(root, "alice", ""), 1U);
    EXPECT_EQ(api_.is_pinned(root), true);
    EXPECT_EQ(store_.pins().unpin(root, "bob", ""), 1U);
    EXPECT_EQ(api_.is_pinned(root), false);
}

TEST_P(KuboEngine, MakesLostPinsAgainAndEndsThoseThatNothingNeeds) {
    const Cid root = import(105);
    ASSERT_TRUE(store_.pins().pin(pin_of(root)));
    ASSERT_TRUE(api_.unpin(root));
    ASSERT_TRUE(store_.engine().pins().restore_lost());
    EXPECT_EQ(api_.is_pinned(root), true);
    // As after Kubo was away while the pin ended.
    ASSERT_TRUE(
        content::open_pins(folder_.path() / "pins.sqlite").value()->unpin(root, "alice", ""));
    ASSERT_TRUE(store_.engine().pins().release_ended());
    EXPECT_EQ(api_.is_pinned(root), false);
    ASSERT_TRUE(store_.engine().pins().release_ended());
}

INSTANTIATE_TEST_SUITE_P(
    Engines, KuboEngine, testing::ValuesIn(kinds()), content::testing::kind_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KuboEngine);

}  // namespace
}  // namespace decloud::kubo

namespace decloud::content::testing {
INSTANTIATE_TEST_SUITE_P(Kubo, StoreSuite, ::testing::ValuesIn(kubo::kinds()), kind_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreSuite);
}  // namespace decloud::content::testing
