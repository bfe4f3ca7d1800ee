#include "ipld.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace decloud::multiformats {

namespace {

// The initial byte's upper three bits (RFC 8949 §3).
constexpr unsigned kUnsigned = 0;
constexpr unsigned kNegative = 1;
constexpr unsigned kBytes = 2;
constexpr unsigned kText = 3;
constexpr unsigned kList = 4;
constexpr unsigned kMap = 5;
constexpr unsigned kTag = 6;
constexpr unsigned kSimple = 7;
constexpr std::uint64_t kLinkTag = 42;
constexpr unsigned kFalse = 20;
constexpr unsigned kTrue = 21;
constexpr unsigned kNull = 22;
constexpr unsigned kDouble = 27;
constexpr unsigned kFirstWide = 24;

std::unexpected<Error> bad(std::string_view problem) {
    return fail(CommonError::invalid_input, "dag-cbor: " + std::string(problem));
}

/// Shorter keys first, then by their bytes (RFC 7049 §3.9).
bool key_before(std::string_view a, std::string_view b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
}

class Decoder {
  public:
    Decoder(BytesView input, const IpldLimits& limits) : rest_(input), limits_(limits) {}

    // Bounded by `max_depth`.
    // NOLINTNEXTLINE(misc-no-recursion)
    Result<IpldValue> value(std::size_t depth) {
        if (depth > limits_.max_depth || ++values_ > limits_.max_values) {
            return fail(CommonError::limit_exceeded, "dag-cbor: too deep or too many values");
        }
        TRY(const Head head, read_head());
        switch (head.major) {
            case kUnsigned:
                return IpldValue{head.argument};
            case kNegative:
                return IpldValue{IpldValue::Negative{head.argument}};
            case kBytes: {
                TRY(const BytesView taken, take(head.argument));
                return IpldValue{to_bytes(taken)};
            }
            case kText: {
                TRY(std::string taken, text(head.argument));
                return IpldValue{std::move(taken)};
            }
            case kList:
                return list(head.argument, depth);
            case kMap:
                return map(head.argument, depth);
            case kTag:
                return link(head.argument);
            default:
                return simple(head);
        }
    }

    [[nodiscard]] bool at_end() const { return rest_.empty(); }

  private:
    struct Head {
        unsigned major = 0;
        unsigned info = 0;
        std::uint64_t argument = 0;
    };

    Result<BytesView> take(std::uint64_t size) {
        if (size > rest_.size()) {
            return bad("it ends too early");
        }
        const BytesView taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }

    Result<Head> read_head() {
        TRY(const BytesView first, take(1));
        const unsigned initial = first[0];
        Head head{.major = initial >> 5U, .info = initial & 0x1fU, .argument = initial & 0x1fU};
        if (head.info < kFirstWide) {
            return head;
        }
        if (head.info > kDouble) {
            return bad("an indefinite length");
        }
        TRY(const BytesView wide, take(std::size_t{1} << (head.info - kFirstWide)));
        head.argument = 0;
        for (const std::uint8_t byte : wide) {
            head.argument = head.argument << 8U | byte;
        }
        const std::uint64_t least =
            wide.size() == 1 ? kFirstWide : std::uint64_t{1} << (4 * wide.size());
        if (head.major != kSimple && head.argument < least) {
            return bad("an integer that is not as short as it can be");
        }
        return head;
    }

