#include "handshake.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace decloud::net::websocket {

bool asks_for_websocket(const http::RequestHead& request) {
    return !request.http_1_0 && request.method == "GET" &&
           request.headers.has_token("Connection", "upgrade") &&
           request.headers.has_token("Upgrade", kProtocol);
}

std::string make_key() { return to_base64(crypto::random_array<16>()); }

std::string accept_value(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<std::uint8_t, 20> hash{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha1(), nullptr);
    return to_base64(hash);
}

}  // namespace decloud::net::websocket
