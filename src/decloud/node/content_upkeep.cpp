#include "content_upkeep.hpp"

#include "node_content.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/content/disk_store.hpp>
#include <decloud/content/tree_review.hpp>
#include <decloud/pipeline/pipeline.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace decloud::node {

namespace {

using net::http::Exchange;

constexpr std::size_t kVerifiedInOneStep = 256;
/// Of damaged or missing blocks, in one answer.
constexpr std::size_t kMostNamed = 10'000;

std::string value_of(const Exchange& exchange, std::string_view name) {
    return query_value(exchange.request().query(), name);
}

async::Task<void> send_object(Exchange exchange, json::Object body) {
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    (void)co_await exchange.send(std::move(head), json::to_text(body) + "\n");
}

/// The operator asks, who may know what a stranger is not told.
async::Task<void> send_error(Exchange exchange, Error error) {
    auto problem = protocol::problem_from(error);
    problem.detail = error.message();
    co_await pipeline::Pipeline::send_problem(std::move(exchange), std::move(problem));
}

async::Task<Result<json::Object>> pin_tree(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    services::ContentContext& context,
    content::Cid root,
    std::string reason) {
    content::TreeReview tree(context.blocks, root);
    for (;;) {
        CO_TRY(const bool more,
            co_await async::offload(context.pool, [&tree] { return tree.step(); }));
        if (!more) {
            break;
        }
    }
    const content::Pin pin{.root = root,
        .owner = "operator",
        .reason = reason.empty() ? "user" : std::move(reason),
        .bytes = tree.bytes(),
        .created = context.clock.unix_seconds(),
        .expires = {}};
    CO_TRY_VOID(
        co_await async::offload(context.pool, [&context, &pin] { return context.pins.pin(pin); }));
    json::Object body;
    body["cid"] = root.to_string();
    body["blocks"] = tree.blocks();
    body["bytes"] = tree.bytes();
    co_return body;
}

json::Array names_of(const std::vector<content::Cid>& cids) {
    json::Array out;
    for (const content::Cid& cid : cids) {
        if (out.size() == kMostNamed) {
            break;
        }
        out.emplace_back(cid.to_string());
    }
    return out;
}

json::Object collected_json(const content::GarbageResult& collected) {
    json::Object body;
    body["blocks"] = collected.blocks_removed;
    body["bytes"] = collected.bytes_removed;
    body["freed"] = collected.bytes_freed_on_disk;
    body["missing"] = names_of(collected.missing);
    return body;
}

void add_damaged(json::Array& out, const content::ManagedBlockStore::Verified& verified) {
    for (const auto& damaged : verified.damaged) {
        if (out.size() == kMostNamed) {
            return;
        }
        json::Object row;
        row["cid"] = damaged.cid.to_string();
        if (damaged.segment != 0) {
            row["segment"] = content::segment_file(damaged.segment).string();
            row["offset"] = damaged.offset;
        }
        out.emplace_back(std::move(row));
    }
}

/// Begins an answer whose JSON comes when it is there.
async::Task<bool> start_waiting(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Exchange& exchange) {
    net::http::ResponseHead head;
    head.headers.add("Content-Type", "application/json");
    co_return (co_await exchange.start(std::move(head))).has_value();
}

async::Task<bool> go_on_waiting(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Exchange& exchange) {
    const Bytes blank = to_bytes(" ");
    co_return (co_await exchange.write(blank)).has_value();
}

/// What went wrong after the head is a member.
async::Task<void> end_waiting(Exchange exchange, Result<json::Object> result) {
    const json::Object body =
        result ? std::move(*result) : json::Object{{"error", result.error().message()}};
    const Bytes text = to_bytes(json::to_text(body) + "\n");
    if (co_await exchange.write(text)) {
        (void)co_await exchange.finish();
    }
}

}  // namespace

