#include "alias_store.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/net/testing/test_loop.hpp>

#include <gtest/gtest.h>

namespace decloud::gateway::internal {
namespace {

using identity::AliasBinding;
using net::testing::run_loop;

const identity::Domain kDomain{.chain_id = 31337, .escrow = Address{{0x11}}};
const std::string kOne = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const std::string kTwo = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

class AliasStoreTest : public ::testing::Test {
  protected:
    AliasStoreTest() { std::filesystem::create_directories(folder_); }
    ~AliasStoreTest() override {
        pool_.join();
        std::filesystem::remove_all(folder_);
    }
    Result<std::unique_ptr<AliasStore>> open() {
        return AliasStore::open(folder_ / "aliases.sqlite", pool_,
            {.domain = kDomain,
                .gateway = "gw.example",
                .max_aliases = 3,
                .max_per_owner = 2,
                .max_history = 2});
    }
    static identity::Signed<AliasBinding> binding(const crypto::Secp256k1PrivateKey& key,
        std::string alias,
        std::string cid,
        std::uint64_t version,
        std::string gateway = "gw.example") {
        return identity::sign(AliasBinding{.owner = key.address(),
                                  .alias = std::move(alias),
                                  .gateway = std::move(gateway),
                                  .cid = std::move(cid),
                                  .version = version},
            kDomain, key)
            .value();
    }
    /// The status of the answer; 200 if it was taken.
    static int set(AliasStore& store, identity::Signed<AliasBinding> what) {
        int status = 0;
        run_loop([&](async::Executor) -> async::Task<void> {
            const auto done = co_await store.set(what);
            status = done ? 200 : done.error().http_status;
        });
        return status;
    }

    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("aliases-" + to_hex(crypto::random_bytes(8)));
    boost::asio::thread_pool pool_{1};
    crypto::Secp256k1PrivateKey alice_ = crypto::Secp256k1PrivateKey::generate();
    crypto::Secp256k1PrivateKey bob_ = crypto::Secp256k1PrivateKey::generate();
};

TEST_F(AliasStoreTest, KeepsWhatOwnersBindOverARestart) {
    {
        const auto store = open().value();
        EXPECT_EQ(store->find("shop"), std::nullopt);
        EXPECT_EQ(set(*store, binding(alice_, "shop", kOne, 1)), 200);
        EXPECT_EQ(set(*store, binding(alice_, "shop", kTwo, 2)), 200);
        EXPECT_EQ(store->find("shop"), kTwo);
    }
    const auto store = open().value();
    EXPECT_EQ(store->find("shop"), kTwo);
    EXPECT_EQ(store->describe("shop")->at("history").as_array().size(), 2U);
    EXPECT_EQ(set(*store, binding(alice_, "shop", kOne, 3)), 200) << "back to the first";
    EXPECT_EQ(store->find("shop"), kOne);
    EXPECT_EQ(store->describe("shop")->at("history").as_array().size(), 2U) << "bounded";
    EXPECT_EQ(set(*store, binding(alice_, "shop", "", 4)), 200);
    EXPECT_EQ(store->find("shop"), std::nullopt);
    EXPECT_EQ(set(*store, binding(bob_, "shop", kOne, 5)), 403) << "it stays hers";
}

TEST_F(AliasStoreTest, TakesNothingOldForeignOrForged) {
    const auto store = open().value();
    EXPECT_EQ(set(*store, binding(alice_, "shop", "", 1)), 400) << "it would be held for nothing";
    EXPECT_EQ(set(*store, binding(alice_, "shop", kOne, 1)), 200);
    EXPECT_EQ(set(*store, binding(alice_, "shop", kTwo, 1)), 409);
    EXPECT_EQ(set(*store, binding(bob_, "shop", kTwo, 2)), 403);
    auto forged = binding(alice_, "shop", kTwo, 2);
    forged.fields.version = 3;
    EXPECT_EQ(set(*store, forged), 403);
    EXPECT_EQ(set(*store, binding(alice_, "shop", kTwo, 2, "other.example")), 400);
    EXPECT_EQ(set(*store, binding(alice_, "shop", "bafy", 2)), 400);
    for (const std::string bad : {"fn", "app", "a.b", "-a", "A", "", "xn--a"}) {
        EXPECT_EQ(set(*store, binding(alice_, bad, kOne, 1)), 400) << bad;
    }
    EXPECT_EQ(store->find("shop"), kOne);
}

TEST_F(AliasStoreTest, IsBounded) {
    const auto store = open().value();
    EXPECT_EQ(set(*store, binding(alice_, "a", kOne, 1)), 200);
    EXPECT_EQ(set(*store, binding(alice_, "b", kOne, 1)), 200);
    EXPECT_EQ(set(*store, binding(alice_, "c", kOne, 1)), 429);
    EXPECT_EQ(set(*store, binding(bob_, "c", kOne, 1)), 200);
    EXPECT_EQ(set(*store, binding(bob_, "d", kOne, 1)), 507);
    EXPECT_EQ(set(*store, binding(alice_, "a", kTwo, 2)), 200) << "what is there goes on";
}

}  // namespace
}  // namespace decloud::gateway::internal
