#include "atomic_file.hpp"
#include "error.hpp"
#include "home_lock.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

namespace decloud::store {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
  protected:
    TemporaryFolder owned_;
    const fs::path folder_ = owned_.path();
};

TEST_F(Files, AtomicWriteReplacesTheWholeFileAndLeavesNothingElse) {
    const auto path = folder_ / "key";
    ASSERT_TRUE(write_file_atomically(path, as_bytes("a long first content")));
    ASSERT_TRUE(write_file_atomically(path, as_bytes("short"), 0640));
    const auto content = read_file(path, 100);
    ASSERT_TRUE(content);
    EXPECT_EQ(as_text(*content), "short");
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0640U);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, AtomicWriteIntoAMissingFolderFails) {
    const auto written = write_file_atomically(folder_ / "none" / "key", as_bytes("x"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error(), make_error_code(CommonError::not_found));
}

TEST_F(Files, ReadFileHasALimit) {
    ASSERT_TRUE(write_file_atomically(folder_ / "f", as_bytes("12345")));
    EXPECT_EQ(read_file(folder_ / "f", 4).error(), make_error_code(CommonError::limit_exceeded));
    EXPECT_EQ(read_file(folder_ / "g", 4).error(), make_error_code(CommonError::not_found));
}

TEST_F(Files, HomeLockRefusesASecondHolderAndNamesTheFirst) {
    const auto home = folder_ / "home";
    {
        const auto held = HomeLock::acquire(home);
        ASSERT_TRUE(held) << held.error().message();
        const auto refused = HomeLock::acquire(home);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error(), make_error_code(StoreError::in_use));
        EXPECT_NE(refused.error().detail().find("process " + std::to_string(::getpid())),
            std::string::npos);
    }
    EXPECT_TRUE(HomeLock::acquire(home));
}

TEST_F(Files, HomeLockWaitsForAnotherHolder) {
    std::optional<HomeLock> held = HomeLock::acquire(folder_).value();
    EXPECT_EQ(HomeLock::acquire(folder_, std::chrono::milliseconds(50)).error(),
        make_error_code(StoreError::in_use));
    std::thread waiter(
        [&] { EXPECT_TRUE(HomeLock::acquire(folder_, std::chrono::minutes(1)).has_value()); });
    held.reset();
    waiter.join();
}

TEST_F(Files, HomeLockEndsWithItsProcess) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto held = HomeLock::acquire(folder_);
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(HomeLock::acquire(folder_));
}

}  // namespace
}  // namespace decloud::store
