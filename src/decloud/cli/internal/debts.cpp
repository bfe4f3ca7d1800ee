#include "debts.hpp"

#include "known_node.hpp"
#include "paying.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::cli::internal {

namespace {

/// So that one node that takes its time keeps no promise to another from being kept.
constexpr std::chrono::seconds kAskWithin{30};
constexpr std::chrono::seconds kPayWithin{120};

/// The node of a debt, and what it says.
struct Asked {
    client::KnownNode node;
    client::OwnDebt debt;
};

async::Task<Result<Asked>> ask_node_of(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    DebtWork& work,
    client::OwnDebt debt,
    bool with_provider) {
    CO_TRY(client::KnownNode node,
        co_await find_node(work.workspace, work.http, work.session, debt.node, with_provider));
    client::Debtor debtor(work.http, work.book, work.seed, work.context.clock());
    CO_TRY(client::OwnDebt now, co_await debtor.ask(node, std::move(debt)));
    co_return Asked{std::move(node), std::move(now)};
}

bool is_to_be_paid(const client::OwnDebt& debt, UnixSeconds now, std::chrono::seconds ahead) {
    const auto margin = static_cast<std::uint64_t>(ahead.count());
    return !debt.owed().is_zero() &&
           (debt.owed() >= debt.threshold || !debt.due || debt.due->value <= now.value + margin);
}

async::Task<Result<std::string>> pay(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    DebtWork& work,
    Asked asked) {
    // The sum of calls that were each within their limit; those of a day hold.
    CO_TRY(const std::unique_ptr<Purse> purse, open_purse(work.context, work.workspace,
                                                   {.max_price = format_usdc(asked.debt.owed()),
                                                       .max_per_provider = {},
                                                       .max_per_day = {}}));
    client::Payer payer(work.http, payment_strategies(work.http, work.session, *purse));
    client::Debtor debtor(work.http, work.book, work.seed, work.context.clock());
    co_return co_await debtor.repay(std::move(asked.node), std::move(asked.debt), payer);
}

json::Array list_json(const std::vector<AskedDebt>& debts) {
    json::Array out;
    for (const AskedDebt& each : debts) {
        json::Object row = to_json(each.debt);
        if (each.problem) {
            row["problem"] = each.problem->message();
        }
        out.emplace_back(std::move(row));
    }
    return out;
}

std::string credit_text(const json::Object& row) {
    const auto member = [&row](const char* name) {
        const auto text = json::string_member(row, name);
        const auto amount = text ? parse_amount(*text) : Result<Amount>(fail(text.error()));
        return amount ? format_usdc(*amount) : std::string("?");
    };
    return fmt::format("{} owes you {} USDC: promised {}, paid {}\n",
        json::string_member(row, "id").value_or("?"), member("owed"), member("promised"),
        member("paid"));
}

void print_debts(
    const Context& context, const std::vector<AskedDebt>& debts, const json::Array& credits) {
    std::string text;
    for (const AskedDebt& each : debts) {
        text += to_text(each.debt) + "\n";
        if (each.problem) {
            text += "  as of before: " + each.problem->message() + "\n";
        }
    }
    for (const json::Value& row : credits) {
        text += row.is_object() ? credit_text(row.as_object()) : std::string();
    }
    if (text.empty()) {
        text = "nobody owes anything\n";
    }
    text.pop_back();
    context.print({{"debts", list_json(debts)}, {"credits", credits}}, text);
}

/// What the home's own node is owed; nothing if none runs.
async::Task<json::Array> ask_credits(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Workspace& workspace,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    client::OperatorClient node(http, workspace.home.operator_socket().string());
    const auto told = co_await node.debts();
    const auto rows = told ? json::array_member(*told, "debts") : json::Array();
    co_return rows.value_or(json::Array());
}

}  // namespace

