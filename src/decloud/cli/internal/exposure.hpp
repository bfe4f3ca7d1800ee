#pragma once

#include "money.hpp"

#include <optional>
#include <string>

namespace decloud::cli::internal {

/// What a payer could lose to each provider, and what the home's own provider has out.
struct ExposureView {
    MoneyReport paying;
    /// What the home's node answers; none if no node runs.
    std::optional<json::Object> selling;
};

/// What a provider could take, or keep, of a channel without serving for it: all that is reserved
/// and not spent, as a pull channel's provider needs no further signature.
[[nodiscard]] Amount at_risk(const client::ChannelReport& channel);

[[nodiscard]] json::Object to_json(const ExposureView& view);
[[nodiscard]] std::string to_text(const ExposureView& view);

}  // namespace decloud::cli::internal
