#include "spent_statements.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace decloud::services {

namespace {

TEST(SpentStatements, WorkOnceUntilTheyExpireAlsoAfterARestart) {
    const TemporaryFolder folder;
    ManualClock clock(UnixSeconds{1000});
    {
        const auto records = store::RecordStore::open(folder.path() / "records.sqlite").value();
        SpentStatements spent(*records, "spent/", clock);
        EXPECT_EQ(spent.use("p", "a", {1300}).value(), StatementUse::first);
        EXPECT_EQ(spent.use("p", "a", {1300}).value(), StatementUse::again);
        EXPECT_EQ(spent.use("p", "ab", {1300}).value(), StatementUse::first);
    }
    const auto records = store::RecordStore::open(folder.path() / "records.sqlite").value();
    SpentStatements spent(*records, "spent/", clock);
    EXPECT_EQ(spent.use("p", "a", {1300}).value(), StatementUse::again);
    clock.set({1301});
    EXPECT_EQ(spent.use("p", "b", {1600}).value(), StatementUse::first);
    EXPECT_EQ(records->list("spent/").value().size(), 1U);
}

TEST(SpentStatements, EachPayerHasSoManyUntilTheyExpire) {
    const TemporaryFolder folder;
    ManualClock clock(UnixSeconds{1000});
    const auto records = store::RecordStore::open(folder.path() / "records.sqlite").value();
    {
        SpentStatements spent(*records, "spent/", clock);
        for (std::size_t i = 0; i < SpentStatements::kMostPerPayer; ++i) {
            EXPECT_EQ(spent.use("p", std::to_string(i), {1300}).value(), StatementUse::first);
        }
        EXPECT_EQ(spent.use("p", "more", {1300}).value(), StatementUse::too_many);
        EXPECT_EQ(spent.use("p", "0", {1300}).value(), StatementUse::again);
        EXPECT_EQ(spent.use("other", "more", {1300}).value(), StatementUse::first);
    }
    SpentStatements spent(*records, "spent/", clock);
    EXPECT_EQ(spent.use("p", "more", {1300}).value(), StatementUse::too_many);
    clock.set({1301});
    EXPECT_EQ(spent.use("p", "more", {1600}).value(), StatementUse::first);
}

}  // namespace

}  // namespace decloud::services
