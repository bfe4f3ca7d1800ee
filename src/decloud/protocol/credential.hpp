#pragma once

#include <string>

namespace decloud::protocol {

/// A key that a request has proved to speak for.
struct Credential {
    /// "opencloud" for a did:key, "ethereum" for an account.
    std::string kind;
    /// "did:key:z6Mk…", or "0x…" in lower case.
    std::string id;
    /// Set for a did:key that has a successor, which signs in its place.
    std::string successor{};
    friend bool operator==(const Credential&, const Credential&) = default;
};

}  // namespace decloud::protocol
