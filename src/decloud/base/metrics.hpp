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
    virtual void add(double amount) = 0;
    void increment() { add(1); }
};

/// A number that goes up and down. Thread safe.
class Gauge {
  public:
    virtual ~Gauge() = default;
    virtual void set(double value) = 0;
};

/// A distribution. Thread safe.
class Histogram {
  public:
    virtual ~Histogram() = default;
    virtual void observe(double value) = 0;
};

/// Makes metrics; asking twice for the same name and labels gives the same one. What it returns
/// lives as long as the registry. Names follow Prometheus: one prefix, base units, `_total` for
/// counters.
class Registry {
  public:
    virtual ~Registry() = default;
    virtual Counter& counter(std::string_view name, std::string_view help, Labels labels) = 0;
    virtual Gauge& gauge(std::string_view name, std::string_view help, Labels labels) = 0;
    virtual Histogram& histogram(std::string_view name,
        std::string_view help,
        Labels labels,
        std::vector<double> upper_bounds) = 0;
};

/// Accepts everything and keeps nothing. Lives as long as the program.
[[nodiscard]] Registry& null_registry();

}  // namespace decloud::metrics
