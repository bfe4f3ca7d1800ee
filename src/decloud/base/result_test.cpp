#include "result.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace decloud {
namespace {

Result<int> half(int value) {
    if (value % 2 != 0) {
        return fail(CommonError::invalid_input, "odd");
    }
    return value / 2;
}

Result<int> quarter(int value) {
    TRY(const int once, half(value));
    return half(once);
}

TEST(Result, TryReturnsTheFirstError) {
    EXPECT_EQ(quarter(8).value(), 2);
    ASSERT_FALSE(quarter(6));
    EXPECT_EQ(quarter(6).error(), make_error_code(CommonError::invalid_input));
    EXPECT_EQ(quarter(6).error().within("outer").message(), "invalid input: outer: odd");
}

TEST(Result, ErrnoBecomesACodeThatProgramsCanCompare) {
    EXPECT_EQ(errno_error("write", ENOSPC), make_error_code(CommonError::disk_full));
    EXPECT_EQ(errno_error("open", ENOENT), make_error_code(CommonError::not_found));
}

}  // namespace
}  // namespace decloud
