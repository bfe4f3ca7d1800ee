#pragma once

#include "declared_services.hpp"
#include "node.hpp"
#include "node_content.hpp"

#include <decloud/chain/head_follower.hpp>
#include <decloud/ipfs/ipns_publisher.hpp>
#include <decloud/ipfs/ipns_records.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/payments/debts.hpp>
#include <decloud/payments/escrow_channels.hpp>
#include <decloud/payments/settler.hpp>

namespace decloud::node {

/// What the operator's verbs work on; everything outlives it.
struct OperatorContext {
    const NodeSettings& settings;
    AssetId asset;
    payments::Ledger& ledger;
    payments::EscrowChannels& channels;
    payments::Settler& settler;
    const payments::AutomaticTrials& trials;
    chain::HeadFollower& head;
    services::ContentContext& content;
    content::ManagedBlockStore& blocks;
    DeclaredServices& declared;
    payments::Debts& debts;
    ipfs::IpnsRecords& ipns_records;
    ipfs::IpnsPublisher& ipns_publisher;
    const Clock& clock;
};

/// Requests on the 0600 socket in the home: whoever can open it is the operator.
/// `GET /operator/status`, `GET /operator/exposure`, `GET /operator/debts`,
/// `POST /operator/debts/forgive?id=…`, `POST
/// /operator/settle`, `POST /operator/content/import`, `POST /operator/content/add`, `GET
/// /operator/content/export?cid=…`, `GET /operator/content/list`, `POST
/// /operator/content/record?name=…`, `POST /operator/content/publish`, `unpublish`, `POST
/// /operator/content/pin`, `unpin`, `collect`, `GET /operator/content/verify`
/// (`content_upkeep.hpp`), `POST /operator/services/reload`.
[[nodiscard]] async::Task<void> answer_operator(
    net::http::Exchange exchange, OperatorContext& context);

}  // namespace decloud::node
