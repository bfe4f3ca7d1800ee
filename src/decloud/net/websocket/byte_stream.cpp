#include "byte_stream.hpp"

#include "../error.hpp"

#include <decloud/crypto/random.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

namespace decloud::net::websocket {

namespace {

constexpr std::size_t kMostPongs = 1024;
/// Frames in a row that bring nothing.
constexpr std::size_t kMostIdleFrames = 100;

std::optional<std::array<std::uint8_t, 4>> new_mask(Role role) {
    if (role == Role::server) {
        return std::nullopt;
    }
    return crypto::random_array<4>();
}

/// RFC 6455 §5.3, for bytes of which the first is number `at` of its frame's.
void apply_mask(std::span<std::uint8_t> bytes, std::array<std::uint8_t, 4> mask, std::size_t at) {
    std::ranges::rotate(mask, mask.begin() + static_cast<std::ptrdiff_t>(at % mask.size()));
    const std::array<std::uint8_t, 8> twice{
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]};
    std::uint64_t wide = 0;
    std::memcpy(&wide, twice.data(), sizeof wide);
    if (wide == 0) {
        return;
    }
    std::size_t index = 0;
    for (; index + sizeof wide <= bytes.size(); index += sizeof wide) {
        std::uint64_t part = 0;
        std::memcpy(&part, &bytes[index], sizeof part);
        part ^= wide;
        std::memcpy(&bytes[index], &part, sizeof part);
    }
    for (; index < bytes.size(); ++index) {
        bytes[index] ^= mask.at(index % mask.size());
    }
}

void append_frame(Bytes& out, Role role, Opcode opcode, BytesView payload) {
    const auto mask = new_mask(role);
    append(out, encode_frame_head(opcode, payload.size(), mask));
    const std::size_t begin = out.size();
    append(out, payload);
    if (mask) {
        apply_mask(std::span(out).subspan(begin), *mask, 0);
    }
}

}  // namespace

ByteStream::ByteStream(std::unique_ptr<Stream> stream, Role role)
    : stream_(std::move(stream)), role_(role) {}
ByteStream::~ByteStream() = default;

async::Task<Result<bool>> ByteStream::fill() {
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_begin_));
    input_begin_ = 0;
    const std::size_t before = input_.size();
    if (before == 0 && input_.capacity() > room_.next()) {
        input_ = {};
    }
    input_.resize(before + room_.next());
    const auto got = co_await stream_->read(std::span(input_).subspan(before));
    input_.resize(before + got.value_or(0));
    if (!got) {
        co_return fail(got.error());
    }
    room_.got(*got);
    co_return *got > 0;
}

void ByteStream::take_ping(BytesView payload) {
    Bytes text(payload.begin(), payload.end());
    apply_mask(text, head_.mask, 0);
    if (pongs_.size() < kMostPongs) {
        append_frame(pongs_, role_, Opcode::pong, text);
    }
}

BytesView ByteStream::unread() const { return BytesView(input_).subspan(input_begin_); }

async::Task<Result<bool>> ByteStream::next_data() {
    const Role sender = role_ == Role::client ? Role::server : Role::client;
    while (payload_left_ == 0) {
        CO_TRY(const auto head, parse_frame_head(unread(), sender));
        const bool control = head && head->opcode >= Opcode::close;
        if (!head || (control && unread().size() < head->size + head->length)) {
            CO_TRY(const bool more, co_await fill());
            if (!more) {
                co_return false;
            }
            continue;
        }
        head_ = *head;
        if (head_.opcode == Opcode::close) {
            co_return false;
        }
        if (head_.opcode == Opcode::text) {
            co_return fail(NetError::malformed_message, "text on a WebSocket of bytes");
        }
        if ((control || head_.length == 0) && ++idle_frames_ > kMostIdleFrames) {
            co_return fail(
                NetError::malformed_message, "a WebSocket with nothing but empty frames");
        }
        if (!control) {
            input_begin_ += head_.size;
            payload_left_ = head_.length;
            mask_at_ = 0;
            continue;
        }
        const auto length = static_cast<std::size_t>(head_.length);
        if (head_.opcode == Opcode::ping) {
            take_ping(unread().subspan(head_.size, length));
        }
        input_begin_ += head_.size + length;
    }
    idle_frames_ = 0;
    co_return true;
}

async::Task<Result<std::size_t>> ByteStream::read(std::span<std::uint8_t> buffer) {
    CO_TRY(const bool data, co_await next_data());
    if (!data) {
        co_return std::size_t{0};
    }
    if (unread().empty()) {
        CO_TRY(const bool more, co_await fill());
        if (!more) {
            co_return std::size_t{0};
        }
    }
    const BytesView input = unread();
    const std::size_t size = static_cast<std::size_t>(
        std::min<std::uint64_t>({payload_left_, input.size(), buffer.size()}));
    std::ranges::copy(input.first(size), buffer.begin());
    apply_mask(buffer.first(size), head_.mask, mask_at_);
    mask_at_ = (mask_at_ + size) % 4;
    payload_left_ -= size;
    input_begin_ += size;
    co_return size;
}

async::Task<Result<Bytes>> ByteStream::read_message(std::size_t limit) {
    CO_TRY(const bool data, co_await next_data());
    if (!data) {
        co_return fail(NetError::connection_closed);
    }
    if (payload_left_ > limit) {
        co_return fail(CommonError::limit_exceeded, "the message is too long");
    }
    if (!head_.final) {
        co_return fail(NetError::malformed_message, "a message in parts");
    }
    Bytes message(static_cast<std::size_t>(payload_left_));
    std::size_t size = 0;
    while (size < message.size()) {
        CO_TRY(const std::size_t got, co_await read(std::span(message).subspan(size)));
        if (got == 0) {
            co_return fail(NetError::connection_closed);
        }
        size += got;
    }
    co_return message;
}

async::Task<Result<void>> ByteStream::write(BytesView bytes) {
    out_ = std::exchange(pongs_, {});
    append_frame(out_, role_, Opcode::binary, bytes);
    co_return co_await stream_->write(out_);
}

void ByteStream::shutdown_write() { stream_->shutdown_write(); }
void ByteStream::close() { stream_->close(); }

Bytes ByteStream::exporter(std::string_view label) const {
    const auto* const binding = dynamic_cast<const ChannelBinding*>(stream_.get());
    return binding == nullptr ? Bytes{} : binding->exporter(label);
}

}  // namespace decloud::net::websocket