    Result<std::string> text(std::uint64_t size) {
        TRY(const BytesView taken, take(size));
        if (!is_utf8(taken)) {
            return bad("text that is not UTF-8");
        }
        return std::string(as_text(taken));
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    Result<IpldValue> list(std::uint64_t size, std::size_t depth) {
        if (size > rest_.size()) {
            return bad("a list longer than the block");
        }
        IpldValue::List out;
        for (std::uint64_t i = 0; i < size; ++i) {
            TRY(IpldValue element, value(depth + 1));
            out.push_back(std::move(element));
        }
        return IpldValue{std::move(out)};
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    Result<IpldValue> map(std::uint64_t size, std::size_t depth) {
        if (size > rest_.size()) {
            return bad("a map longer than the block");
        }
        IpldValue::Map out;
        for (std::uint64_t i = 0; i < size; ++i) {
            TRY(const Head head, read_head());
            if (head.major != kText) {
                return bad("a key that is not text");
            }
            TRY(std::string key, text(head.argument));
            if (!out.empty() && !key_before(out.back().first, key)) {
                return bad("keys that are repeated or not sorted");
            }
            TRY(IpldValue element, value(depth + 1));
            out.emplace_back(std::move(key), std::move(element));
        }
        return IpldValue{std::move(out)};
    }

    Result<IpldValue> link(std::uint64_t tag) {
        if (tag != kLinkTag) {
            return bad("a tag other than 42");
        }
        TRY(const Head head, read_head());
        if (head.major != kBytes) {
            return bad("a link that is not bytes");
        }
        TRY(const BytesView taken, take(head.argument));
        if (taken.empty() || taken[0] != 0) {
            return bad("a link without the identity multibase");
        }
        TRY(Cid cid, Cid::from_bytes(taken.subspan(1)));
        return IpldValue{std::move(cid)};
    }

    static Result<IpldValue> simple(const Head& head) {
        switch (head.info) {
            case kFalse:
                return IpldValue{false};
            case kTrue:
                return IpldValue{true};
            case kNull:
                return IpldValue{nullptr};
            case kDouble: {
                const auto number = std::bit_cast<double>(head.argument);
                if (!std::isfinite(number)) {
                    return bad("a number that is infinite or none");
                }
                return IpldValue{number};
            }
            default:
                return bad("a simple value other than false, true and null, or a short float");
        }
    }

    BytesView rest_;
    IpldLimits limits_;
    std::size_t values_ = 0;
};

void put_head(Bytes& out, unsigned major, std::uint64_t argument) {
    const auto initial = static_cast<std::uint8_t>(major << 5U);
    if (argument < kFirstWide) {
        out.push_back(static_cast<std::uint8_t>(initial | argument));
        return;
    }
    unsigned width = 0;
    while (width < 3 && argument >> (8U << width) != 0) {
        ++width;
    }
    out.push_back(static_cast<std::uint8_t>(initial | (kFirstWide + width)));
    for (unsigned shift = 8U << width; shift > 0;) {
        shift -= 8;
        out.push_back(static_cast<std::uint8_t>(argument >> shift));
    }
}

void put_text(Bytes& out, std::string_view text) {
    put_head(out, kText, text.size());
    append(out, text);
}

/// Writes one value; those inside it by recursion as deep as the value is.
struct Encoder {
    Bytes& out;

    void operator()(std::nullptr_t /*value*/) const { out.push_back(kSimple << 5U | kNull); }
    void operator()(bool value) const { out.push_back(kSimple << 5U | (value ? kTrue : kFalse)); }
    void operator()(std::uint64_t value) const { put_head(out, kUnsigned, value); }
    void operator()(IpldValue::Negative value) const { put_head(out, kNegative, value.rest); }
    void operator()(double value) const {
        out.push_back(kSimple << 5U | kDouble);
        const auto bits = std::bit_cast<std::uint64_t>(value);
        for (unsigned shift = 64; shift > 0;) {
            shift -= 8;
            out.push_back(static_cast<std::uint8_t>(bits >> shift));
        }
    }
    void operator()(const std::string& value) const { put_text(out, value); }
    void operator()(const Bytes& value) const {
        put_head(out, kBytes, value.size());
        append(out, BytesView(value));
    }
    void operator()(const Cid& value) const {
        const Bytes bytes = value.to_bytes();
        put_head(out, kTag, kLinkTag);
        put_head(out, kBytes, bytes.size() + 1);
        out.push_back(0);
        append(out, BytesView(bytes));
    }
    // NOLINTNEXTLINE(misc-no-recursion)
    void operator()(const IpldValue::List& value) const {
        put_head(out, kList, value.size());
        for (const IpldValue& each : value) {
            std::visit(*this, each.value);
        }
    }
    // NOLINTNEXTLINE(misc-no-recursion)
    void operator()(const IpldValue::Map& value) const {
        std::vector<const IpldValue::Map::value_type*> sorted;
        for (const auto& entry : value) {
            sorted.push_back(&entry);
        }
        std::ranges::sort(
            sorted, [](const auto* a, const auto* b) { return key_before(a->first, b->first); });
        put_head(out, kMap, value.size());
        for (const auto* entry : sorted) {
            put_text(out, entry->first);
            std::visit(*this, entry->second.value);
        }
    }
};

}  // namespace

Result<IpldValue> decode_dag_cbor(BytesView input, IpldLimits limits) {
    if (input.size() > limits.max_bytes) {
        return fail(CommonError::limit_exceeded, "dag-cbor: a block that is too large");
    }
    Decoder decoder(input, limits);
    TRY(IpldValue value, decoder.value(0));
    if (!decoder.at_end()) {
        return bad("something follows the value");
    }
    return value;
}

Bytes encode_dag_cbor(const IpldValue& value) {
    Bytes out;
    std::visit(Encoder{out}, value.value);
    return out;
}

}  // namespace decloud::multiformats
