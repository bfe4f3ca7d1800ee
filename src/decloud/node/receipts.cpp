#include "receipts.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/pipeline/pipeline.hpp>

namespace decloud::node {

Result<std::string> receipt_json(
    const payments::Receipt& receipt, const NodeIdentity& node_identity) {
    json::Object body;
    body["id"] = payments::to_string(receipt.id);
    body["provider"] = node_identity.provider_name;
    body["audience"] = node_identity.audience;
    body["escrow"] = to_string(node_identity.escrow);
    body["payer"] = receipt.payer.text;
    body["asset"] = receipt.asset.text;
    body["amount"] = to_string(receipt.amount);
    body["calls"] = receipt.calls;
    body["time"] = receipt.time.value;
    body["service"] = receipt.call.service;
    body["subject"] = receipt.call.subject;
    body["requestDigest"] = to_string(receipt.call.request_digest);
    body["responseDigest"] = to_string(receipt.call.response_digest);
    body["status"] = receipt.call.status;
    body["responseBytes"] = receipt.call.response_bytes;
    body["durationMicroseconds"] = receipt.call.duration.count();
    if (receipt.call.interval != 0) {
        body["interval"] = receipt.call.interval;
    }
    body["signer"] = identity::to_did_key(node_identity.key.public_key());
    if (node_identity.delegation) {
        body["delegation"] = identity::to_json(*node_identity.delegation);
    }
    TRY(const std::string unsigned_text, json::canonical(body));
    body["signature"] = to_base64url(node_identity.key.sign(as_bytes(unsigned_text)).view());
    return json::canonical(body);
}

async::Task<void> answer_receipt(net::http::Exchange exchange,
    std::string id,
    payments::Ledger& ledger,
    const NodeIdentity& node_identity) {
    const auto parsed = payments::parse_receipt_id(id);
    if (!parsed) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::refuse(404, protocol::Status::bad_request,
                                     "no receipt is there: an id is 32 digits of 0-9 and a-f")
                                     .error());
        co_return;
    }
    const auto receipt = co_await ledger.receipt(*parsed);
    const auto text =
        receipt ? receipt_json(*receipt, node_identity) : std::unexpected(receipt.error());
    if (!text) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::problem_from(text.error()));
        co_return;
    }
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    (void)co_await exchange.send(std::move(head), *text + "\n");
}

}  // namespace decloud::node
