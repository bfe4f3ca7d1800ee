#include "receipt_ids.hpp"

#include <decloud/crypto/random.hpp>

#include <openssl/evp.h>

#include <cstring>
#include <stdexcept>

namespace decloud::payments::internal {

namespace {

EVP_CIPHER_CTX* make_context(const ReceiptKey& key, int encrypt) {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    if (context == nullptr ||
        EVP_CipherInit_ex(context, EVP_aes_128_ecb(), nullptr, key.data(), nullptr, encrypt) != 1 ||
        EVP_CIPHER_CTX_set_padding(context, 0) != 1) {
        throw std::runtime_error("AES-128 is not available");
    }
    return context;
}

ReceiptId apply(EVP_CIPHER_CTX* context, const ReceiptId& block) {
    ReceiptId out;
    int length = 0;
    if (EVP_CipherUpdate(context, out.bytes.data(), &length, block.bytes.data(),
            static_cast<int>(ReceiptId::kSize)) != 1) {
        throw std::runtime_error("AES-128 failed");
    }
    return out;
}

}  // namespace

ReceiptIds::ReceiptIds(const ReceiptKey& key)
    : encrypt_(make_context(key, 1)), decrypt_(make_context(key, 0)) {
    const auto random = crypto::random_array<8>();
    std::memcpy(&epoch_, random.data(), random.size());
}

ReceiptIds::~ReceiptIds() {
    EVP_CIPHER_CTX_free(encrypt_);
    EVP_CIPHER_CTX_free(decrypt_);
}

ReceiptId ReceiptIds::make(std::uint64_t serial) {
    ReceiptId block;
    std::memcpy(block.bytes.data(), &serial, 8);
    std::memcpy(block.bytes.data() + 8, &epoch_, 8);
    return apply(encrypt_, block);
}

std::uint64_t ReceiptIds::serial_of(const ReceiptId& id) {
    const ReceiptId block = apply(decrypt_, id);
    std::uint64_t serial = 0;
    std::memcpy(&serial, block.bytes.data(), 8);
    return serial;
}

}  // namespace decloud::payments::internal
