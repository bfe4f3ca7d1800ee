#include "response_signature.hpp"

#include "request_digest.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

namespace decloud::protocol {

namespace {

std::string request_item(const Bytes32& digest) { return ":" + to_base64(digest.view()) + ":"; }

std::string trailer_mark(const SignedAnswer& answer) { return answer.in_trailers ? ";tr" : ""; }

}  // namespace

std::string answer_signature_base(const SignedAnswer& answer, std::string_view signature_params) {
    const std::string mark = trailer_mark(answer);
    std::string base = "\"@status\": " + std::to_string(answer.http_status);
    base += "\n\"content-digest\"" + mark + ": " + format_content_digest(answer.content_digest);
    base += "\n\"opencloud-status\": ";
    base += answer.opencloud_status;
    base += "\n\"opencloud-request\"" + mark + ": " + request_item(answer.request_digest);
    base += "\n\"@signature-params\": ";
    base += signature_params;
    return base;
}

net::http::Headers sign_answer(const SignedAnswer& answer, const crypto::Ed25519PrivateKey& key) {
    const std::string mark = trailer_mark(answer);
    const std::string params =
        "(\"@status\" \"content-digest\"" + mark + " \"opencloud-status\" \"opencloud-request\"" +
        mark + ");created=" + std::to_string(answer.created.value) + ";keyid=\"" +
        identity::to_did_key(key.public_key()) + "\";alg=\"ed25519\";tag=\"opencloud\"";
    const auto signature = key.sign(as_bytes(answer_signature_base(answer, params)));
    net::http::Headers out;
    out.add("Content-Digest", format_content_digest(answer.content_digest));
    out.add("OpenCloud-Request", request_item(answer.request_digest));
    out.add("Signature-Input", "oc=" + params);
    out.add("Signature", "oc=:" + to_base64(signature.view()) + ":");
    return out;
}

}  // namespace decloud::protocol
