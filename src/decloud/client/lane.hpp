#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/store/home_lock.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace decloud::client {

/// What a client keeps of a channel whose vouchers it signs. Losing it costs nothing: the provider
/// tells the newest voucher, which the client's own signature proves.
struct LaneState {
    Bytes32 channel{};
    /// Names the channel among those of the same payer and provider.
    Bytes32 salt{};
    /// The transaction that opens it was seen on the chain.
    bool open = false;
    Amount reserved;
    /// By the newest voucher, of all calls together.
    Amount signed_for;
    /// What the calls so far have cost, as far as is known.
    Amount spent;
    /// No call has this sequence or a higher one.
    std::uint64_t next_sequence = 1;
    /// The window's, if `valid_before` is not over.
    std::array<std::uint8_t, 32> key{};
    std::uint64_t first_sequence = 0;
    UnixSeconds valid_before{};

    friend bool operator==(const LaneState&, const LaneState&) = default;
};

/// A channel for one process at a time, kept in a folder of its own (a lock, `lane.json`). Move
/// only.
class Lane {
  public:
    /// The first that no other process has, of those that `payer` has with `provider` under
    /// `folder`; a new, unsaved one if there is none. Errors: a damaged file by name; io.
    [[nodiscard]] static Result<Lane> take(
        const std::filesystem::path& folder, const Address& payer, const Address& provider);

    Lane(Lane&& other) noexcept = default;
    Lane& operator=(Lane&& other) noexcept = default;
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    ~Lane();

    /// As on disk after `save`.
    [[nodiscard]] LaneState& state() { return state_; }
    [[nodiscard]] const LaneState& state() const { return state_; }
    /// Durable when it returns. Errors: disk_full, io.
    [[nodiscard]] Result<void> save();
    /// Begins again with another channel, when this one is closing.
    [[nodiscard]] Result<void> start_over();

  private:
    Lane(store::HomeLock lock, std::filesystem::path file, LaneState state)
        : lock_(std::move(lock)), file_(std::move(file)), state_(state) {}

    store::HomeLock lock_;
    std::filesystem::path file_;
    LaneState state_;
};

/// The id that the escrow gives to a channel with a signer.
[[nodiscard]] Bytes32 channel_id(const Address& payer,
    const Address& provider,
    const Address& token,
    const Bytes32& salt,
    const Address& signer,
    const Address& escrow,
    std::uint64_t chain_id);

}  // namespace decloud::client
