#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace decloud::payments::internal {

/// Appends little-endian integers and length-prefixed text to a buffer that it keeps between
/// records.
class Encoder {
  public:
    void clear() { out_.clear(); }
    [[nodiscard]] BytesView view() const { return out_; }

    template <class Integer>
    void integer(Integer value) {
        std::uint8_t bytes[sizeof(Integer)];
        for (std::size_t i = 0; i < sizeof(Integer); ++i) {
            bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
        }
        out_.insert(out_.end(), bytes, bytes + sizeof(Integer));
    }
    /// Seven bits a byte, the lowest first: small numbers are short.
    template <class Integer>
    void number(Integer value) {
        while (value > 0x7F) {
            out_.push_back(static_cast<std::uint8_t>(value | 0x80U));
            value = static_cast<Integer>(value >> 7U);
        }
        out_.push_back(static_cast<std::uint8_t>(value));
    }
    void amount(Amount value) { integer<Uint128>(value.units()); }
    template <std::size_t Size, class Tag>
    void fixed(const FixedBytes<Size, Tag>& value) {
        append(out_, value.view());
    }
    /// At most 65,535 bytes, which callers have checked.
    void text(std::string_view value) {
        integer(static_cast<std::uint16_t>(value.size()));
        append(out_, value);
    }

  private:
    Bytes out_;
};

/// Reads what an Encoder wrote. After the first short read everything is zero and `ok` is false.
class Decoder {
  public:
    explicit Decoder(BytesView data) : data_(data) {}
    [[nodiscard]] bool ok() const { return ok_; }
    /// True if all was read and nothing is left.
    [[nodiscard]] bool done() const { return ok_ && data_.empty(); }

    template <class Integer>
    Integer integer() {
        const BytesView bytes = take(sizeof(Integer));
        Integer value = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            value |= static_cast<Integer>(static_cast<Integer>(bytes[i]) << (8 * i));
        }
        return value;
    }
    /// As Encoder::number; what does not fit ends the reading.
    template <class Integer>
    Integer number() {
        constexpr unsigned kBits = sizeof(Integer) * 8;
        Integer value = 0;
        for (unsigned shift = 0; shift < kBits; shift += 7) {
            const auto byte = integer<std::uint8_t>();
            const auto part = static_cast<Integer>(byte & 0x7FU);
            const auto placed = static_cast<Integer>(part << shift);
            if (!ok_ || static_cast<Integer>(placed >> shift) != part) {
                break;
            }
            value = static_cast<Integer>(value | placed);
            if (byte <= 0x7F) {
                return value;
            }
        }
        ok_ = false;
        return 0;
    }
    Amount amount() { return Amount(integer<Uint128>()); }
    template <class Fixed>
    Fixed fixed() {
        Fixed value;
        const BytesView bytes = take(Fixed::kSize);
        std::copy(bytes.begin(), bytes.end(), value.bytes.begin());
        return value;
    }
    std::string text() { return std::string(as_text(take(integer<std::uint16_t>()))); }

  private:
    BytesView take(std::size_t count) {
        if (!ok_ || count > data_.size()) {
            ok_ = false;
            return {};
        }
        const BytesView taken = data_.first(count);
        data_ = data_.subspan(count);
        return taken;
    }

    BytesView data_;
    bool ok_ = true;
};

}  // namespace decloud::payments::internal
