#include "own_id.hpp"

#include "known_node.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/promise_book.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace decloud::cli::internal {

namespace {

Outcome print(const Context& context, const client::OpenCloudId& own) {
    json::Array earlier;
    std::string text = own.id + "\n";
    for (const protocol::CredentialClaim& claim : own.earlier) {
        earlier.emplace_back(claim.id);
        text += "  follows " + claim.id + "\n";
    }
    context.print({{"id", own.id}, {"earlier", std::move(earlier)}}, text);
    return ExitCode::ok;
}

/// Only the key that promised can ask what is owed, and say that it pays.
Result<void> check_debts(const Context& context, const Workspace& workspace) {
    const std::filesystem::path file = workspace.home.promises_file();
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
        return {};
    }
    TRY(auto book,
        client::PromiseBook::open(file, workspace.config.spending.limits, context.clock()));
    TRY(const auto debts, book.debts());
    const auto open = std::ranges::find_if(debts, [](const client::OwnDebt& debt) {
        return !debt.owed().is_zero() || (!debt.told && !debt.signed_for.is_zero());
    });
    if (open != debts.end()) {
        return fail_with_help(ClientError::usage,
            fmt::format("{} has promises to {} that are not paid", open->key.id, open->node),
            "decloud daemon --once --all pays them; with --leave-debts nobody can");
    }
    return {};
}

}  // namespace

Outcome account_id(const Context& context) {
    TRY(const Workspace workspace, context.open());
    TRY(const client::OpenCloudId own, opencloud_id(context, workspace));
    return print(context, own);
}

Outcome account_rotate(const Context& context, bool leaves_debts) {
    TRY(const Workspace workspace, context.open());
    if (!leaves_debts) {
        TRY_VOID(check_debts(context, workspace));
    }
    TRY(identity::KeyStore keys, context.keys(workspace));
    TRY(const auto next, client::rotate_opencloud_id(keys, workspace.home.successions_file(),
                             context.clock().unix_seconds()));
    return print(context, next);
}

}  // namespace decloud::cli::internal
