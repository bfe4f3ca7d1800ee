#include "server_context.hpp"

#include "../error.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string_view>
#include <utility>

namespace decloud::net {

namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

constexpr std::string_view kProtocols = "\x02h2\x08http/1.1";

int choose_protocol(SSL* /*session*/,
    const unsigned char** out,
    unsigned char* out_size,
    const unsigned char* offered,
    unsigned int offered_size,
    void* /*context*/) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size,
            reinterpret_cast<const unsigned char*>(kProtocols.data()),
            static_cast<unsigned>(kProtocols.size()), offered,
            offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

Error tls_error(std::string_view what, const std::filesystem::path& file) {
    std::array<char, 256> reason{};
    ERR_error_string_n(ERR_peek_last_error(), reason.data(), reason.size());
    ERR_clear_error();
    return {NetError::tls_failed, fmt::format("{} {}: {}", what, file.string(), reason.data())};
}

Result<Context> make_context(
    const std::filesystem::path& certificate, const std::filesystem::path& key) {
    ERR_clear_error();
    Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (!context) {
        return fail(NetError::tls_failed, "no TLS context");
    }
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    // RFC 9113 §9.2.2 forbids all others with HTTP/2.
    SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
        return fail(tls_error("no certificate can be read from", certificate));
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1) {
        return fail(tls_error("no key of the certificate can be read from", key));
    }
    return context;
}

}  // namespace

struct TlsServerContext::Files {
    std::filesystem::path certificate;
    std::filesystem::path key;
    Context context;
};

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::load(
    std::filesystem::path certificate, std::filesystem::path key) {
    TRY(Context context, make_context(certificate, key));
    return std::shared_ptr<TlsServerContext>(new TlsServerContext(std::make_unique<Files>(
        Files{std::move(certificate), std::move(key), std::move(context)})));
}

TlsServerContext::TlsServerContext(std::unique_ptr<Files> files) : files_(std::move(files)) {}
TlsServerContext::~TlsServerContext() = default;

Result<void> TlsServerContext::reload() {
    TRY(files_->context, make_context(files_->certificate, files_->key));
    return {};
}

void* TlsServerContext::native() const { return files_->context.get(); }

}  // namespace decloud::net
