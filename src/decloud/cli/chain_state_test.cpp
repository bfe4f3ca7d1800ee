#include "internal/chain_state.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

namespace decloud::cli::internal {
namespace {

namespace fs = std::filesystem;

class ChainState : public ::testing::Test {
  protected:
    void write(std::string_view text) {
        std::ofstream(state_, std::ios::binary | std::ios::trunc) << text;
        fs::last_write_time(
            state_, fs::file_time_type::clock::now() + std::chrono::seconds(++age_));
    }
    std::string read() {
        std::ifstream file(state_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    TemporaryFolder folder_;
    const fs::path state_ = folder_.path() / "state.json";
    int age_ = 0;
};

TEST_F(ChainState, HalfAnObjectIsNotAWholeOne) {
    const std::string whole = R"({"a":["}",{"b":"\"]"}],"c":{}})";
    EXPECT_TRUE(is_whole_object(whole));
    EXPECT_TRUE(is_whole_object(whole + "\n"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(is_whole_object(whole.substr(0, size))) << size;
    }
    EXPECT_FALSE(is_whole_object(whole + "}"));
}

TEST_F(ChainState, ALostStateIsTakenFromTheLastWholeOne) {
    write(R"({"block":1})");
    keep_chain_state(state_);
    write(R"({"block":2})");
    keep_chain_state(state_);
    write(R"({"block":)");
    keep_chain_state(state_);
    EXPECT_TRUE(restore_chain_state(state_));
    EXPECT_EQ(read(), R"({"block":2})");
    write("");
    EXPECT_FALSE(restore_chain_state(state_)) << "there is no copy any more";
}

TEST_F(ChainState, AWholeStateStays) {
    write(R"({"block":1})");
    keep_chain_state(state_);
    write(R"({"block":2})");
    EXPECT_FALSE(restore_chain_state(state_));
    EXPECT_EQ(read(), R"({"block":2})");
    fs::remove(state_);
    EXPECT_FALSE(restore_chain_state(state_)) << "a chain that was taken away stays away";
}

}  // namespace
}  // namespace decloud::cli::internal
