#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::metrics {

/// Label names and values. Bounded sets only: never a cid, a payer or a path.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// A number that only grows. Thread safe.
class Counter {
  public:
    virtual ~Counter() = default;
    /// `amount` is not negative.
    virtual void add(double amount) = 0;
    /// Adds one.
    void increment() { add(1); }
};

/// A number that goes up and down. Thread safe.
class Gauge {
  public:
    virtual ~Gauge() = default;
    /// Replaces what was set before.
    virtual void set(double value) = 0;
};

/// A distribution. Thread safe.
class Histogram {
  public:
    virtual ~Histogram() = default;
    /// Counts one observation, in the unit that the histogram's name ends in.
    virtual void observe(double value) = 0;
};

/// Makes metrics; asking twice for the same name and labels gives the same one. What it returns
/// lives as long as the registry. Names follow Prometheus: one prefix, base units, `_total` for
/// counters.
class Registry {
  public:
    virtual ~Registry() = default;
    /// `help` is one sentence for the operator.
    virtual Counter& counter(std::string_view name, std::string_view help, Labels labels) = 0;
    /// As `counter`.
    virtual Gauge& gauge(std::string_view name, std::string_view help, Labels labels) = 0;
    /// `upper_bounds` of the buckets: ascending, inclusive; one without a bound is added.
    virtual Histogram& histogram(std::string_view name,
        std::string_view help,
        Labels labels,
        std::vector<double> upper_bounds) = 0;
};

/// Accepts everything and keeps nothing. Lives as long as the program.
[[nodiscard]] Registry& null_registry();

}  // namespace decloud::metrics
