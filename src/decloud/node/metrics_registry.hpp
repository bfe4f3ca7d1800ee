#pragma once

#include <decloud/base/metrics.hpp>

#include <memory>
#include <string>

namespace decloud::node {

/// Metrics that can be read in Prometheus' text format. Thread safe.
class MetricsRegistry : public metrics::Registry {
  public:
    /// Every metric as of now, for `/metrics`.
    [[nodiscard]] virtual std::string to_text() const = 0;
};

/// An empty registry, with prometheus-cpp.
[[nodiscard]] std::unique_ptr<MetricsRegistry> make_metrics_registry();

}  // namespace decloud::node
