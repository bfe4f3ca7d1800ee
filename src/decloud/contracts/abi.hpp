#pragma once

#include "abi_types.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// The contract ABI (Solidity, "Contract ABI Specification"): what generated code is made of.
///
/// Decoding is strict: it takes exactly the bytes that encoding the same value gives. Offsets that
/// point anywhere but to the next tail, dirty padding, and trailing bytes are invalid_input. So a
/// hostile encoding cannot make a small input large, and two inputs never mean the same.
namespace decloud::contracts::abi {

/// Bytes of one ABI word; every head and every padded tail is a multiple of it.
inline constexpr std::size_t kWord = 32;

/// Specialised for each struct: `kPointers`, a tuple of pointers to its members in order.
template <class Struct>
struct Members;

/// Specialised for each enum: `kCount`, how many values it has, counted from 0.
template <class Enum>
struct EnumLimit;

/// How values of T are encoded. `kDynamic`: lies behind the heads; `kHead`: bytes of the head.
/// `write(out, at, value)` (static) and `append(out, value)` (dynamic) encode, `read(data, used,
/// out)` decodes from the start of `data` and says how much it used (error: invalid_input). The
/// specialisations have these members and no others to call.
template <class T>
struct Codec;

/// The word at the start of `data` as a count. Error: invalid_input if it does not fit.
[[nodiscard]] Result<std::size_t> read_length(BytesView data);
/// Error: invalid_input if `data` is shorter than a word.
[[nodiscard]] Result<void> check_word(BytesView data);
/// Error: invalid_input unless every byte is zero.
[[nodiscard]] Result<void> check_zeros(BytesView padding);
/// Puts `value`, big-endian, into the word of `out` at `at`, which is there and all zeros.
void write_unsigned(Bytes& out, std::size_t at, Uint128 value);
/// Appends the length as a word, then the bytes, then zeros up to a whole word.
void append_padded(Bytes& out, BytesView content);
/// The word at the start of `data`. Error: invalid_input if cut short or above `limit`.
[[nodiscard]] Result<Uint128> read_unsigned(BytesView data, Uint128 limit);
/// The bytes that `append_padded` wrote at the start of `data`; `used` becomes the length with
/// padding. The view lives as long as `data`. Error: invalid_input.
[[nodiscard]] Result<BytesView> read_padded(BytesView data, std::size_t& used);

/// Writes one member of a tuple that starts at `base`: at `head`, which moves on, and if it is
/// dynamic also at the end of `out`. The heads are there already.
template <class T>
void write_member(Bytes& out, std::size_t base, std::size_t& head, const T& value) {
    if constexpr (Codec<T>::kDynamic) {
        write_unsigned(out, head, out.size() - base);
        head += kWord;
        Codec<T>::append(out, value);
    } else {
        Codec<T>::write(out, head, value);
        head += Codec<T>::kHead;
    }
}

/// Bytes that a T takes among a tuple's heads: an offset, if it is dynamic.
template <class T>
constexpr std::size_t head_size() {
    if constexpr (Codec<T>::kDynamic) {
        return kWord;
    } else {
        return Codec<T>::kHead;
    }
}

/// Appends the values as one tuple without a selector.
template <class... T>
void append_tuple(Bytes& out, const T&... values) {
    const std::size_t base = out.size();
    out.resize(base + (std::size_t{0} + ... + head_size<T>()));
    [[maybe_unused]] std::size_t head = base;
    (write_member(out, base, head, values), ...);
}

/// Where reading a tuple stands.
struct ReadState {
    BytesView data{};
    std::size_t head = 0;
    std::size_t tail = 0;
};

/// Reads one member of a tuple and moves `state` on. Error: invalid_input.
template <class T>
Result<void> read_member(ReadState& state, T& out) {
    std::size_t used = 0;
    if constexpr (Codec<T>::kDynamic) {
        TRY(const std::size_t offset, read_length(state.data.subspan(state.head)));
        if (offset != state.tail) {
            return fail(CommonError::invalid_input, "ABI: an offset that is not the next tail");
        }
        TRY_VOID(Codec<T>::read(state.data.subspan(offset), used, out));
        state.head += kWord;
        state.tail += used;
    } else {
        TRY_VOID(Codec<T>::read(state.data.subspan(state.head), used, out));
        state.head += used;
    }
    return {};
}

/// Reads a tuple from the start of `data`; `used` becomes its length.
template <class... T>
Result<void> read_tuple(BytesView data, std::size_t& used, T&... out) {
    constexpr std::size_t kHeads = (std::size_t{0} + ... + head_size<T>());
    if (data.size() < kHeads) {
        return fail(CommonError::invalid_input, "ABI: cut short");
    }
    ReadState state{.data = data, .head = 0, .tail = kHeads};
    Result<void> status;
    static_cast<void>(((status = read_member(state, out)).has_value() && ...));
    used = state.tail;
    return status;
}

/// Decodes `data` as exactly these values. Error: invalid_input.
template <class... T>
Result<void> decode_tuple(BytesView data, T&... out) {
    std::size_t used = 0;
    TRY_VOID(read_tuple(data, used, out...));
    if (used != data.size()) {
        return fail(CommonError::invalid_input, "ABI: bytes after the end");
    }
    return {};
}

/// Decodes a single value. Error: invalid_input.
template <class T>
Result<T> decode_value(BytesView data) {
    T value{};
    TRY_VOID(decode_tuple(data, value));
    return value;
}

/// Calldata: the selector, then the arguments.
template <class... T>
Bytes encode_call(const Selector& selector, const T&... values) {
    Bytes out = to_bytes(selector.view());
    append_tuple(out, values...);
    return out;
}

/// uint8 to uint128: right-aligned in a word.
template <class T>
    requires std::unsigned_integral<T> || std::same_as<T, Uint128>
struct Codec<T> {
    static constexpr bool kDynamic = false;
    static constexpr std::size_t kHead = kWord;
    /// The largest value of T.
    static constexpr Uint128 kMax = static_cast<T>(~T{0});

