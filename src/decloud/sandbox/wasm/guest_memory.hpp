#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace decloud::sandbox::wasm {

/// WASI's errno values that we answer with.
enum class Errno : std::uint16_t {
    success = 0,
    bad_descriptor = 8,
    fault = 21,
    invalid = 28,
    io = 29,
    not_directory = 54,
    not_socket = 57,
    not_supported = 58,
    invalid_seek = 70,
};

/// The program's memory during one host call. Every access is checked.
class GuestMemory {
  public:
    /// `memory` is valid until the host call ends or the program's memory grows.
    explicit GuestMemory(std::span<std::uint8_t> memory) : memory_(memory) {}

    /// The bytes [address, address + size), or nothing if they are not all there.
    [[nodiscard]] std::optional<std::span<std::uint8_t>> range(
        std::uint32_t address, std::uint64_t size) const {
        if (size > memory_.size() || address > memory_.size() - size) {
            return std::nullopt;
        }
        return memory_.subspan(address, static_cast<std::size_t>(size));
    }
    /// Writes `value` at `address`, of any alignment. False: it does not fit, nothing was written.
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] bool store(std::uint32_t address, const T& value) const {
        const auto target = range(address, sizeof value);
        if (target) {
            std::memcpy(target->data(), &value, sizeof value);
        }
        return target.has_value();
    }
    /// The value at `address`, of any alignment; nothing if it is not all there.
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] std::optional<T> load(std::uint32_t address) const {
        const auto source = range(address, sizeof(T));
        if (!source) {
            return std::nullopt;
        }
        T value{};
        std::memcpy(&value, source->data(), sizeof value);
        return value;
    }

  private:
    std::span<std::uint8_t> memory_;
};

}  // namespace decloud::sandbox::wasm
