#include "exposure.hpp"

#include <algorithm>

namespace decloud::node {

namespace {

/// Of one answer; the rest is in the sums.
constexpr std::size_t kMostRows = 1000;

constexpr std::string_view kLimitName = "decloud_exposure_limit_units";
constexpr std::string_view kLimitHelp =
    "What may be finished or running and not yet on the final chain, in the token's smallest unit.";
constexpr std::string_view kLargestName = "decloud_exposure_largest_units";
constexpr std::string_view kLargestHelp =
    "The largest exposure of one channel and of one identity, in the token's smallest unit.";

Amount sum(Amount a, Amount b) { return Amount(a.units() + b.units()); }

double units(Amount amount) { return static_cast<double>(amount.units()); }

}  // namespace

ExposureReport measure_exposure(
    const payments::Ledger& ledger, const AssetId& asset, Amount row_cost) {
    ExposureReport report;
    for (const payments::PayerView& view : ledger.payers()) {
        const Amount unclaimed = view.spent.amount.saturating_minus(view.chain.claimed_on_chain);
        const Amount amount = sum(unclaimed, view.held);
        if (view.chain.asset != asset || amount.is_zero()) {
            continue;
        }
        report.channels.push_back({view.payer.text, view.chain.owner, amount});
        Amount& identity = report.identities[view.chain.owner];
        identity = sum(identity, amount);
        report.node = sum(report.node, amount);
        if (view.chain.is_final ||
            (view.chain.closing && !payments::is_worth_claiming(unclaimed, row_cost))) {
            report.written_off = sum(report.written_off, unclaimed);
        }
    }
    std::ranges::sort(report.channels, std::ranges::greater(), &ExposureReport::Channel::amount);
    return report;
}

json::Object exposure_limits_json(const ExposureLimits& limits) {
    return {{"channel", to_string(limits.channel)}, {"identity", to_string(limits.identity)},
        {"node", to_string(limits.node)}};
}

json::Object exposure_json(const ExposureReport& report,
    const ExposureLimits& limits,
    const AssetId& asset,
    Amount row_cost) {
    json::Array channels;
    for (const ExposureReport::Channel& row : report.channels) {
        if (channels.size() == kMostRows) {
            break;
        }
        channels.emplace_back(json::Object{{"account", row.account}, {"identity", row.identity},
            {"amount", to_string(row.amount)}});
    }
    std::vector<std::pair<std::string, Amount>> sorted(
        report.identities.begin(), report.identities.end());
    std::ranges::sort(sorted, std::ranges::greater(), &std::pair<std::string, Amount>::second);
    sorted.resize(std::min(sorted.size(), kMostRows));
    json::Array identities;
    for (const auto& [identity, amount] : sorted) {
        identities.emplace_back(
            json::Object{{"identity", identity}, {"amount", to_string(amount)}});
    }
    return {{"asset", asset.text}, {"node", to_string(report.node)},
        {"writtenOff", to_string(report.written_off)}, {"rowCost", to_string(row_cost)},
        {"limits", exposure_limits_json(limits)}, {"channels", std::move(channels)},
        {"identities", std::move(identities)}};
}

ExposureGauges::ExposureGauges(metrics::Registry& registry, const ExposureLimits& limits)
    : largest_channel_(registry.gauge(kLargestName, kLargestHelp, {{"of", "channel"}})),
      largest_identity_(registry.gauge(kLargestName, kLargestHelp, {{"of", "identity"}})),
      written_off_(registry.gauge("decloud_written_off_units",
          "Served and never to be claimed, as the channel has ended or a row costs more than half "
          "of it; part of the exposure.",
          {})) {
    registry.gauge(kLimitName, kLimitHelp, {{"of", "channel"}}).set(units(limits.channel));
    registry.gauge(kLimitName, kLimitHelp, {{"of", "identity"}}).set(units(limits.identity));
    registry.gauge(kLimitName, kLimitHelp, {{"of", "node"}}).set(units(limits.node));
}

void ExposureGauges::set(const ExposureReport& report) {
    Amount identity;
    for (const auto& [name, amount] : report.identities) {
        identity = std::max(identity, amount);
    }
    largest_channel_.set(report.channels.empty() ? 0 : units(report.channels.front().amount));
    largest_identity_.set(units(identity));
    written_off_.set(units(report.written_off));
}

}  // namespace decloud::node
