#include "credential_claims.hpp"
#include "quote.hpp"
#include "request_digest.hpp"
#include "request_signatures.hpp"
#include "response_signature.hpp"
#include "succession.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/did_key.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

namespace decloud::protocol {
namespace {

using net::http::Headers;

/// What another implementation made: tests/vectors/opencloud/make.py.
json::Object read_file(const std::string& name) {
    const char* source = std::getenv("DECLOUD_SOURCE_DIR");
    std::ifstream stream(
        std::string(source == nullptr ? "." : source) + "/tests/vectors/opencloud/" + name);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    return json::parse(text, {.max_bytes = 1U << 20U, .max_depth = 16}).value().as_object();
}

const json::Object& file() {
    static const json::Object all = read_file("requests.json");
    return all;
}

std::string text_of(const json::Object& object, std::string_view name) {
    return std::string(object.at(name).as_string());
}

/// One request, with the node that it comes to.
struct Vector {
    explicit Vector(const json::Object& vector)
        : name(text_of(vector, "name")), verdict(vector.at("verdict").as_object()) {
        const json::Object& request = vector.at("request").as_object();
        const json::Object& node = file().at("node").as_object();
        method = text_of(request, "method");
        target = text_of(request, "target");
        scheme = text_of(node, "scheme");
        authority = text_of(node, "authority");
        audience = text_of(node, "audience");
        now = UnixSeconds{node.at("now").to_number<std::uint64_t>()};
        body = from_base64(request.at("body").as_string()).value();
        is_direct = request.at("straightToTheNode").as_bool();
        for (const json::Value& field : request.at("headers").as_array()) {
            headers.add(field.at(0).as_string(), field.at(1).as_string());
        }
        digest = text_of(vector, "openCloudRequest");
        if (const json::Value* bases = vector.if_contains("signed")) {
            signed_bases = bases->as_array();
        }
    }

    [[nodiscard]] SignableMessage message() const {
        return {.method = method,
            .target = target,
            .scheme = scheme,
            .authority = authority,
            .status = {},
            .headers = &headers};
    }

