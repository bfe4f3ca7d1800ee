#include "exposure.hpp"

#include <fmt/format.h>

#include <map>

namespace decloud::cli::internal {

namespace {

Amount sum(Amount a, Amount b) { return Amount(a.units() + b.units()); }

std::map<Address, Amount> by_provider(const MoneyReport& report) {
    std::map<Address, Amount> out;
    for (const client::ChannelReport& row : report.escrow.channels) {
        Amount& amount = out[row.provider];
        amount = sum(amount, at_risk(row));
    }
    return out;
}

Amount in_all(const std::map<Address, Amount>& parts) {
    Amount out;
    for (const auto& [provider, amount] : parts) {
        out = sum(out, amount);
    }
    return out;
}

std::string usdc(const json::Object& object, std::string_view member) {
    const auto text = json::string_member(object, member);
    const auto amount = text ? parse_amount(*text) : Result<Amount>(fail(text.error()));
    return amount ? format_usdc(*amount) : "?";
}

std::string rows_text(const json::Object& selling,
    std::string_view list,
    std::string_view name,
    const std::string& limit) {
    std::string text;
    const auto rows = json::array_member(selling, list);
    for (const json::Value& row : rows ? *rows : json::Array{}) {
        if (row.is_object()) {
            text += fmt::format("  {} of at most {}  {}\n", usdc(row.get_object(), "amount"), limit,
                json::string_member(row.get_object(), name).value_or("?"));
        }
    }
    return text;
}

std::string selling_text(const json::Object& selling) {
    const auto limits = json::object_member(selling, "limits");
    if (!limits) {
        return {};
    }
    return fmt::format("selling: {} of at most {} USDC served and not settled\n",
               usdc(selling, "node"), usdc(*limits, "node")) +
           fmt::format("  {} of it written off: of ended channels, or less than two rows of {}\n",
               usdc(selling, "writtenOff"), usdc(selling, "rowCost")) +
           rows_text(selling, "identities", "identity", usdc(*limits, "identity")) +
           rows_text(selling, "channels", "account", usdc(*limits, "channel"));
}

}  // namespace

Amount at_risk(const client::ChannelReport& channel) {
    return channel.reserved.saturating_minus(channel.spent);
}

json::Object to_json(const ExposureView& view) {
    json::Array channels;
    for (const client::ChannelReport& row : view.paying.escrow.channels) {
        channels.emplace_back(
            json::Object{{"id", to_string(row.id)}, {"provider", view.paying.name_of(row.provider)},
                {"atRisk", to_string(at_risk(row))}, {"closeAt", row.close_at.value}});
    }
    const auto parts = by_provider(view.paying);
    json::Array providers;
    for (const auto& [provider, amount] : parts) {
        providers.emplace_back(json::Object{{"provider", view.paying.name_of(provider)},
            {"address", to_string(provider)}, {"atRisk", to_string(amount)}});
    }
    json::Object paying{{"account", to_string(view.paying.account)},
        {"atRisk", to_string(in_all(parts))}, {"providers", std::move(providers)},
        {"channels", std::move(channels)}};
    json::Object out{{"paying", std::move(paying)}};
    if (view.selling) {
        out["selling"] = *view.selling;
    }
    return out;
}

std::string to_text(const ExposureView& view) {
    const auto parts = by_provider(view.paying);
    std::string text =
        fmt::format("paying: {} USDC reserved and not spent\n", format_usdc(in_all(parts)));
    for (const auto& [provider, amount] : parts) {
        text += fmt::format("  {}  {}\n", format_usdc(amount), view.paying.name_of(provider));
        for (const client::ChannelReport& row : view.paying.escrow.channels) {
            if (row.provider == provider) {
                text += fmt::format("    {}  {}{}\n", format_usdc(at_risk(row)), to_string(row.id),
                    row.close_at.value == 0 ? "" : ", closes " + format_utc(row.close_at));
            }
        }
    }
    return view.selling ? text + selling_text(*view.selling) : text;
}

}  // namespace decloud::cli::internal
