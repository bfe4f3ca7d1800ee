#include "request_digest.hpp"

#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>
#include <variant>

namespace decloud::protocol {

std::string audience(std::uint64_t chain_id, const Address& provider) {
    return "eip155:" + std::to_string(chain_id) + ":" + to_string(provider);
}

std::string request_signature_base(const DigestedRequest& request) {
    const std::size_t question = request.target.find('?');
    const std::string_view path = request.target.substr(0, question);
    const std::string_view query =
        question == std::string_view::npos ? "?" : request.target.substr(question);
    std::string base;
    base.reserve(320 + request.target.size());
    base.append("\"@method\": ").append(request.method);
    base.append("\n\"@path\": ").append(path);
    base.append("\n\"@query\": ").append(query);
    base.append("\n\"content-digest\": ").append(format_content_digest(request.content_digest));
    base.append("\n\"opencloud-audience\": ").append(request.audience);
    base.append(
        "\n\"@signature-params\": (\"@method\" \"@path\" \"@query\" \"content-digest\" "
        "\"opencloud-audience\")");
    return base;
}

Bytes32 request_digest(const DigestedRequest& request) {
    return Bytes32{crypto::sha256(request_signature_base(request))};
}

Result<crypto::Sha256Digest> parse_content_digest(std::string_view field) {
    TRY(const Dictionary members, parse_dictionary(field));
    for (const auto& [name, member] : members) {
        if (name != "sha-256") {
            continue;
        }
        const auto* item = std::get_if<Item>(&member);
        const auto* bytes = item == nullptr ? nullptr : std::get_if<Bytes>(&item->value);
        crypto::Sha256Digest digest{};
        if (bytes == nullptr || bytes->size() != digest.size()) {
            return fail(CommonError::invalid_input, "Content-Digest: sha-256 is 32 bytes");
        }
        std::ranges::copy(*bytes, digest.begin());
        return digest;
    }
    return fail(CommonError::not_found, "Content-Digest has no sha-256");
}

std::string format_content_digest(const crypto::Sha256Digest& digest) {
    return "sha-256=:" + to_base64(digest) + ":";
}

}  // namespace decloud::protocol