    static void write(Bytes& out, std::size_t at, T value) { write_unsigned(out, at, value); }
    static Result<void> read(BytesView data, std::size_t& used, T& out) {
        TRY(const Uint128 value, read_unsigned(data, kMax));
        out = static_cast<T>(value);
        used = kWord;
        return {};
    }
};

/// A word that is 0 or 1.
template <>
struct Codec<bool> {
    static constexpr bool kDynamic = false;
    static constexpr std::size_t kHead = kWord;

    static void write(Bytes& out, std::size_t at, bool value) {
        write_unsigned(out, at, value ? 1 : 0);
    }
    static Result<void> read(BytesView data, std::size_t& used, bool& out) {
        TRY(const Uint128 value, read_unsigned(data, 1));
        out = value == 1;
        used = kWord;
        return {};
    }
};

/// A word below `EnumLimit<Enum>::kCount`.
template <class Enum>
    requires std::is_enum_v<Enum>
struct Codec<Enum> {
    static constexpr bool kDynamic = false;
    static constexpr std::size_t kHead = kWord;

    static void write(Bytes& out, std::size_t at, Enum value) {
        write_unsigned(out, at, static_cast<Uint128>(value));
    }
    static Result<void> read(BytesView data, std::size_t& used, Enum& out) {
        TRY(const Uint128 value, read_unsigned(data, EnumLimit<Enum>::kCount - 1));
        out = static_cast<Enum>(value);
        used = kWord;
        return {};
    }
};

/// uint256: the word as it is.
template <>
struct Codec<Uint256> {
    static constexpr bool kDynamic = false;
    static constexpr std::size_t kHead = kWord;

    static void write(Bytes& out, std::size_t at, const Uint256& value) {
        std::ranges::copy(value.big_endian, out.begin() + static_cast<std::ptrdiff_t>(at));
    }
    static Result<void> read(BytesView data, std::size_t& used, Uint256& out) {
        TRY_VOID(check_word(data));
        std::copy_n(data.begin(), kWord, out.big_endian.begin());
        used = kWord;
        return {};
    }
};

/// Addresses stand at the right of their word, bytesN at the left.
template <std::size_t Size, class Tag>
struct Codec<FixedBytes<Size, Tag>> {
    static_assert(Size <= kWord);
    static constexpr bool kDynamic = false;
    static constexpr std::size_t kHead = kWord;
    /// Where the value begins in its word.
    static constexpr std::size_t kStart =
        std::same_as<FixedBytes<Size, Tag>, Address> ? kWord - Size : 0;

