#pragma once

#include <decloud/base/result.hpp>

#include <filesystem>
#include <memory>

namespace decloud::net {

/// A server's certificate and key, and the TLS that it speaks: 1.2 and 1.3, ALPN h2 and http/1.1,
/// no renegotiation. Single threaded.
class TlsServerContext {
  public:
    /// PEM files: the certificate with its chain, and the key that belongs to it. Error: tls_failed
    /// naming the file.
    [[nodiscard]] static Result<std::shared_ptr<TlsServerContext>> load(
        std::filesystem::path certificate, std::filesystem::path key);
    ~TlsServerContext();
    TlsServerContext(const TlsServerContext&) = delete;
    TlsServerContext& operator=(const TlsServerContext&) = delete;

    /// Reads the files again, for connections that come later; those that are open keep what they
    /// have. If it fails nothing changes. Errors as `load`.
    [[nodiscard]] Result<void> reload();

    /// OpenSSL's SSL_CTX of now.
    [[nodiscard]] void* native() const;

  private:
    struct Files;
    explicit TlsServerContext(std::unique_ptr<Files> files);
    std::unique_ptr<Files> files_;
};

}  // namespace decloud::net
