#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/crypto/secret.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::protocol {

/// How long a nonce lives, and how many are told apart.
struct NonceSettings {
    std::chrono::seconds life{300};
    /// Only the newest so many can be used; one bit of memory each.
    std::uint64_t window = std::uint64_t{1} << 22U;
};

/// Nonces for signed requests. Nothing is kept of one that was issued: it is a time and a serial
/// number with an HMAC over them and the id it is for, by a key that lives as long as this object.
/// So nonces of another node, another run of this one or another id are told at once, and what was
/// used is one bit in a window of bounded size. Not thread safe.
class Nonces {
  public:
    /// The clock outlives this object.
    explicit Nonces(const Clock& clock, NonceSettings settings = {});

    /// A fresh one that only signatures of `id` can use: letters, digits, "-" and "_".
    [[nodiscard]] std::string issue(std::string_view id);

    /// What a nonce turned out to be.
    enum class Verdict : std::uint8_t {
        good,
        /// Not issued to this id by this run of this node.
        unknown,
        expired,
        used,
    };
    /// Changes nothing.
    [[nodiscard]] Verdict check(std::string_view id, std::string_view nonce) const;
    /// As `check`; what was good is used from then on.
    [[nodiscard]] Verdict use(std::string_view id, std::string_view nonce);

    /// Bytes held for telling what was used; the same from the first to the last request.
    [[nodiscard]] std::size_t memory_bytes() const { return used_.size() / 8; }

  private:
    struct Read {
        Verdict verdict = Verdict::unknown;
        std::uint64_t serial = 0;
    };
    [[nodiscard]] Read read(std::string_view id, std::string_view nonce) const;

    const Clock& clock_;
    NonceSettings settings_;
    crypto::Secret key_;
    std::uint64_t next_ = 0;
    /// By serial number modulo the window.
    std::vector<bool> used_;
};

}  // namespace decloud::protocol
