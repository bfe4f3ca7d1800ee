#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace decloud::sandbox::internal {

/// Writes a message between a process and its worker: both are the same program on the same
/// machine, so numbers are in its own byte order.
class WireWriter {
  public:
    template <class T>
        requires std::is_trivially_copyable_v<T>
    void put(const T& value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
    }
    /// Without a length in front.
    void put_raw(BytesView value) { append(bytes_, value); }
    void put_bytes(BytesView value) {
        put(static_cast<std::uint32_t>(value.size()));
        append(bytes_, value);
    }
    void put_text(std::string_view value) { put_bytes(as_bytes(value)); }
    void reserve(std::size_t size) { bytes_.reserve(size); }

    [[nodiscard]] const Bytes& bytes() const { return bytes_; }
    [[nodiscard]] Bytes take() { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

/// Reads one. What comes from a worker is as untrusted as the program it ran: reading past the end
/// sets `failed` and gives zeros and empty views.
class WireReader {
  public:
    explicit WireReader(BytesView bytes) : rest_(bytes) {}

    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] T get() {
        T value{};
        if (rest_.size() < sizeof value) {
            failed_ = true;
            return value;
        }
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_ = rest_.subspan(sizeof value);
        return value;
    }
    /// A view into the message.
    [[nodiscard]] BytesView get_bytes() {
        const auto size = get<std::uint32_t>();
        if (rest_.size() < size) {
            failed_ = true;
            return {};
        }
        const BytesView value = rest_.first(size);
        rest_ = rest_.subspan(size);
        return value;
    }
    [[nodiscard]] std::string_view get_text() { return as_text(get_bytes()); }
    /// Everything was there and nothing is left over.
    [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }
    [[nodiscard]] bool failed() const { return failed_; }

  private:
    BytesView rest_;
    bool failed_ = false;
};

}  // namespace decloud::sandbox::internal
