#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/crypto/secret.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace decloud::payments::internal {

/// A key with whose MACs a channel pays. Wiped when it is let go.
struct OpenWindow {
    std::array<std::uint8_t, 32> key{};
    Bytes32 key_hash{};
    std::uint64_t first_sequence = 0;
    std::uint64_t valid_before = 0;

    OpenWindow() = default;
    OpenWindow(const OpenWindow&) = default;
    OpenWindow& operator=(const OpenWindow&) = default;
    ~OpenWindow() { crypto::wipe(key); }
};

/// The windows that are open now, two for a channel: calls of the one before may still be on their
/// way when the next is opened. Not on disk: after a restart a client sends its window again.
class OpenWindows {
  public:
    explicit OpenWindows(std::size_t limit) : limit_(limit) {}

    /// The one that this sequence belongs to, if it is open; null otherwise. Until the next `add`.
    [[nodiscard]] const OpenWindow* find(
        const Bytes32& channel, std::uint64_t sequence, UnixSeconds now) const;
    /// The newest of a channel, also when its time has passed; null if there is none.
    [[nodiscard]] const OpenWindow* newest(const Bytes32& channel) const;
    /// Its sequences begin above the ones before. False if there are too many.
    [[nodiscard]] bool add(const Bytes32& channel, const OpenWindow& window, UnixSeconds now);

  private:
    struct Pair {
        OpenWindow newest;
        OpenWindow before;
    };

    std::size_t limit_;
    std::unordered_map<Bytes32, Pair> channels_;
};

}  // namespace decloud::payments::internal
