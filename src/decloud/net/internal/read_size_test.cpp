#include "read_size.hpp"

#include <gtest/gtest.h>

namespace decloud::net::internal {
namespace {

TEST(ReadSize, GrowsWhileReadsFillItAndShrinksWhenLittleComes) {
    ReadSize size(16 * 1024);
    EXPECT_EQ(size.next(), 2048U);
    for (int index = 0; index < 10; ++index) {
        size.got(size.next());
    }
    EXPECT_EQ(size.next(), 16U * 1024);
    size.got(8000);
    EXPECT_EQ(size.next(), 16U * 1024) << "about as much as there is room for";
    for (int index = 0; index < 10; ++index) {
        size.got(17);
    }
    EXPECT_EQ(size.next(), 2048U);
}

}  // namespace
}  // namespace decloud::net::internal
