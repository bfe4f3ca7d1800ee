#include "metrics.hpp"

namespace decloud::metrics {

namespace {

class NullCounter final : public Counter {
    void add(double /*amount*/) override {}
};
class NullGauge final : public Gauge {
    void set(double /*value*/) override {}
};
class NullHistogram final : public Histogram {
    void observe(double /*value*/) override {}
};

class NullRegistry final : public Registry {
  public:
    Counter& counter(
        std::string_view /*name*/, std::string_view /*help*/, Labels /*labels*/) override {
        return counter_;
    }
    Gauge& gauge(std::string_view /*name*/, std::string_view /*help*/, Labels /*labels*/) override {
        return gauge_;
    }
    Histogram& histogram(std::string_view /*name*/,
        std::string_view /*help*/,
        Labels /*labels*/,
        std::vector<double> /*upper_bounds*/) override {
        return histogram_;
    }

  private:
    NullCounter counter_;
    NullGauge gauge_;
    NullHistogram histogram_;
};

}  // namespace

Registry& null_registry() {
    static NullRegistry registry;
    return registry;
}

}  // namespace decloud::metrics
