#include "sqlite.hpp"

#include "error.hpp"
#include "record_store.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace decloud::store {
namespace {

namespace fs = std::filesystem;

constexpr std::array<Migration, 1> kFirst = {Migration{1, "CREATE TABLE t (a INTEGER)"}};
constexpr std::array<Migration, 2> kSecond = {Migration{1, "CREATE TABLE t (a INTEGER)"},
    Migration{2, "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 7"}};

class Sqlite : public ::testing::Test {
  protected:
    [[nodiscard]] fs::path file() const { return folder_.path() / "state.sqlite"; }
    TemporaryFolder folder_;
};

std::int64_t number(Database& database, std::string_view sql) {
    auto statement = database.prepare(sql);
    EXPECT_TRUE(statement);
    EXPECT_TRUE(statement->step().value());
    return statement->integer(0);
}

TEST_F(Sqlite, KeepsRowsInAFileThatOnlyTheOwnerReads) {
    {
        auto database = Database::open(file(), kFirst);
        ASSERT_TRUE(database) << database.error().message();
        ASSERT_TRUE(database->execute("INSERT INTO t VALUES (5)"));
    }
    auto database = Database::open(file(), kFirst);
    ASSERT_TRUE(database);
    EXPECT_EQ(number(*database, "SELECT a FROM t"), 5);
    struct stat info{};
    ASSERT_EQ(::stat(file().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    EXPECT_EQ(number(*database, "PRAGMA synchronous"), 2);
}

TEST_F(Sqlite, RollsBackATransactionThatIsNotCommitted) {
    auto database = Database::open(file(), kFirst);
    ASSERT_TRUE(database);
    {
        auto transaction = Transaction::begin(*database);
        ASSERT_TRUE(transaction);
        ASSERT_TRUE(database->execute("INSERT INTO t VALUES (5)"));
    }
    EXPECT_EQ(number(*database, "SELECT count(*) FROM t"), 0);
}

TEST_F(Sqlite, MigratesAnOlderFileAfterACopy) {
    {
        auto old = Database::open(file(), kFirst);
        ASSERT_TRUE(old);
        ASSERT_TRUE(old->execute("INSERT INTO t VALUES (5)"));
    }
    auto database = Database::open(file(), kSecond);
    ASSERT_TRUE(database) << database.error().message();
    EXPECT_EQ(number(*database, "SELECT a + b FROM t"), 12);
    auto copy = Database::open(file().string() + ".v1.bak", kFirst);
    ASSERT_TRUE(copy) << copy.error().message();
    EXPECT_EQ(number(*copy, "SELECT a FROM t"), 5);
}

TEST_F(Sqlite, RefusesANewerFileByName) {
    {
        ASSERT_TRUE(Database::open(file(), kSecond));
    }
    const auto database = Database::open(file(), kFirst);
    ASSERT_FALSE(database);
    EXPECT_EQ(database.error(), make_error_code(StoreError::newer_format));
    EXPECT_NE(database.error().detail().find("state.sqlite has version 2"), std::string::npos);
}

TEST_F(Sqlite, RefusesAFileThatIsNoDatabase) {
    std::ofstream(file()) << std::string(4096, 'x');
    const auto database = Database::open(file(), kFirst);
    ASSERT_FALSE(database);
    EXPECT_EQ(database.error(), make_error_code(StoreError::damaged));
}

TEST_F(Sqlite, RecordStoreKeepsListsAndRemoves) {
    {
        auto store = RecordStore::open(file());
        ASSERT_TRUE(store) << store.error().message();
        ASSERT_TRUE((*store)->put("tx/2", as_bytes("two")));
        ASSERT_TRUE((*store)->put("tx/1", as_bytes("old")));
        ASSERT_TRUE((*store)->put("tx/1", as_bytes("one")));
        ASSERT_TRUE((*store)->put("ty", as_bytes("other")));
        ASSERT_TRUE((*store)->put("tx/3", as_bytes("three")));
        ASSERT_TRUE((*store)->remove("tx/3"));
        EXPECT_FALSE((*store)->put(std::string(513, 'k'), {}));
    }
    auto store = RecordStore::open(file());
    ASSERT_TRUE(store);
    const auto found = (*store)->list("tx/");
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ((*found)[0].first, "tx/1");
    EXPECT_EQ(as_text((*found)[0].second), "one");
    EXPECT_EQ((*store)->get("tx/3")->has_value(), false);
    EXPECT_EQ(as_text(**(*store)->get("ty")), "other");
}

}  // namespace
}  // namespace decloud::store
