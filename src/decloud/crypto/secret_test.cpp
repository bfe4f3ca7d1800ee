#include "secret.hpp"

#include "random.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <type_traits>

namespace decloud::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secret>);

TEST(Secret, KeepsWhatItWasGivenAndMoves) {
    Secret first(BytesView(as_bytes("key material")));
    const Secret second = std::move(first);
    EXPECT_EQ(as_text(second.view()), "key material");
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
}

TEST(Secret, IsEmptyInAForkedChild) {
    const Secret secret(BytesView(as_bytes("key material")));
    const pid_t child = fork();
    if (child == 0) {
        _exit(secret.view()[0] == 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Random, DiffersEachTime) {
    EXPECT_NE(random_array<32>(), random_array<32>());
    EXPECT_EQ(random_bytes(1000).size(), 1000);
}

}  // namespace
}  // namespace decloud::crypto
