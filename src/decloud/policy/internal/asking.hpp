#pragma once

#include "../admission.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/protocol/service.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::policy::internal {

/// What a promise says of itself.
struct Promise {
    std::string currency;
    std::optional<Amount> amount;
    std::optional<UnixSeconds> due;
};

/// Of `defer;…`; empty for other payments.
[[nodiscard]] Promise read_promise(const protocol::PaymentHeader& payment);

/// Makes questions of calls. Single threaded.
class Asking {
  public:
    /// `clock` outlives it.
    Asking(AdmissionSettings settings, const Clock& clock)
        : settings_(std::move(settings)), clock_(clock) {}

    /// The promise, if it is one; else `terms` in their asset. The question views all three.
    [[nodiscard]] Question ask(
        const protocol::Call& call, const protocol::Terms& terms, const Promise& promise);
    /// About what the call costs, by a price in the terms' asset.
    [[nodiscard]] Question ask_price(const protocol::Call& call, const protocol::Terms& terms);

    [[nodiscard]] const AdmissionSettings& settings() const { return settings_; }

  private:
    [[nodiscard]] std::string_view name_of(const std::string& currency) const;
    [[nodiscard]] Question common(const protocol::Call& call);
    [[nodiscard]] std::uint32_t load(UnixSeconds now);

    AdmissionSettings settings_;
    const Clock& clock_;
    UnixSeconds load_at_{};
    std::uint32_t load_ = 0;
};

}  // namespace decloud::policy::internal
