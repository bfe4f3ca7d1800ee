#include "disk_store.hpp"
#include "internal/test_support.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace decloud::content {
namespace {

using internal::random_bytes;
using internal::raw_block;

Block numbered_block(std::uint64_t number) {
    std::mt19937_64 random(number);
    return raw_block(random_bytes(random, 100 + number * 37 % 5000));
}

/// Puts numbered blocks for ever and writes each number to `acknowledge` once it is durable.
[[noreturn]] void put_until_killed(
    const std::filesystem::path& folder, std::uint64_t first, int acknowledge) {
    auto store = open_disk_store(folder, {.segment_bytes = 50'000, .staging_memory = 8'000});
    for (std::uint64_t number = first; store; number += 4) {
        std::vector<Block> blocks;
        for (std::uint64_t i = 0; i < 4; ++i) {
            blocks.push_back(numbered_block(number + i));
        }
        // By turns through a batch and through a staged import.
        bool stored = false;
        if (number % 8 == 0) {
            stored = (*store)->put_all(blocks).has_value();
        } else if (auto staged = (*store)->stage()) {
            stored = true;
            for (const Block& block : blocks) {
                stored = stored && (*staged)->put(block.cid, block.data);
            }
            stored = stored && (*staged)->commit();
        }
        const std::uint64_t last = number + 3;
        if (!stored || ::write(acknowledge, &last, sizeof(last)) != sizeof(last)) {
            break;
        }
    }
    ::_exit(1);
}

TEST(DiskBlockStoreCrash, KeepsEveryAcknowledgedBlock) {
    const TemporaryFolder home;
    std::uint64_t acknowledged = 0;
    for (std::uint64_t round = 0; round < 12; ++round) {
        std::array<int, 2> pipe_ends{};
        ASSERT_EQ(::pipe(pipe_ends.data()), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(pipe_ends[0]);
            put_until_killed(home.path(), (acknowledged + 3) / 4 * 4, pipe_ends[1]);
        }
        ::close(pipe_ends[1]);
        // Killed at whatever it is doing after another few acknowledged batches.
        std::uint64_t last = 0;
        for (std::uint64_t batch = 0; batch < 3 + round * 5; ++batch) {
            ASSERT_EQ(
                ::read(pipe_ends[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
        }
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        while (::read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
        }
        ::close(pipe_ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        acknowledged = last + 1;

        const auto store = open_disk_store(home.path(), {.segment_bytes = 50'000});
        ASSERT_TRUE(store) << store.error().message();
        for (std::uint64_t number = 0; number < acknowledged; ++number) {
            const Block block = numbered_block(number);
            const auto got = (*store)->get(block.cid);
            ASSERT_TRUE(got && *got == block.data) << number << " of " << acknowledged;
        }
        EXPECT_TRUE((*store)->verify()->damaged.empty());
    }
    EXPECT_GT(acknowledged, 500U);
}

/// Runs in a child with a 4 MiB file system of its own. Returns what went wrong, 0 if nothing.
int fill_a_small_disk(const char* folder) {
    auto store = open_disk_store(folder);
    if (!store) {
        return 2;
    }
    std::vector<Block> kept;
    Result<void> status;
    for (std::uint64_t number = 0; status && number < 100; ++number) {
        std::mt19937_64 random(number);
        Block block = raw_block(random_bytes(random, 100'000));
        status = (*store)->put(block.cid, block.data);
        if (status) {
            kept.push_back(std::move(block));
        } else if ((*store)->has(block.cid) != false) {
            return 3;
        }
    }
    if (status || status.error().code() != CommonError::disk_full || kept.size() < 10) {
        return 4;
    }
    for (const Block& block : kept) {
        if (*(*store)->get(block.cid) != block.data) {
            return 5;
        }
    }
    // With room again it goes on.
    if (::unlink((std::string(folder) + "/ballast").c_str()) != 0) {
        return 6;
    }
    const Block more = raw_block(Bytes(100'000, 1));
    if (!(*store)->put(more.cid, more.data) || *(*store)->get(more.cid) != more.data) {
        return 7;
    }
    (*store).reset();
    auto again = open_disk_store(folder);
    return again && (*again)->repairs().empty() && *(*again)->get(more.cid) == more.data ? 0 : 8;
}

TEST(DiskBlockStoreCrash, RefusesCleanlyWhenTheDiskIsFull) {
    const TemporaryFolder home;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const int flags = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
        const std::string folder = home.path().string();
        if (::unshare(flags) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=4m") != 0) {
            ::_exit(99);
        }
        const int ballast =
            ::open((folder + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (::posix_fallocate(ballast, 0, 1 << 20) != 0) {
            ::_exit(98);
        }
        ::close(ballast);
        ::_exit(fill_a_small_disk(folder.c_str()));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99) {
        GTEST_SKIP() << "no mount namespaces here";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace decloud::content
