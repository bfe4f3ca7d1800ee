#pragma once

#include "admission.hpp"

#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::policy {

/// `service` at the policy's price: what `price` quotes in the asset of its terms, else what the
/// service itself asks; and at least `min-payment`. What is charged changes in proportion, so that
/// half of the service's price is half of the policy's. Calls that name no asset stay as they are.
/// `keeper` and `clock` outlive it.
[[nodiscard]] std::unique_ptr<protocol::Service> make_priced_service(
    std::unique_ptr<protocol::Service> service,
    AdmissionSettings settings,
    const PolicyKeeper& keeper,
    const Clock& clock);

}  // namespace decloud::policy
