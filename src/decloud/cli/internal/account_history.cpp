#include "account_history.hpp"

#include <decloud/client/account_history.hpp>
#include <decloud/client/spending.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::cli::internal {

namespace {

json::Object to_json(const client::ChainMovement& row) {
    json::Object out{{"block", row.block}, {"transaction", to_string(row.transaction)},
        {"what", row.what}, {"amount", to_string(row.amount)}};
    if (!row.channel.is_zero()) {
        out["channel"] = to_string(row.channel);
    }
    if (!row.other.is_zero()) {
        out["other"] = to_string(row.other);
    }
    return out;
}

json::Object to_json(const client::PaymentRecord& row) {
    json::Object out{{"id", row.id}, {"time", format_utc(row.time)}, {"method", row.payment.method},
        {"resource", row.payment.resource}, {"provider", row.payment.provider},
        {"payTo", to_string(row.payment.pay_to)}, {"asset", row.payment.asset},
        {"booked", to_string(row.payment.amount)}, {"state", client::to_string(row.state)}};
    if (row.taken) {
        out["taken"] = to_string(*row.taken);
    }
    if (row.transaction) {
        out["transaction"] = to_string(*row.transaction);
    }
    if (!row.receipt.empty()) {
        out["receipt"] = row.receipt;
    }
    if (!row.note.empty()) {
        out["note"] = row.note;
    }
    return out;
}

void print(const Context& context, const Address& account, const client::AccountHistory& history) {
    json::Array movements;
    json::Array payments;
    json::Array unconfirmed;
    std::string text;
    for (const client::ChainMovement& row : history.movements) {
        movements.emplace_back(to_json(row));
        text += fmt::format("block {:<8} {:<9} {:>12} USDC  {}\n", row.block, row.what,
            format_usdc(row.amount), row.other.is_zero() ? "" : to_string(row.other));
    }
    for (const client::PaymentRecord& row : history.payments) {
        payments.emplace_back(to_json(row));
        text += fmt::format("{}  {:<9} {:>12} USDC  {} {}{}\n", format_utc(row.time),
            client::to_string(row.state), format_usdc(row.taken.value_or(row.payment.amount)),
            row.payment.method, row.payment.resource,
            row.receipt.empty() ? "" : "  " + row.receipt);
    }
    for (const std::int64_t id : history.unconfirmed) {
        unconfirmed.emplace_back(id);
    }
    text += fmt::format("at block {}: {} USDC of its own, {} free in the escrow\n", history.block,
        format_usdc(history.token_on_chain), format_usdc(history.free_on_chain));
    context.print(
        {{"account", to_string(account)}, {"block", history.block},
            {"movements", std::move(movements)}, {"payments", std::move(payments)},
            {"unconfirmed", std::move(unconfirmed)}, {"token", to_string(history.token)},
            {"free", to_string(history.free)}, {"tokenOnChain", to_string(history.token_on_chain)},
            {"freeOnChain", to_string(history.free_on_chain)}, {"exact", history.exact()}},
        text);
}

}  // namespace

Outcome account_history(const Context& context) {
    TRY(const Workspace workspace, context.open());
    TRY(const Address account, context.account_address(workspace));
    TRY(auto book, client::SpendingBook::open(workspace.home.spending_file(),
                       workspace.config.spending.limits, system_clock()));
    return run([&](async::Executor executor) {
        return with_chain(executor, workspace.config.chain,
            [&](client::ChainSession& session) -> async::Task<Outcome> {
                CO_TRY(const client::AccountHistory history,
                    co_await client::read_history(session, book, account));
                print(context, account, history);
                if (!history.exact()) {
                    co_return fail(CommonError::conflict,
                        "what the events add up to is not what the contracts say");
                }
                co_return ExitCode::ok;
            });
    });
}

}  // namespace decloud::cli::internal
