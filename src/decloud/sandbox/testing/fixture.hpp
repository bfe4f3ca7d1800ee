#pragma once

#include "../sandbox.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::sandbox::testing {

/// One entry of a zip file made by a test, good or not.
struct ZipEntry {
    std::string path;
    std::string content;
    unsigned mode = 0100644;
    std::string link = {};
};
[[nodiscard]] Bytes make_zip(const std::vector<ZipEntry>& entries);
/// A package with one of the programs that were built for the tests.
[[nodiscard]] Bytes program_package(const std::string& program);
[[nodiscard]] std::string read_program(const std::string& program);

/// Keeps everything; can fail after some bytes.
class CollectingSink final : public ResponseSink {
  public:
    bool take_whole(BytesView output, const Outcome&) override {
        if (!accept_whole) {
            return false;
        }
        append(bytes, output);
        whole = true;
        return true;
    }
    async::Task<Result<void>> write(BytesView data) override {
        ++writes;
        append(bytes, data);
        if (bytes.size() > fail_after) {
            co_return fail(CommonError::io, "the client has gone");
        }
        if (on_write) {
            on_write();
        }
        co_return Result<void>{};
    }

    Bytes bytes;
    bool accept_whole = true;
    bool whole = false;
    std::size_t writes = 0;
    std::size_t fail_after = ~std::size_t{0};
    std::function<void()> on_write;
};

/// Some bytes, and then an error instead of an end.
class BreakingBody final : public BodySource {
  public:
    explicit BreakingBody(std::size_t size) : left_(size) {}
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override {
        if (left_ == 0) {
            co_return fail(CommonError::invalid_input, "the body broke");
        }
        const std::size_t count = std::min(left_, target.size());
        std::ranges::fill(target.first(count), 'z');
        left_ -= count;
        co_return count;
    }

  private:
    std::size_t left_;
};

struct Answer {
    Outcome outcome;
    std::string output;
    bool whole = false;
};

/// A sandbox in a folder of its own, driven by the test's thread.
class SandboxTest : public ::testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    virtual SandboxSettings settings();
    static Limits quick(std::chrono::milliseconds wall) {
        Limits limits;
        limits.wall = wall;
        return limits;
    }
    /// Ends the sandbox and makes it anew, on the same folder.
    void restart();

    /// Runs a task to its end on the io_context.
    template <class T>
    T run(async::Task<T> task) {
        std::optional<T> result;
        boost::asio::co_spawn(
            context_,
            [](async::Task<T> inner, std::optional<T>& place) -> async::Task<void> {
                place = co_await std::move(inner);
            }(std::move(task), result),
            [](std::exception_ptr error) {
                if (error) {
                    std::rethrow_exception(error);
                }
            });
        context_.restart();
        while (!result) {
            context_.run_one();
        }
        return std::move(*result);
    }
    void run_void(async::Task<void> task);

    Result<std::shared_ptr<const Artifact>> prepare(const std::string& runtime,
        const std::string& program,
        const std::string& owner = "owner",
        std::optional<Bytes> package = std::nullopt);
    Answer call(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::string body = "",
        Limits limits = {});
    /// By the probe program, whose MODE chooses what it does.
    Answer probe(const std::string& mode,
        const std::string& argument = "",
        std::string body = "",
        Limits limits = {});

    /// "wasm" or "native".
    std::string runtime_;
    TemporaryFolder owned_;
    const std::filesystem::path folder_ = owned_.path();
    boost::asio::io_context context_{1};
    std::unique_ptr<Sandbox> sandbox_;
    std::shared_ptr<const Artifact> probe_;
};

}  // namespace decloud::sandbox::testing
