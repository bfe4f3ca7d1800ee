#include "operator_api.hpp"

#include "content_upkeep.hpp"
#include "exposure.hpp"
#include "public_content.hpp"

#include <decloud/base/json.hpp>
#include <decloud/pipeline/pipeline.hpp>
#include <decloud/services/payment/payment_service.hpp>

#include <utility>

namespace decloud::node {

namespace {

async::Task<void> send_object(net::http::Exchange exchange, json::Object body) {
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    (void)co_await exchange.send(std::move(head), json::to_text(body) + "\n");
}

json::Object chain_json(const chain::ChainStatus& status) {
    json::Object out;
    out["ready"] = status.ready;
    out["reason"] = status.reason;
    out["head"] = status.head;
    out["finalized"] = status.finalized;
    return out;
}

json::Object payer_json(const payments::PayerView& view) {
    json::Object out;
    out["account"] = view.payer.text;
    out["payer"] = view.chain.owner;
    if (const auto channel = payments::parse_channel_account(view.payer)) {
        out["channel"] = to_string(*channel);
    }
    out["asset"] = view.chain.asset.text;
    out["price"] = to_string(view.chain.price);
    out["reserved"] = to_string(view.chain.reserved);
    out["claimed"] = to_string(view.chain.claimed_on_chain);
    out["spent"] = to_string(view.spent.amount);
    out["calls"] = view.spent.calls;
    out["held"] = to_string(view.held);
    if (!view.chain.signer.is_zero()) {
        out["signer"] = to_string(view.chain.signer);
        out["accepted"] = to_string(view.voucher ? view.voucher->cumulative : Amount());
    }
    out["spendable"] = to_string(view.spendable);
    out["closing"] = view.chain.closing;
    out["final"] = view.chain.is_final;
    if (view.stopped) {
        out["stopped"] = *view.stopped;
    }
    return out;
}

json::Object status_json(const OperatorContext& context) {
    json::Object provider;
    provider["name"] = context.settings.provider_name;
    provider["address"] = to_string(context.settings.provider);
    provider["url"] = context.settings.public_url;
    json::Array channels;
    for (const payments::PayerView& view : context.ledger.payers()) {
        channels.emplace_back(payer_json(view));
    }
    json::Object exposure;
    const auto all = context.ledger.exposure();
    if (const auto found = all.find(context.asset); found != all.end()) {
        exposure["amount"] = to_string(found->second.amount);
        exposure["limit"] = to_string(found->second.limit);
    }
    json::Object trials;
    trials["calls_per_identity"] = context.trials.rules().calls_per_identity;
    trials["calls_per_day"] = context.trials.rules().calls_per_day;
    trials["used_today"] = context.trials.used_today();
    const payments::LedgerRecovery& recovery = context.ledger.recovery();
    json::Object recovered;
    recovered["log_records"] = recovery.log_records;
    recovered["bytes_cut"] = recovery.bytes_cut;
    recovered["held_released"] = recovery.held_released;
    recovered["served_released"] = recovery.served_released;
    recovered["amount_released"] = to_string(recovery.amount_released);
    json::Object body;
    body["provider"] = std::move(provider);
    body["chain"] = chain_json(context.head.status());
    body["price"] = to_string(context.settings.price);
    body["channels"] = std::move(channels);
    body["exposure"] = std::move(exposure);
    body["trials"] = std::move(trials);
    body["recovery"] = std::move(recovered);
    return body;
}

async::Task<void> answer_settle(net::http::Exchange exchange, OperatorContext& context) {
    const auto settled = co_await context.settler.flush(exchange.hang_up());
    if (!settled) {
        auto problem =
            protocol::refuse(503, protocol::Status::server_error, settled.error().message(),
                "decloud status shows the chain; nothing is lost, it is tried again");
        co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(problem.error()));
        co_return;
    }
    json::Object body;
    body["rows"] = settled->rows;
    body["amount"] = to_string(settled->amount);
    body["block"] = settled->block;
    co_await send_object(std::move(exchange), std::move(body));
}

json::Object debts_json(payments::Debts& debts) {
    json::Array all;
    for (const payments::Debt& debt : debts.list()) {
        all.emplace_back(services::debt_json(debt));
    }
    return {{"debts", std::move(all)}};
}

async::Task<void> forgive_debt(net::http::Exchange exchange, OperatorContext& context) {
    auto forgiven = co_await context.debts.forgive(query_value(exchange.request().query(), "id"));
    if (!forgiven) {
        co_await pipeline::Pipeline::send_problem(
            std::move(exchange), protocol::problem_from(forgiven.error()));
        co_return;
    }
    co_await send_object(std::move(exchange), services::debt_json(*forgiven));
}

json::Object reload_services(DeclaredServices& declared) {
    const DeclaredServices::Loaded loaded = declared.reload();
    return {{"services", json::Array(loaded.names.begin(), loaded.names.end())},
        {"errors", json::Array(loaded.errors.begin(), loaded.errors.end())}};
}

}  // namespace

