#pragma once

#include "structured_fields.hpp"

#include <decloud/net/http/message.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::protocol {

/// What of a message can be covered by a signature (RFC 9421 §2). All of it outlives the calls it
/// is given to.
struct SignableMessage {
    /// Of a request, or of the request that a response answers.
    std::string_view method;
    /// Origin form, byte for byte as sent.
    std::string_view target;
    /// "https" or "http".
    std::string_view scheme = "https";
    /// As in Host; compared and signed in lower case, without the scheme's own port.
    std::string_view authority;
    /// Only of a response.
    std::optional<int> status;
    const net::http::Headers* headers = nullptr;
    /// None if the message has no trailers.
    const net::http::Headers* trailers = nullptr;
    /// Of a response: the request it answers, for components marked `req`.
    const SignableMessage* request = nullptr;
};

/// RFC 9421 §2.5: the bytes that are signed for `input`, a member of `Signature-Input`. Derived
/// components, fields and the parameters `sf`, `key`, `bs`, `tr`, `req` and `name` are known.
/// Error: invalid_input for a component that is missing, repeated, unknown or not what its
/// parameters say.
[[nodiscard]] Result<std::string> signature_base(
    const SignableMessage& message, const InnerList& input);

/// A field's name as a component: in lower case.
[[nodiscard]] std::string component_name(std::string_view field_name);

/// The authority as RFC 9421 §2.2.3 has it: lower case, no default port of the scheme.
[[nodiscard]] std::string normalized_authority(std::string_view authority, std::string_view scheme);

}  // namespace decloud::protocol
