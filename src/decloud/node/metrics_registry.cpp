#include "metrics_registry.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <utility>

namespace decloud::node {

namespace {

class PrometheusCounter final : public metrics::Counter {
  public:
    explicit PrometheusCounter(prometheus::Counter& counter) : counter_(counter) {}
    void add(double amount) override { counter_.Increment(amount); }

  private:
    prometheus::Counter& counter_;
};

class PrometheusGauge final : public metrics::Gauge {
  public:
    explicit PrometheusGauge(prometheus::Gauge& gauge) : gauge_(gauge) {}
    void set(double value) override { gauge_.Set(value); }

  private:
    prometheus::Gauge& gauge_;
};

class PrometheusHistogram final : public metrics::Histogram {
  public:
    explicit PrometheusHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
    void observe(double value) override { histogram_.Observe(value); }

  private:
    prometheus::Histogram& histogram_;
};

class PrometheusRegistry final : public MetricsRegistry {
  public:
    metrics::Counter& counter(
        std::string_view name, std::string_view help, metrics::Labels labels) override {
        const std::scoped_lock lock(mutex_);
        auto& family = prometheus::BuildCounter()
                           .Name(std::string(name))
                           .Help(std::string(help))
                           .Register(registry_);
        return remember<PrometheusCounter>(counters_, family.Add(to_map(labels)));
    }

    metrics::Gauge& gauge(
        std::string_view name, std::string_view help, metrics::Labels labels) override {
        const std::scoped_lock lock(mutex_);
        auto& family = prometheus::BuildGauge()
                           .Name(std::string(name))
                           .Help(std::string(help))
                           .Register(registry_);
        return remember<PrometheusGauge>(gauges_, family.Add(to_map(labels)));
    }

    metrics::Histogram& histogram(std::string_view name,
        std::string_view help,
        metrics::Labels labels,
        std::vector<double> upper_bounds) override {
        const std::scoped_lock lock(mutex_);
        auto& family = prometheus::BuildHistogram()
                           .Name(std::string(name))
                           .Help(std::string(help))
                           .Register(registry_);
        return remember<PrometheusHistogram>(
            histograms_, family.Add(to_map(labels), std::move(upper_bounds)));
    }

    [[nodiscard]] std::string to_text() const override {
        return prometheus::TextSerializer().Serialize(registry_.Collect());
    }

  private:
    static std::map<std::string, std::string> to_map(const metrics::Labels& labels) {
        return {labels.begin(), labels.end()};
    }

    template <class Wrapper, class Metric, class Map>
    static Wrapper& remember(Map& map, Metric& metric) {
        auto& slot = map[&metric];
        if (!slot) {
            slot = std::make_unique<Wrapper>(metric);
        }
        return *slot;
    }

    std::mutex mutex_;
    prometheus::Registry registry_;
    std::map<prometheus::Counter*, std::unique_ptr<PrometheusCounter>> counters_;
    std::map<prometheus::Gauge*, std::unique_ptr<PrometheusGauge>> gauges_;
    std::map<prometheus::Histogram*, std::unique_ptr<PrometheusHistogram>> histograms_;
};

}  // namespace

std::unique_ptr<MetricsRegistry> make_metrics_registry() {
    return std::make_unique<PrometheusRegistry>();
}

}  // namespace decloud::node