async::Task<void> answer_operator(net::http::Exchange exchange, OperatorContext& context) {
    const std::string path(exchange.request().path());
    const bool is_post = exchange.request().method == "POST";
    if (path == "/operator/status" && !is_post) {
        co_await send_object(std::move(exchange), status_json(context));
    } else if (path == "/operator/exposure" && !is_post) {
        const Amount row_cost = context.settings.thresholds.row_cost;
        co_await send_object(std::move(exchange),
            exposure_json(measure_exposure(context.ledger, context.asset, row_cost),
                context.settings.exposure, context.asset, row_cost));
    } else if (path == "/operator/debts" && !is_post) {
        co_await send_object(std::move(exchange), debts_json(context.debts));
    } else if (path == "/operator/debts/forgive" && is_post) {
        co_await forgive_debt(std::move(exchange), context);
    } else if (path == "/operator/settle" && is_post) {
        co_await answer_settle(std::move(exchange), context);
    } else if (path == "/operator/services/reload" && is_post) {
        co_await send_object(std::move(exchange), reload_services(context.declared));
    } else if (path == "/operator/content/import" && is_post) {
        co_await import_content(std::move(exchange), context.content);
    } else if (path == "/operator/content/add" && is_post) {
        co_await add_file(std::move(exchange), context.content);
    } else if (path == "/operator/content/record" && is_post) {
        co_await keep_record(
            std::move(exchange), context.ipns_records, context.content.pool, context.clock);
    } else if (path == "/operator/content/publish" && is_post) {
        co_await publish_name(std::move(exchange), context.ipns_publisher, context.content.pool);
    } else if (path == "/operator/content/unpublish" && is_post) {
        co_await withdraw_name(std::move(exchange), context.ipns_publisher, context.content.pool);
    } else if (path == "/operator/content/export" && !is_post) {
        co_await export_content(std::move(exchange), context.content);
    } else if (path == "/operator/content/file" && !is_post) {
        co_await send_file(std::move(exchange), context.content);
    } else if (path == "/operator/content/list" && !is_post) {
        co_await list_content(std::move(exchange), context.content);
    } else if (path == "/operator/content/pin" && is_post) {
        co_await pin_content(std::move(exchange), context.content);
    } else if (path == "/operator/content/unpin" && is_post) {
        co_await unpin_content(std::move(exchange), context.content);
    } else if (path == "/operator/content/collect" && is_post) {
        co_await collect_content(std::move(exchange), context.content, context.blocks);
    } else if (path == "/operator/content/verify" && !is_post) {
        co_await verify_content(std::move(exchange), context.content, context.blocks);
    } else {
        co_await pipeline::Pipeline::send_problem(std::move(exchange),
            protocol::refuse(404, protocol::Status::bad_request, "no such operator verb: " + path)
                .error());
    }
}

}  // namespace decloud::node
