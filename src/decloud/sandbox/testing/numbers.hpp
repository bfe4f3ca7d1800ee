#pragma once

#include <decloud/base/metrics.hpp>

#include <map>
#include <memory>
#include <string>

namespace decloud::sandbox::testing {

/// Metrics by their name and the values of their labels, separated by spaces. Single threaded.
class Numbers final : public metrics::Registry {
  public:
    metrics::Counter& counter(
        std::string_view name, std::string_view, metrics::Labels labels) override {
        return at(name, labels);
    }
    metrics::Gauge& gauge(
        std::string_view name, std::string_view, metrics::Labels labels) override {
        return at(name, labels);
    }
    metrics::Histogram& histogram(std::string_view name,
        std::string_view,
        metrics::Labels labels,
        std::vector<double>) override {
        return at(name, labels);
    }
    /// 0 if there is no such metric.
    [[nodiscard]] double value(const std::string& key) const {
        const auto place = numbers_.find(key);
        return place == numbers_.end() ? 0 : place->second->number;
    }

  private:
    struct Number final : metrics::Counter, metrics::Gauge, metrics::Histogram {
        void add(double amount) override { number += amount; }
        void set(double value) override { number = value; }
        void observe(double value) override { number = value; }
        double number = 0;
    };

    Number& at(std::string_view name, const metrics::Labels& labels) {
        std::string key(name);
        for (const auto& [label, text] : labels) {
            key += " " + text;
        }
        auto& place = numbers_[key];
        if (!place) {
            place = std::make_unique<Number>();
        }
        return *place;
    }

    std::map<std::string, std::unique_ptr<Number>> numbers_;
};

}  // namespace decloud::sandbox::testing
