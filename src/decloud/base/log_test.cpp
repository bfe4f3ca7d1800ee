#include "log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::log {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

TEST(Log, WarnsOnStandardErrorBeforeItIsInitialised) {
    CaptureStdout();
    CaptureStderr();
    warning("test", "number {}", 7);
    info("test", "not shown");
    EXPECT_EQ(GetCapturedStdout(), "");
    const std::string written = GetCapturedStderr();
    EXPECT_THAT(written, HasSubstr("warning test: number 7\n"));
    EXPECT_EQ(written.find("not shown"), std::string::npos);
}

TEST(Log, WritesOneLineWhateverAStrangerSends) {
    CaptureStderr();
    warning("test", "{}", "one\ntwo\x1B[2J");
    EXPECT_THAT(GetCapturedStderr(), HasSubstr("test: one two [2J\n"));
}

}  // namespace
}  // namespace decloud::log
