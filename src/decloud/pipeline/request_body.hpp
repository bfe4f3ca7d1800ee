#pragma once

#include <decloud/crypto/hash.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/protocol/call.hpp>

#include <cstdint>
#include <optional>

namespace decloud::pipeline {

/// Bodies up to this size are read and verified before anything runs (design §3).
inline constexpr std::uint64_t kWholeBodyBytes = std::uint64_t{1} << 20U;

/// The body of one exchange: in memory if it is small, else streamed, limited and hashed on the
/// way.
class ExchangeBody final : public protocol::RequestBody {
  public:
    /// Beyond `max_bytes` reading fails with limit_exceeded. `exchange` outlives this.
    ExchangeBody(net::http::Exchange& exchange, std::uint64_t max_bytes);

    /// Reads up to 1 MiB, in at most a minute. Afterwards `whole()` is set if that was all. Errors:
    /// the connection's, limit_exceeded, timeout.
    [[nodiscard]] async::Task<Result<void>> load();
    /// True once `load` was called.
    [[nodiscard]] bool loaded() const { return loaded_; }

    [[nodiscard]] const Bytes* whole() const override { return complete_ ? &buffer_ : nullptr; }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override;

    /// Reading the end of another body fails with invalid_input.
    void expect(const crypto::Sha256Digest& digest) { expected_ = digest; }

    /// Set once the end was read.
    [[nodiscard]] const std::optional<crypto::Sha256Digest>& digest();

  private:
    net::http::Exchange& exchange_;
    std::uint64_t max_bytes_;
    std::uint64_t received_ = 0;
    Bytes buffer_;
    std::size_t position_ = 0;
    bool loaded_ = false;
    bool complete_ = false;
    crypto::Sha256 hash_;
    std::optional<crypto::Sha256Digest> digest_;
    std::optional<crypto::Sha256Digest> expected_;
};

}  // namespace decloud::pipeline
