#pragma once

#include "../types.hpp"

#include <array>
#include <cstdint>
#include <memory>

struct evp_cipher_ctx_st;

namespace decloud::payments::internal {

using ReceiptKey = std::array<std::uint8_t, 16>;

/// Public receipt ids are AES-128 of (serial, epoch): as hard to guess as random ones, and the
/// serial leads to the receipt without an index of millions of random keys. The epoch is random per
/// start, so that a home that was restored from a backup does not give an id twice. Not thread
/// safe.
class ReceiptIds {
  public:
    explicit ReceiptIds(const ReceiptKey& key);
    ~ReceiptIds();
    ReceiptIds(const ReceiptIds&) = delete;
    ReceiptIds& operator=(const ReceiptIds&) = delete;

    [[nodiscard]] ReceiptId make(std::uint64_t serial);
    /// The serial that `id` stands for if it is one of ours; the stored receipt has the last word.
    [[nodiscard]] std::uint64_t serial_of(const ReceiptId& id);

  private:
    std::uint64_t epoch_ = 0;
    evp_cipher_ctx_st* encrypt_;
    evp_cipher_ctx_st* decrypt_;
};

}  // namespace decloud::payments::internal
