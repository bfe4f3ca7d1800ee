#include "requesters.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace decloud::node {
namespace {

class SuccessionRecordsTest : public ::testing::Test {
  protected:
    [[nodiscard]] SuccessionRecords open() const {
        return {*records_, [](const std::string& id) { return id == "did:key:zKnown"; }};
    }

    TemporaryFolder folder_;
    std::unique_ptr<store::RecordStore> records_ =
        store::RecordStore::open(folder_.path() / "records.sqlite").value();
};

TEST_F(SuccessionRecordsTest, OutliveTheProcessAndTheFirstOneStays) {
    {
        SuccessionRecords records = open();
        EXPECT_EQ(records.successor_of("did:key:zA"), "");
        records.learn({.kind = "opencloud", .id = "did:key:zA", .successor = "did:key:zB"});
        records.learn({.kind = "opencloud", .id = "did:key:zA", .successor = "did:key:zC"});
        EXPECT_EQ(records.successor_of("did:key:zA"), "did:key:zB");
    }
    EXPECT_EQ(open().successor_of("did:key:zA"), "did:key:zB");
    EXPECT_EQ(open().successor_of("did:key:zB"), "");
}

}  // namespace
}  // namespace decloud::node
