#pragma once

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/client.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

namespace decloud::client {

/// Where and how much of a body is kept to be sent again.
struct ReplayLimits {
    std::uint64_t in_memory = 1U << 20U;
    /// Beyond it the body streams on and cannot be sent again.
    std::uint64_t in_all = std::uint64_t{1} << 30U;
    /// For a file without a name, which holds what memory does not; empty: the system's.
    std::filesystem::path folder;
};

/// A request's body that is read once from where it comes and may be sent several times, as a
/// request is that must be paid for after its first answer. Single threaded; shared with whoever
/// sends it.
class ReplayBody : public std::enable_shared_from_this<ReplayBody> {
  public:
    /// `source` is read on `executor`, at most what is sent and a buffer ahead.
    [[nodiscard]] static std::shared_ptr<ReplayBody> make(
        async::Executor executor, net::http::BodySource source, ReplayLimits limits = {});
    [[nodiscard]] static std::shared_ptr<ReplayBody> of(async::Executor executor, Bytes bytes);
    ~ReplayBody();
    ReplayBody(const ReplayBody&) = delete;
    ReplayBody& operator=(const ReplayBody&) = delete;

    /// Nothing: not known yet.
    [[nodiscard]] std::optional<std::uint64_t> length() const { return source_.length; }
    /// The body from its beginning. What was given before ends with an error. Error, when read:
    /// limit_exceeded if too much of it has passed to be sent again; the source's.
    [[nodiscard]] net::http::BodySource from_start();
    /// Reads it to its end. Errors: limit_exceeded if it is longer than can be kept; the source's.
    [[nodiscard]] async::Task<Result<crypto::Sha256Digest>> digest();
    /// Why the source gave no more, if it failed.
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
    /// Ends what still reads. Await it before destruction and before the source goes away.
    [[nodiscard]] async::Task<void> stop();

  private:
    ReplayBody(async::Executor executor, net::http::BodySource source, ReplayLimits limits);
    [[nodiscard]] static async::Task<Result<std::size_t>> read(std::shared_ptr<ReplayBody> self,
        std::uint64_t turn,
        std::shared_ptr<std::uint64_t> offset,
        std::span<std::uint8_t> buffer);
    [[nodiscard]] async::Task<void> fill();
    [[nodiscard]] async::Task<Result<void>> wait_for_more(std::uint64_t offset);
    [[nodiscard]] Result<void> keep(BytesView bytes);
    [[nodiscard]] Result<std::size_t> copy(std::uint64_t offset, std::span<std::uint8_t> out) const;

    net::http::BodySource source_;
    ReplayLimits limits_;
    async::TaskGroup tasks_;
    async::Event arrived_;
    Bytes memory_;
    int file_ = -1;
    /// What `memory_`, or the file, begins with: 0 until too much has passed.
    std::uint64_t first_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t turn_ = 0;
    bool reading_ = false;
    bool ended_ = false;
    std::optional<Error> failure_;
    std::optional<crypto::Sha256Digest> digest_;
};

}  // namespace decloud::client