    std::string name;
    json::Object verdict;
    std::string method;
    std::string target;
    std::string scheme;
    std::string authority;
    std::string audience;
    UnixSeconds now;
    Bytes body;
    bool is_direct = false;
    Headers headers;
    std::string digest;
    json::Array signed_bases;
};

std::vector<Vector> vectors() {
    std::vector<Vector> out;
    for (const json::Value& value : file().at("vectors").as_array()) {
        out.emplace_back(value.as_object());
    }
    return out;
}

/// The name of the check that refuses one signature; empty if none does.
std::string refuses(const Vector& vector, const RequestSignature& signature) {
    if (!check_times(signature, vector.now)) {
        return "times";
    }
    const CoverageRules rules{.has_body = !vector.body.empty(), .own_authority = vector.is_direct};
    if (!check_coverage(signature, vector.headers, rules)) {
        return "coverage";
    }
    return check_signature(signature, vector.message()) ? "" : "signature";
}

/// The name of the first check that refuses the request; empty if it is accepted.
std::string refuses(const Vector& vector) {
    if (vector.headers.find("OpenCloud-Audience").value_or(vector.audience) != vector.audience) {
        return "audience";
    }
    const auto signatures = read_request_signatures(vector.headers);
    if (!signatures || signatures->empty()) {
        return "read";
    }
    for (const RequestSignature& signature : *signatures) {
        if (std::string check = refuses(vector, signature); !check.empty()) {
            return check;
        }
    }
    if (const auto field = vector.headers.find("Content-Digest")) {
        const auto digest = parse_content_digest(*field);
        if (!digest || *digest != crypto::sha256(vector.body)) {
            return "body";
        }
    }
    return {};
}

TEST(OpenCloudVectors, RequestsAreAcceptedAndRefusedAsThePageSays) {
    const std::vector<Vector> all = vectors();
    ASSERT_GE(all.size(), 45U);
    for (const Vector& vector : all) {
        const bool accepted = vector.verdict.at("accepted").as_bool();
        const std::string check = accepted ? "" : text_of(vector.verdict, "check");
        EXPECT_EQ(refuses(vector), check) << vector.name;
    }
}

TEST(OpenCloudVectors, TheBaseIsTheOneThatWasSigned) {
    std::size_t compared = 0;
    for (const Vector& vector : vectors()) {
        if (vector.signed_bases.empty()) {
            continue;
        }
        const auto signatures = read_request_signatures(vector.headers);
        ASSERT_TRUE(signatures) << vector.name;
        ASSERT_EQ(signatures->size(), vector.signed_bases.size()) << vector.name;
        for (std::size_t i = 0; i < signatures->size(); ++i) {
            const json::Object& wanted = vector.signed_bases[i].as_object();
            const RequestSignature& signature = signatures->at(i);
            EXPECT_EQ(signature.label, text_of(wanted, "label")) << vector.name;
            EXPECT_EQ(signature.id, text_of(wanted, "id")) << vector.name;
            EXPECT_EQ(signature_base(vector.message(), signature.input).value_or("none"),
                text_of(wanted, "base"))
                << vector.name;
            ++compared;
        }
    }
    EXPECT_GE(compared, 30U);
}

TEST(OpenCloudVectors, TheDigestThatBindsAnswersIsTheSame) {
    for (const Vector& vector : vectors()) {
        const DigestedRequest request{.method = vector.method,
            .target = vector.target,
            .content_digest = crypto::sha256(vector.body),
            .audience = vector.audience};
        EXPECT_EQ(":" + to_base64(request_digest(request).view()) + ":", vector.digest)
            << vector.name;
    }
}

Headers fields_of(const json::Value& pairs) {
    Headers out;
    for (const json::Value& field : pairs.as_array()) {
        out.add(field.at(0).as_string(), field.at(1).as_string());
    }
    return out;
}

TEST(OpenCloudVectors, AnswersAreSignedToTheByteAsTheOtherLibraryDoes) {
    const json::Object all = read_file("answers.json");
    const auto seed = from_hex(all.at("keys").at(0).at("private").as_string()).value();
    const auto key = crypto::Ed25519PrivateKey::from_seed(seed).value();
    std::size_t compared = 0;
    for (const json::Value& vector : all.at("vectors").as_array()) {
        if (!vector.at("verdict").at("accepted").as_bool()) {
            continue;
        }
        const json::Object& request = vector.at("request").as_object();
        const json::Object& answer = vector.at("answer").as_object();
        const auto content = from_base64(request.at("body").as_string()).value();
        const auto body = from_base64(answer.at("body").as_string()).value();
        const bool in_trailers = !answer.at("trailers").as_array().empty();
        const std::string method = text_of(request, "method");
        const std::string target = text_of(request, "target");
        const std::string audience = text_of(all.at("node").as_object(), "audience");
        const Headers head = fields_of(answer.at("headers"));
        const Headers wanted = in_trailers ? fields_of(answer.at("trailers")) : head;
        const auto made =
            sign_answer({.http_status = answer.at("status").to_number<int>(),
                            .opencloud_status = head.find("OpenCloud-Status").value_or(""),
                            .content_digest = crypto::sha256(body),
                            .request_digest = request_digest({.method = method,
                                .target = target,
                                .content_digest = crypto::sha256(content),
                                .audience = audience}),
                            .created = {all.at("node").at("now").to_number<std::uint64_t>()},
                            .in_trailers = in_trailers},
                key);
        for (const char* name :
            {"Content-Digest", "OpenCloud-Request", "Signature-Input", "Signature"}) {
            EXPECT_EQ(made.find(name), wanted.find(name)) << vector.at("name") << " " << name;
        }
        ++compared;
    }
    EXPECT_EQ(compared, 4U);
}

/// The name of the first check that refuses a field of credentials; empty if it is accepted.
std::string refuses_credentials(const json::Object& vector, const json::Object& node) {
    const auto claims = parse_credential_claims(text_of(vector, "field"));
    if (!claims) {
        return "read";
    }
    const auto accounts = make_ethereum_credentials();
    const auto ids = make_succession_credentials();
    const std::vector<std::string> signers{text_of(vector, "did")};
    std::vector<std::string> earlier;
    const json::Array& texts = vector.at("texts").as_array();
    EXPECT_EQ(claims->size(), texts.size());
    for (std::size_t i = 0; i < std::min(claims->size(), texts.size()); ++i) {
        const CredentialClaim& claim = claims->at(i);
        const bool is_account = accounts->recognizes(claim.id);
        const std::string audience = text_of(node, "audience");
        EXPECT_EQ(
            is_account ? credential_text(signers.front(), claim, audience) : succession_text(claim),
            texts[i].as_string());
        EXPECT_NE(is_account, ids->recognizes(claim.id));
        if (claim.expires.value < node.at("now").to_number<std::uint64_t>()) {
            return "exp";
        }
        const auto known =
            (is_account ? accounts : ids)
                ->verify(claim, {.signers = signers, .earlier = earlier, .audience = audience});
        if (!known) {
            return "proof";
        }
        EXPECT_EQ(*known, (Credential{.kind = is_account ? "ethereum" : "opencloud",
                              .id = claim.id,
                              .successor = claim.by}));
        earlier.push_back(claim.id);
    }
    return {};
}

TEST(OpenCloudVectors, AccountsAndEarlierIdsThatOthersSignedForAreKnown) {
    const json::Object all = read_file("credentials.json");
    ASSERT_GE(all.at("vectors").as_array().size(), 12U);
    for (const json::Value& value : all.at("vectors").as_array()) {
        const json::Object& vector = value.as_object();
        SCOPED_TRACE(text_of(vector, "name"));
        const json::Object& verdict = vector.at("verdict").as_object();
        const bool accepted = verdict.at("accepted").as_bool();
        EXPECT_EQ(refuses_credentials(vector, all.at("node").as_object()),
            accepted ? "" : text_of(verdict, "check"));
    }
}

UnitCounts counts_of(const json::Object& object) {
    UnitCounts out;
    for (const auto& member : object) {
        out.emplace(member.key(), member.value().to_number<std::uint64_t>());
    }
    return out;
}

TEST(OpenCloudVectors, QuotesAreReadOrRefused) {
    const json::Object all = read_file("quotes.json");
    const auto id = identity::parse_did_key(text_of(all.at("node").as_object(), "id")).value();
    const auto key = std::get<crypto::Ed25519PublicKey>(id);
    for (const json::Value& each : all.at("vectors").as_array()) {
        const json::Object& vector = each.as_object();
        SCOPED_TRACE(text_of(vector, "name"));
        const auto text = parse_quote_header(text_of(vector, "field"));
        const auto quote = text ? parse_quote(*text, key) : fail(text.error());
        if (vector.at("verdict").as_object().contains("check")) {
            EXPECT_FALSE(quote);
            continue;
        }
        ASSERT_TRUE(quote) << quote.error().detail();
        for (const json::Value& cost : vector.at("costs").as_array()) {
            const auto price = price_by(*quote, counts_of(cost.at("units").as_object()));
            EXPECT_EQ(price ? json::Value(to_string(*price)) : json::Value(), cost.at("amount"));
        }
    }
}

}  // namespace
}  // namespace decloud::protocol