json::Object to_json(const client::OwnDebt& debt) {
    json::Object out{{"provider", debt.key.provider}, {"node", debt.node}, {"id", debt.key.id},
        {"currency", debt.key.currency.text}, {"signed", to_string(debt.signed_for)},
        {"promised", to_string(debt.promised)}, {"paid", to_string(debt.paid)},
        {"owed", to_string(debt.owed())}, {"threshold", to_string(debt.threshold)},
        {"kept", debt.kept}, {"broken", debt.broken}};
    if (debt.due) {
        out["due"] = debt.due->value;
    }
    if (debt.told) {
        out["told"] = debt.told->value;
    }
    return out;
}

std::string to_text(const client::OwnDebt& debt) {
    std::string text = fmt::format("you owe {} {} USDC: promised {}, paid {}", debt.node,
        format_usdc(debt.owed()), format_usdc(debt.promised), format_usdc(debt.paid));
    if (debt.due) {
        text += fmt::format("; due {}", debt.due->value);
    }
    if (debt.broken > 0) {
        text += fmt::format("; {} promises were broken", debt.broken);
    }
    return text;
}

async::Task<Result<std::vector<AskedDebt>>> ask_debts(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    DebtWork& work) {
    CO_TRY(const std::vector<client::OwnDebt> known, work.book.debts());
    std::vector<AskedDebt> out;
    for (const client::OwnDebt& debt : known) {
        auto asked = co_await async::with_timeout(kAskWithin, ask_node_of(work, debt, false));
        out.push_back(asked ? AskedDebt{std::move(asked->debt), std::nullopt}
                            : AskedDebt{debt, std::move(asked.error())});
    }
    co_return out;
}

async::Task<Result<std::vector<KeptPromise>>> keep_promises(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    DebtWork& work,
    std::chrono::seconds ahead) {
    CO_TRY(const std::vector<client::OwnDebt> known, work.book.debts());
    std::vector<KeptPromise> out;
    for (const client::OwnDebt& debt : known) {
        if (debt.signed_for == debt.paid) {
            continue;
        }
        auto asked = co_await async::with_timeout(kAskWithin, ask_node_of(work, debt, true));
        if (!asked) {
            out.push_back({debt, {}, {}, std::move(asked.error())});
            continue;
        }
        const client::OwnDebt now = asked->debt;
        if (!is_to_be_paid(now, work.context.clock().unix_seconds(), ahead)) {
            continue;
        }
        auto receipt = co_await async::with_timeout(kPayWithin, pay(work, std::move(*asked)));
        out.push_back(receipt ? KeptPromise{now, now.owed(), std::move(*receipt), std::nullopt}
                              : KeptPromise{now, {}, {}, std::move(receipt.error())});
    }
    co_return out;
}

Outcome account_debts(const Context& context, bool offline) {
    TRY(Workspace workspace, context.open());
    TRY(auto book, client::PromiseBook::open(workspace.home.promises_file(),
                       workspace.config.spending.limits, context.clock()));
    TRY(client::OpenCloudId id, opencloud_id(context, workspace));
    TRY(const std::vector<client::OwnDebt> known, book.debts());
    const bool asks = !offline && !known.empty();
    return run([&](async::Executor executor) {
        const auto tell = [&, executor](client::ChainSession* session) {
            return with_http(
                executor, [&, executor, session](net::http::Client& http) -> async::Task<Outcome> {
                    const json::Array credits = co_await ask_credits(workspace, http);
                    std::vector<AskedDebt> debts;
                    debts.reserve(known.size());
                    for (const client::OwnDebt& debt : known) {
                        debts.push_back({debt, std::nullopt});
                    }
                    if (asks) {
                        DebtWork work{context, workspace, std::move(book), std::move(id.seed),
                            executor, http, session};
                        CO_TRY(debts, co_await ask_debts(work));
                    }
                    print_debts(context, debts, credits);
                    co_return ExitCode::ok;
                });
        };
        if (!asks) {
            return tell(nullptr);
        }
        return with_chain(executor, workspace.config.chain,
            [tell](client::ChainSession& session) { return tell(&session); });
    });
}

}  // namespace decloud::cli::internal
