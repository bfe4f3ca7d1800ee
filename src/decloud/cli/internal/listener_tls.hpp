#pragma once

#include <decloud/base/log.hpp>
#include <decloud/net/tls/server_context.hpp>

#include <memory>
#include <string>

namespace decloud::cli::internal {

/// What `tls_certificate` and `tls_key` of a section of config.toml name; nothing without them.
/// Error: tls_failed.
template <class Section>
[[nodiscard]] Result<std::shared_ptr<net::TlsServerContext>> load_tls(const Section& section) {
    if (section.tls_certificate.empty()) {
        return std::shared_ptr<net::TlsServerContext>();
    }
    return net::TlsServerContext::load(section.tls_certificate, section.tls_key);
}

/// For the connections to come. What is not right is logged, and the old certificate stays.
inline void reload_tls(const std::shared_ptr<net::TlsServerContext>& tls) {
    if (!tls) {
        return;
    }
    if (const auto reloaded = tls->reload(); !reloaded) {
        log::error("tls", "the old certificate stays: {}", reloaded.error().message());
    } else {
        log::info("tls", "the certificate was read again");
    }
}

}  // namespace decloud::cli::internal
