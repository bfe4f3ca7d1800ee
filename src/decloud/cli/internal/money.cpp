#include "money.hpp"

#include <decloud/client/deployments.hpp>
#include <decloud/client/http.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace decloud::cli::internal {

async::Task<std::map<Bytes32, Amount>> served_by_own_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::string socket) {
    std::map<Bytes32, Amount> out;
    client::OperatorClient node(http, std::move(socket));
    const auto status = co_await node.status();
    const auto rows = status ? json::array_member(*status, "channels") : Result<json::Array>{};
    if (!status || !rows) {
        co_return out;
    }
    for (const json::Value& row : *rows) {
        if (!row.is_object()) {
            continue;
        }
        const auto channel = json::string_member(row.get_object(), "channel");
        const auto spent = json::string_member(row.get_object(), "spent");
        const auto id = channel ? parse_bytes32(*channel) : Result<Bytes32>(fail(channel.error()));
        const auto amount = spent ? parse_amount(*spent) : Result<Amount>(fail(spent.error()));
        if (id && amount) {
            out[*id] = *amount;
        }
    }
    co_return out;
}

bool MoneyReport::running_low() const {
    return std::ranges::any_of(
        escrow.channels, [](const client::ChannelReport& row) { return row.running_low; });
}

std::string MoneyReport::name_of(const Address& provider) const {
    const auto found = names.find(provider);
    return found == names.end() ? to_string(provider) : found->second;
}

async::Task<Result<MoneyReport>> read_report(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Workspace& workspace,
    client::ChainSession& session,
    net::http::Client& http,
    Address account
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    MoneyReport report{.account = account, .escrow = {}, .names = {}};
    auto served = co_await served_by_own_node(http, workspace.home.operator_socket().string());
    CO_TRY(report.escrow, co_await client::read_escrow(
                              session, account, std::move(served), system_clock().unix_seconds()));
    std::set<std::string> known{workspace.config.provider.name};
    CO_TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    for (const auto& [name, function] : deployments.functions()) {
        for (const client::DeployedVersion& version : function.versions) {
            known.insert(version.providers.begin(), version.providers.end());
        }
    }
    for (const std::string& text : known) {
        const auto name = identity::ProviderName::parse(text);
        const auto provider = name ? co_await session.find_provider(*name)
                                   : Result<registry::Provider>(fail(name.error()));
        if (provider) {
            report.names[provider->address] = name->full();
        }
    }
    co_return report;
}

json::Object to_json(const MoneyReport& report) {
    json::Array channels;
    for (const client::ChannelReport& row : report.escrow.channels) {
        channels.emplace_back(json::Object{{"id", to_string(row.id)},
            {"provider", report.name_of(row.provider)}, {"address", to_string(row.provider)},
            {"price", to_string(row.price)}, {"reserved", to_string(row.reserved)},
            {"claimed", to_string(row.claimed)}, {"spent", to_string(row.spent)},
            {"calls", row.calls}, {"closeAt", row.close_at.value}, {"low", row.running_low}});
    }
    return {{"account", to_string(report.account)}, {"free", to_string(report.escrow.free)},
        {"channels", std::move(channels)}};
}

std::string to_text(const MoneyReport& report) {
    std::string text = fmt::format(
        "{}  {} USDC free\n", to_string(report.account), format_usdc(report.escrow.free));
    for (const client::ChannelReport& row : report.escrow.channels) {
        text += fmt::format("  {}  {} of {} USDC left at {} per call, {} claimed{}\n",
            report.name_of(row.provider), format_usdc(row.reserved.saturating_minus(row.spent)),
            format_usdc(row.reserved), format_usdc(row.price), format_usdc(row.claimed),
            row.close_at.value == 0 ? "" : ", closes " + format_utc(row.close_at));
    }
    return text;
}

void tell_running_low(const MoneyReport& report) {
    for (const client::ChannelReport& row : report.escrow.channels) {
        if (row.running_low) {
            tell(fmt::format("little is left for {0}\nhelp: decloud escrow increase {0} {1}",
                report.name_of(row.provider), format_usdc(row.reserved)));
        }
    }
}

}  // namespace decloud::cli::internal
