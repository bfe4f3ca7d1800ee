#include "request_signer.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/protocol/request_digest.hpp>
#include <decloud/protocol/signature_base.hpp>

#include <algorithm>
#include <utility>

namespace decloud::client {

namespace {

std::unexpected<Error> wrong(const char* why) {
    return fail(CommonError::invalid_input, std::string("the answer's signature: ") + why);
}

/// A field of the head, or where it was streamed of the trailers.
std::optional<std::string_view> find_field(
    const net::http::Headers& head, const net::http::Headers& trailers, std::string_view name) {
    const auto found = head.find(name);
    return found ? found : trailers.find(name);
}

/// The member `oc`.
template <class T>
Result<T> member_oc(std::string_view field) {
    TRY(const protocol::Dictionary members, protocol::parse_dictionary(field));
    const auto found = std::ranges::find(members, "oc", [](const auto& m) { return m.first; });
    const T* member = found == members.end() ? nullptr : std::get_if<T>(&found->second);
    if (member == nullptr) {
        return wrong("there is none of the label oc");
    }
    return *member;
}

bool covers(const protocol::InnerList& input, std::string_view name) {
    return std::ranges::any_of(input.items, [name](const protocol::Item& item) {
        const auto* text = std::get_if<std::string>(&item.value);
        return text != nullptr && *text == name;
    });
}

}  // namespace

RequestSigner::RequestSigner(crypto::Ed25519PrivateKey key,
    std::string audience,
    const Clock& clock,
    std::string credentials)
    : key_(std::move(key)),
      id_(identity::to_did_key(key_.public_key())),
      audience_(std::move(audience)),
      credentials_(std::move(credentials)),
      clock_(clock) {}

protocol::InnerList RequestSigner::covered(
    const net::http::Headers& headers, bool has_content) const {
    protocol::InnerList input;
    for (const char* name : {"@method", "@path", "@query"}) {
        input.items.push_back({.value = std::string(name)});
    }
    if (has_content) {
        input.items.push_back({.value = std::string("content-digest")});
    }
    for (const auto field : headers) {
        const std::string name = protocol::component_name(field.name);
        if (name.starts_with("opencloud-") && !covers(input, name)) {
            input.items.push_back({.value = name});
        }
    }
    input.parameters = {{"created", static_cast<std::int64_t>(clock_.unix_seconds().value)}};
    if (!nonce_.empty()) {
        input.parameters.emplace_back("nonce", nonce_);
    }
    input.parameters.emplace_back("keyid", id_);
    return input;
}

Result<void> RequestSigner::sign(std::string_view method,
    std::string_view target,
    const std::optional<crypto::Sha256Digest>& content,
    net::http::Headers& headers) {
    headers.remove("Signature");
    headers.remove("Signature-Input");
    headers.set("OpenCloud-Audience", audience_);
    if (!credentials_.empty()) {
        headers.set("OpenCloud-Credential", credentials_);
    }
    if (content) {
        headers.set("Content-Digest", protocol::format_content_digest(*content));
    }
    const protocol::InnerList input = covered(headers, content.has_value());
    TRY(const std::string base, protocol::signature_base({.method = method,
                                                             .target = target,
                                                             .authority = {},
                                                             .status = {},
                                                             .headers = &headers},
                                    input));
    TRY(const std::string written, protocol::serialize_inner_list(input));
    headers.add("Signature-Input", "oc=" + written);
    headers.add("Signature", "oc=:" + to_base64(key_.sign(as_bytes(base)).view()) + ":");
    nonce_.clear();
    return {};
}

bool RequestSigner::learn(const net::http::ResponseHead& answer) {
    const auto field = answer.headers.find("OpenCloud-Nonce");
    const auto members = protocol::parse_list(field.value_or(std::string_view()));
    bool is_new = false;
    for (const auto& member : members ? *members : protocol::List()) {
        const auto* item = std::get_if<protocol::Item>(&member);
        const auto* nonce = item == nullptr ? nullptr : std::get_if<std::string>(&item->value);
        if (nonce != nullptr && item->string_parameter("keyid") == id_) {
            nonce_ = *nonce;
            is_new = true;
        }
    }
    return is_new && answer.status == 401 &&
           answer.headers.find("OpenCloud-Status") == "request-declined.refresh-nonce";
}

Result<void> check_answer(const net::http::ResponseHead& head,
    const net::http::Headers& trailers,
    const crypto::Sha256Digest& body,
    const AnswerExpectation& expected) {
    const auto input_field = find_field(head.headers, trailers, "Signature-Input");
    const auto signature_field = find_field(head.headers, trailers, "Signature");
    if (!input_field || !signature_field) {
        return fail(CommonError::not_found, "the answer is not signed");
    }
    TRY(const auto input, member_oc<protocol::InnerList>(*input_field));
    TRY(const auto signature, member_oc<protocol::Item>(*signature_field));
    for (const char* name :
        {"@status", "content-digest", "opencloud-status", "opencloud-request"}) {
        if (!covers(input, name)) {
            return wrong("it does not cover all of it");
        }
    }
    const auto* signer = protocol::find_parameter<std::string>(input.parameters, "keyid");
    if (signer == nullptr || *signer != expected.node_id) {
        return wrong("it is by another key than the node's");
    }
    const auto digest = protocol::parse_content_digest(
        find_field(head.headers, trailers, "Content-Digest").value_or(std::string_view()));
    if (!digest || *digest != body) {
        return wrong("the body is another");
    }
    const Bytes32 request = protocol::request_digest({.method = expected.method,
        .target = expected.target,
        .content_digest = expected.request_content,
        .audience = expected.audience});
    if (find_field(head.headers, trailers, "OpenCloud-Request") !=
        ":" + to_base64(request.view()) + ":") {
        return wrong("it answers another request");
    }
    TRY(const std::string base, protocol::signature_base({.method = {},
                                                             .target = {},
                                                             .authority = {},
                                                             .status = head.status,
                                                             .headers = &head.headers,
                                                             .trailers = &trailers},
                                    input));
    TRY(const identity::DidKey key, identity::parse_did_key(expected.node_id));
    const auto* bytes = std::get_if<Bytes>(&signature.value);
    if (bytes == nullptr || !identity::verify(key, as_bytes(base), *bytes)) {
        return wrong("it does not hold");
    }
    return {};
}

}  // namespace decloud::client
