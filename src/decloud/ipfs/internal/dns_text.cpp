#include "dns_text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace decloud::ipfs::internal {

namespace {

constexpr std::size_t kHeader = 12;
/// Type, class, TTL and length of a record.
constexpr std::size_t kRecordHead = 10;
constexpr std::uint8_t kPointer = 0xc0;

std::unexpected<Error> bad() { return fail(CommonError::invalid_input, "DNS: a malformed answer"); }

/// Reads from the front of what is left of a message.
class Reader {
  public:
    explicit Reader(BytesView message) : rest_(message) {}

    Result<BytesView> take(std::size_t count) {
        if (count > rest_.size()) {
            return bad();
        }
        const BytesView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }
    Result<std::uint32_t> number(std::size_t bytes) {
        TRY(const BytesView digits, take(bytes));
        std::uint32_t value = 0;
        for (const std::uint8_t digit : digits) {
            value = (value << 8U) | digit;
        }
        return value;
    }
    /// Names are not compared: who answers a question chooses its aliases, too.
    Result<void> skip_name() {
        for (;;) {
            TRY(const std::uint32_t length, number(1));
            if ((length & kPointer) == kPointer) {
                TRY_VOID(take(1));
                return {};
            }
            if ((length & kPointer) != 0) {
                return bad();
            }
            TRY_VOID(take(length));
            if (length == 0) {
                return {};
            }
        }
    }

  private:
    BytesView rest_;
};

Result<std::string> join_strings(BytesView data) {
    std::string out;
    Reader reader(data);
    for (std::size_t left = data.size(); left > 0;) {
        TRY(const std::uint32_t length, reader.number(1));
        TRY(const BytesView text, reader.take(length));
        out += as_text(text);
        left -= 1 + length;
    }
    return out;
}

}  // namespace

Result<DnsTexts> parse_dns_texts(BytesView message) {
    Reader reader(message);
    TRY(const BytesView header, reader.take(kHeader));
    const auto count_at = [header](std::size_t at) {
        return static_cast<std::size_t>(header[at]) << 8U | header[at + 1];
    };
    for (std::size_t question = 0; question < count_at(4); ++question) {
        TRY_VOID(reader.skip_name());
        TRY_VOID(reader.take(4));
    }
    DnsTexts out{.texts = {}, .ttl = std::chrono::seconds::max()};
    for (std::size_t answer = 0; answer < count_at(6); ++answer) {
        TRY_VOID(reader.skip_name());
        TRY(const BytesView head, reader.take(kRecordHead));
        Reader fields(head);
        TRY(const std::uint32_t type, fields.number(2));
        TRY(const std::uint32_t space, fields.number(2));
        TRY(const std::uint32_t ttl, fields.number(4));
        TRY(const std::uint32_t length, fields.number(2));
        TRY(const BytesView data, reader.take(length));
        // RFC 2181 §8: a TTL with its first bit set is 0.
        out.ttl = std::min(out.ttl, std::chrono::seconds(ttl > INT32_MAX ? 0 : ttl));
        if (type == kTextType && space == kInternetClass) {
            TRY(out.texts.emplace_back(), join_strings(data));
        }
    }
    if (out.texts.empty()) {
        return fail(CommonError::not_found, "DNS: no TXT record");
    }
    return out;
}

}  // namespace decloud::ipfs::internal
