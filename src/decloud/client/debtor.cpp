#include "debtor.hpp"

#include "call.hpp"
#include "error.hpp"
#include "http.hpp"

#include <decloud/base/encoding.hpp>

#include <utility>

namespace decloud::client {

namespace {

constexpr std::size_t kMaxAnswer = 64 * kKiB;
/// No payment of ours can be taken for longer.
constexpr std::uint64_t kPaymentLifeSeconds = 600;

/// Nothing was taken: nobody was reached, a limit of ours forbade it, or it was refused.
bool is_certain(const Error& error) {
    return never_arrived(error) || error == make_error_code(ClientError::payment) ||
           error == make_error_code(ClientError::not_authorised) ||
           error == make_error_code(CommonError::invalid_input);
}

Result<Amount> amount_in(const json::Object& object, const char* member) {
    TRY(const std::string text, json::string_member(object, member));
    return parse_amount(text);
}

Result<OwnDebt> read_debt(OwnDebt known, const json::Object& answer, const Clock& clock) {
    TRY(const json::Array debts, json::array_member(answer, "debts"));
    for (const json::Value& each : debts) {
        const json::Object row = each.is_object() ? each.as_object() : json::Object();
        TRY(const std::string currency, json::string_member(row, "currency"));
        if (currency != known.key.currency.text) {
            continue;
        }
        TRY(known.promised, amount_in(row, "promised"));
        TRY(known.paid, amount_in(row, "paid"));
        TRY(known.kept, json::uint_member(row, "kept"));
        TRY(known.broken, json::uint_member(row, "broken"));
        known.due.reset();
        if (row.contains("due")) {
            TRY(const std::uint64_t due, json::uint_member(row, "due"));
            known.due = UnixSeconds{due};
        }
        known.told = clock.unix_seconds();
        return known;
    }
    return fail(CommonError::invalid_input,
        "the node says nothing about debts in " + known.key.currency.text);
}

}  // namespace

async::Task<Result<Debtor::Told>> Debtor::post(KnownNode node,
    std::string target,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Payer& payer) {
    PayableRequest request;
    request.method = "POST";
    CO_TRY(request.routes, node.routes(target));
    request.provider = node.provider;
    CO_TRY(auto key, crypto::Ed25519PrivateKey::from_seed(seed_.view()));
    request.signer = std::make_shared<RequestSigner>(std::move(key), node.facts.audience, clock_);
    Bytes body;
    CO_TRY(const Answer answer, co_await call(payer, request, collect_into(body, kMaxAnswer)));
    const std::string type(answer.head().headers.find("Content-Type").value_or(""));
    if (answer.status() >= 300) {
        const auto& reason = answer.not_paid();
        co_return fail(reason ? *reason : remote_error(answer.status(), type, body));
    }
    CO_TRY_VOID(check_answer_of(
        node.facts, request, answer, crypto::sha256(BytesView()), crypto::sha256(body)));
    CO_TRY(const json::Value value, json::parse(as_text(body), {.max_bytes = kMaxAnswer}));
    co_return Told{
        .receipt = std::string(answer.head().headers.find("X-Decloud-Receipt").value_or("")),
        .body = value.is_object() ? value.as_object() : json::Object()};
}

Result<void> Debtor::check(const KnownNode& node, const OwnDebt& debt) {
    if (node.facts.audience != debt.key.provider) {
        return fail(CommonError::invalid_input, debt.node + " is " + node.facts.audience +
                                                    " now, and the debt is with " +
                                                    debt.key.provider);
    }
    if (!node.facts.delegation_epoch) {
        return fail_with_help(ClientError::not_authorised,
            debt.node + " does not prove that it answers for " + debt.key.provider,
            "its operator runs decloud provider register");
    }
    return {};
}

async::Task<Result<OwnDebt>> Debtor::ask(KnownNode node, OwnDebt debt) {
    CO_TRY_VOID(check(node, debt));
    Payer nobody(client_, {});
    CO_TRY(const Told told, co_await post(std::move(node), "/oc/v1/payment/debts", nobody));
    CO_TRY(OwnDebt now, read_debt(std::move(debt), told.body, clock_));
    CO_TRY_VOID(book_.note(now));
    co_return now;
}

async::Task<Result<std::string>> Debtor::repay(KnownNode node,
    OwnDebt debt,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Payer& payer) {
    CO_TRY_VOID(check(node, debt));
    const Amount amount = debt.owed();
    const std::string target =
        "/oc/v1/payment/repay?arg=" + percent_encode(debt.key.currency.text) +
        "&arg=" + to_string(amount) + "&arg=" + to_string(debt.paid);
    CO_TRY_VOID(book_.attempt(
        debt.key, amount, debt.paid, {clock_.unix_seconds().value + kPaymentLifeSeconds}));
    auto told = co_await post(std::move(node), target, payer);
    if (!told) {
        if (is_certain(told.error())) {
            CO_TRY_VOID(book_.withdraw(debt.key, amount));
        }
        co_return fail(std::move(told.error()));
    }
    debt.paid = debt.promised;
    debt.due.reset();
    CO_TRY_VOID(book_.note(debt));
    co_return std::move(told->receipt);
}

}  // namespace decloud::client
