#pragma once

#include <decloud/base/bytes.hpp>

#include <span>
#include <string>

namespace decloud::protocol {

/// What a verifier sees of a request. What differs from provider to provider (`Host`, `Date`,
/// payments) is left out.
struct VerifiedRequest {
    std::string method;
    /// Behind the deployment's own, decoded; UTF-8.
    std::string path;
    /// As it was sent, without the question mark.
    std::string query;
    /// `Content-Type`; empty: none.
    std::string type;
    Bytes body;
};

/// What a verifier sees of an answer.
struct VerifiedResponse {
    int status = 0;
    /// `Content-Type`; empty: none.
    std::string type;
    Bytes body;
};

/// What `verify` of a verifier gets, in canonical CBOR (ipld.io/specs/codecs/dag-cbor: shortest
/// forms, keys sorted by length and then by bytes): a list of maps with "body", "path", "type",
/// "query" and "method". Texts must be UTF-8.
[[nodiscard]] Bytes encode_requests(std::span<const VerifiedRequest> requests);
/// A list of maps with "body", "type" and "status". Several requests have their answers one
/// provider after the other.
[[nodiscard]] Bytes encode_responses(std::span<const VerifiedResponse> responses);

}  // namespace decloud::protocol
