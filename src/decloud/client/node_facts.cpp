#include "node_facts.hpp"

#include "http.hpp"
#include "request_signer.hpp"

#include <decloud/base/json.hpp>
#include <decloud/identity/delegation.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/protocol/request_digest.hpp>

namespace decloud::client {

namespace {

constexpr std::uint64_t kMaxWellKnown = 256 * kKiB;
constexpr const char* kWellKnown = "/.well-known/decloud";

std::unexpected<Error> wrong_facts(const char* what) {
    return fail(
        CommonError::invalid_input, std::string("the node's /.well-known/decloud: ") + what);
}

/// That the provider's account lets this key sign for it.
Result<std::optional<std::uint64_t>> read_delegation(const json::Object& object,
    const NodeFacts& facts,
    const Address& account,
    const identity::Domain& domain,
    UnixSeconds now) {
    if (!object.contains("delegation")) {
        return std::nullopt;
    }
    TRY(const json::Object member, json::object_member(object, "delegation"));
    TRY(const auto statement, identity::from_json<identity::Delegation>(member));
    TRY(const auto key,
        identity::verify_delegation(statement,
            {.account = account, .node = identity::namehash(facts.name), .lowest_epoch = 0}, now,
            domain));
    if (identity::to_did_key(key) != facts.id) {
        return wrong_facts("the delegation is for another key than the node's");
    }
    return statement.fields.epoch;
}

}  // namespace

Result<NodeFacts> parse_node_facts(BytesView text, UnixSeconds now) {
    TRY(const json::Value value, json::parse(as_text(text), {.max_bytes = kMaxWellKnown}));
    const auto object = value.is_object() ? value.as_object() : json::Object();
    TRY(const json::Object provider, json::object_member(object, "provider"));
    TRY(const json::Object node, json::object_member(object, "node"));
    TRY(const json::Object chain, json::object_member(object, "chain"));
    TRY(const std::uint64_t chain_id, json::uint_member(chain, "id"));
    TRY(const std::string usdc, json::string_member(chain, "usdc"));
    TRY(const std::string escrow_text, json::string_member(chain, "escrow"));
    TRY(const Address escrow, parse_address(escrow_text));
    TRY(const std::string address_text, json::string_member(provider, "address"));
    TRY(const Address account, parse_address(address_text));
    NodeFacts facts;
    TRY(facts.name, json::string_member(provider, "name"));
    TRY(facts.audience, json::string_member(provider, "audience"));
    TRY(facts.id, json::string_member(node, "id"));
    facts.currency.text = "eip155:" + std::to_string(chain_id) + "/erc20:" + usdc;
    if (facts.audience != protocol::audience(chain_id, account)) {
        return wrong_facts("the audience is not of its provider");
    }
    TRY(facts.delegation_epoch,
        read_delegation(object, facts, account, {.chain_id = chain_id, .escrow = escrow}, now));
    return facts;
}

async::Task<Result<NodeFacts>> ask_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    RoutesTo routes,
    UnixSeconds now) {
    CO_TRY(const std::vector<RequestRoute> ways, routes(kWellKnown));
    Result<Bytes> text = fail(CommonError::not_found);
    for (const RequestRoute& route : ways) {
        net::http::ClientRequest request;
        request.target = route.target;
        text = co_await fetch(http, route.url, std::move(request), kMaxWellKnown);
        if (text || !never_arrived(text.error())) {
            break;
        }
    }
    if (!text) {
        co_return fail(text.error().within("ask the node who it is"));
    }
    co_return parse_node_facts(*text, now);
}

Result<void> check_answer_of(const NodeFacts& facts,
    const PayableRequest& request,
    const Answer& answer,
    const crypto::Sha256Digest& request_content,
    const crypto::Sha256Digest& body) {
    Result<void> checked = fail(CommonError::not_found);
    for (const RequestRoute& route : request.routes) {
        checked = check_answer(answer.head(), answer.trailers(), body,
            {.method = request.method,
                .target = route.target,
                .request_content = request_content,
                .audience = facts.audience,
                .node_id = facts.id});
        if (checked || checked.error() == make_error_code(CommonError::not_found)) {
            break;
        }
    }
    return checked;
}

}  // namespace decloud::client