async::Task<void> pin_content(Exchange exchange, services::ContentContext& context) {
    auto cid = content::Cid::parse(value_of(exchange, "cid"));
    if (!cid) {
        co_await send_error(std::move(exchange), std::move(cid.error()));
        co_return;
    }
    auto pinned = co_await pin_tree(context, std::move(*cid), value_of(exchange, "reason"));
    if (!pinned) {
        co_await send_error(std::move(exchange), std::move(pinned.error()));
        co_return;
    }
    co_await send_object(std::move(exchange), std::move(*pinned));
}

async::Task<void> unpin_content(Exchange exchange, services::ContentContext& context) {
    auto cid = content::Cid::parse(value_of(exchange, "cid"));
    if (!cid) {
        co_await send_error(std::move(exchange), std::move(cid.error()));
        co_return;
    }
    std::string owner = value_of(exchange, "owner");
    if (owner.empty()) {
        owner = "operator";
    }
    const std::string reason = value_of(exchange, "reason");
    const auto removed = co_await async::offload(
        context.pool, [&] { return context.pins.unpin(*cid, owner, reason); });
    if (!removed) {
        co_await send_error(std::move(exchange), removed.error());
        co_return;
    }
    if (*removed == 0) {
        co_await send_error(std::move(exchange),
            Error(CommonError::not_found, cid->to_string() + " is not pinned by " + owner));
        co_return;
    }
    json::Object body;
    body["cid"] = cid->to_string();
    body["removed"] = *removed;
    co_await send_object(std::move(exchange), std::move(body));
}

async::Task<void> collect_content(
    Exchange exchange, services::ContentContext& context, content::ManagedBlockStore& store) {
    const std::string text = value_of(exchange, "min_age");
    std::uint32_t seconds = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (text.empty() || wrong != std::errc() || end != text.data() + text.size()) {
        co_await send_error(std::move(exchange),
            Error(CommonError::invalid_input, "min_age is a number of seconds"));
        co_return;
    }
    if (!co_await start_waiting(exchange)) {
        co_return;
    }
    const auto collected =
        co_await services::collect_garbage(context, store, std::chrono::seconds(seconds),
            [&exchange](const content::GarbageResult&) { return go_on_waiting(exchange); });
    co_await end_waiting(std::move(exchange),
        collected ? Result<json::Object>(collected_json(*collected)) : fail(collected.error()));
}

async::Task<void> verify_content(
    Exchange exchange, services::ContentContext& context, const content::ManagedBlockStore& store) {
    if (!co_await start_waiting(exchange)) {
        co_return;
    }
    content::ManagedBlockStore::Verified all;
    json::Array damaged;
    std::uint64_t count = 0;
    for (;;) {
        auto some = co_await async::offload(context.pool,
            [&store, &all] { return store.verify_some(all.last, kVerifiedInOneStep); });
        if (!some) {
            co_await end_waiting(std::move(exchange), fail(std::move(some.error())));
            co_return;
        }
        if (!some->last) {
            break;
        }
        all.blocks += some->blocks;
        all.bytes += some->bytes;
        all.last = std::move(some->last);
        count += some->damaged.size();
        add_damaged(damaged, *some);
        if (!co_await go_on_waiting(exchange)) {
            co_return;
        }
    }
    json::Object body;
    body["blocks"] = all.blocks;
    body["bytes"] = all.bytes;
    body["damaged_blocks"] = count;
    body["damaged"] = std::move(damaged);
    co_await end_waiting(std::move(exchange), std::move(body));
}

async::Task<void> review_content(
    services::ContentContext& context, content::ManagedBlockStore& store) {
    if (const auto reviewed = co_await services::review_pins(context); !reviewed) {
        log::warning("node", "pins could not be reviewed: {}", reviewed.error().message());
        co_return;
    }
    const auto collected = co_await services::collect_garbage(context, store);
    if (!collected) {
        log::warning("node", "space could not be freed: {}", collected.error().message());
        co_return;
    }
    for (const content::Cid& cid : collected->missing) {
        log::warning("node", "pinned content is damaged or missing: {}", cid.to_string());
    }
    if (collected->blocks_removed > 0) {
        log::info("node", "removed {} blocks, {} bytes, that nothing pins",
            collected->blocks_removed, collected->bytes_removed);
    }
}

}  // namespace decloud::node
