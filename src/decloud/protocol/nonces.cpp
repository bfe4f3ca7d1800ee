#include "nonces.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>

namespace decloud::protocol {

namespace {

constexpr std::size_t kNumbersBytes = 16;
constexpr std::size_t kTagBytes = 16;

void put_number(Bytes& out, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(number >> static_cast<unsigned>(shift)));
    }
}

std::uint64_t get_number(BytesView bytes) {
    std::uint64_t number = 0;
    for (const std::uint8_t byte : bytes.first(8)) {
        number = number << 8U | byte;
    }
    return number;
}

crypto::Sha256Digest tag_of(const crypto::Secret& key, BytesView numbers, std::string_view id) {
    Bytes message(numbers.begin(), numbers.end());
    append(message, as_bytes(id));
    return crypto::hmac_sha256(key.view(), message);
}

}  // namespace

Nonces::Nonces(const Clock& clock, NonceSettings settings)
    : clock_(clock),
      settings_(settings),
      key_(crypto::Secret::random(32)),
      used_(static_cast<std::size_t>(settings.window)) {}

std::string Nonces::issue(std::string_view id) {
    Bytes out;
    out.reserve(kNumbersBytes + kTagBytes);
    put_number(out, clock_.unix_seconds().value);
    put_number(out, next_);
    const auto tag = tag_of(key_, out, id);
    append(out, BytesView(tag).first(kTagBytes));
    used_[static_cast<std::size_t>(next_ % settings_.window)] = false;
    ++next_;
    return to_base64url(out);
}

Nonces::Read Nonces::read(std::string_view id, std::string_view nonce) const {
    const auto bytes = nonce.size() > 64 ? Result<Bytes>(Bytes()) : from_base64url(nonce);
    if (!bytes || bytes->size() != kNumbersBytes + kTagBytes) {
        return {};
    }
    const BytesView numbers = BytesView(*bytes).first(kNumbersBytes);
    const auto tag = tag_of(key_, numbers, id);
    if (!equal_constant_time(
            BytesView(tag).first(kTagBytes), BytesView(*bytes).subspan(kNumbersBytes))) {
        return {};
    }
    const std::uint64_t issued = get_number(numbers);
    const std::uint64_t serial = get_number(numbers.subspan(8));
    const std::uint64_t now = clock_.unix_seconds().value;
    const auto life = static_cast<std::uint64_t>(settings_.life.count());
    // A clock that was set back must not make a nonce live longer.
    if (issued > now || now - issued > life || next_ - serial > settings_.window) {
        return {.verdict = Verdict::expired, .serial = serial};
    }
    const bool is_used = used_[static_cast<std::size_t>(serial % settings_.window)];
    return {.verdict = is_used ? Verdict::used : Verdict::good, .serial = serial};
}

Nonces::Verdict Nonces::check(std::string_view id, std::string_view nonce) const {
    return read(id, nonce).verdict;
}

Nonces::Verdict Nonces::use(std::string_view id, std::string_view nonce) {
    const Read found = read(id, nonce);
    if (found.verdict == Verdict::good) {
        used_[static_cast<std::size_t>(found.serial % settings_.window)] = true;
    }
    return found.verdict;
}

}  // namespace decloud::protocol