    static void write(Bytes& out, std::size_t at, const FixedBytes<Size, Tag>& value) {
        std::ranges::copy(value.bytes, out.begin() + static_cast<std::ptrdiff_t>(at + kStart));
    }
    static Result<void> read(BytesView data, std::size_t& used, FixedBytes<Size, Tag>& out) {
        TRY_VOID(check_word(data));
        TRY_VOID(check_zeros(data.first(kStart)));
        TRY_VOID(check_zeros(data.first(kWord).subspan(kStart + Size)));
        std::copy_n(data.begin() + kStart, Size, out.bytes.begin());
        used = kWord;
        return {};
    }
};

/// `bytes`: its length, then its content, padded with zeros.
template <>
struct Codec<Bytes> {
    static constexpr bool kDynamic = true;

    static void append(Bytes& out, BytesView value) { append_padded(out, value); }
    static Result<void> read(BytesView data, std::size_t& used, Bytes& out) {
        TRY(const BytesView content, read_padded(data, used));
        out.assign(content.begin(), content.end());
        return {};
    }
};

/// For encoding only: a view cannot own what is decoded.
template <>
struct Codec<BytesView> {
    static constexpr bool kDynamic = true;
    static void append(Bytes& out, BytesView value) { append_padded(out, value); }
};

/// `string`, for encoding only.
template <>
struct Codec<std::string_view> {
    static constexpr bool kDynamic = true;
    static void append(Bytes& out, std::string_view value) { append_padded(out, as_bytes(value)); }
};

/// Text is taken as it is: the ABI does not promise UTF-8.
template <>
struct Codec<std::string> {
    static constexpr bool kDynamic = true;

    static void append(Bytes& out, std::string_view value) { append_padded(out, as_bytes(value)); }
    static Result<void> read(BytesView data, std::size_t& used, std::string& out) {
        TRY(const BytesView content, read_padded(data, used));
        out.assign(as_text(content));
        return {};
    }
};

/// A dynamic array: its length, then its elements as one tuple. `bytes` is `Codec<Bytes>`.
template <class T>
    requires(!std::same_as<T, std::uint8_t>)
struct Codec<std::vector<T>> {
    static constexpr bool kDynamic = true;

    static void append(Bytes& out, const std::vector<T>& values) {
        const std::size_t start = out.size();
        const std::size_t base = start + kWord;
        out.resize(base + values.size() * head_size<T>());
        write_unsigned(out, start, values.size());
        std::size_t head = base;
        for (const T& value : values) {
            write_member(out, base, head, value);
        }
    }
    static Result<void> read(BytesView data, std::size_t& used, std::vector<T>& out) {
        TRY(const std::size_t count, read_length(data));
        const BytesView content = data.subspan(kWord);
        if (count > content.size() / head_size<T>()) {
            return fail(CommonError::invalid_input, "ABI: an array longer than its data");
        }
        ReadState state{.data = content, .head = 0, .tail = count * head_size<T>()};
        out.clear();
        out.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            TRY_VOID(read_member(state, out.emplace_back()));
        }
        used = kWord + state.tail;
        return {};
    }
};

/// A struct: a tuple of the members that `Members<Struct>` names.
template <class Struct>
    requires requires { Members<Struct>::kPointers; }
struct Codec<Struct> {
    /// The members, in the order of their encoding.
    static constexpr auto& kPointers = Members<Struct>::kPointers;

    /// Calls `function` with the pointers to all members.
    template <class Function>
    static constexpr auto apply(Function&& function) {
        return std::apply(std::forward<Function>(function), kPointers);
    }
    /// The type of the member that a pointer of type `Field` points to.
    template <class Field>
    using FieldOf = std::remove_cvref_t<decltype(std::declval<Struct>().*std::declval<Field>())>;

    /// Dynamic if any member is; a static struct takes the heads of all its members.
    static constexpr bool kDynamic =
        apply([]<class... F>(F...) { return (Codec<FieldOf<F>>::kDynamic || ...); });
    static constexpr std::size_t kHead =
        apply([]<class... F>(F...) { return (std::size_t{0} + ... + head_size<FieldOf<F>>()); });

    /// `append` is for a dynamic struct, `write` for one that is not.
    static void append(Bytes& out, const Struct& value) {
        apply([&](auto... fields) { append_tuple(out, value.*fields...); });
    }
    static void write(Bytes& out, std::size_t at, const Struct& value) {
        std::size_t head = at;
        apply([&](auto... fields) { (write_member(out, at, head, value.*fields), ...); });
    }
    static Result<void> read(BytesView data, std::size_t& used, Struct& out) {
        return apply([&](auto... fields) { return read_tuple(data, used, out.*fields...); });
    }
};

}  // namespace decloud::contracts::abi
