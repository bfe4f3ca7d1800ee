#pragma once

#include <algorithm>

namespace decloud::gateway::internal {

/// Lets retries be a fifth of the requests, so that providers that fail are not flooded. A few are
/// there from the beginning. Single threaded.
class RetryBudget {
  public:
    /// Each request earns a fifth of a retry.
    void request() { tokens_ = std::min(tokens_ + 1, kMost); }
    /// Takes one retry; false if there is none.
    [[nodiscard]] bool take() {
        if (tokens_ < kPrice) {
            return false;
        }
        tokens_ -= kPrice;
        return true;
    }

  private:
    static constexpr int kPrice = 5;
    static constexpr int kMost = 100 * kPrice;
    int tokens_ = 10 * kPrice;
};

}  // namespace decloud::gateway::internal
