#include "common/base/metrics.h"

#include <cstdlib>
#include <exception>
#include <iterator>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/log.h"
#include "common/base/process_metrics.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace operant {
namespace {

class CounterImpl : public Counter {
 public:
  explicit CounterImpl(prometheus::Counter& metric) : metric_(metric) {}
  void Increment(double by) override { metric_.Increment(by); }
  double value() const override { return metric_.Value(); }

 private:
  prometheus::Counter& metric_;
};

class GaugeImpl : public Gauge {
 public:
  explicit GaugeImpl(prometheus::Gauge& metric) : metric_(metric) {}
  void Set(double value) override { metric_.Set(value); }
  void Add(double by) override { metric_.Increment(by); }
  double value() const override { return metric_.Value(); }

 private:
  prometheus::Gauge& metric_;
};

class HistogramImpl : public Histogram {
 public:
  explicit HistogramImpl(prometheus::Histogram& metric) : metric_(metric) {}
  void Observe(double value) override { metric_.Observe(value); }

 private:
  prometheus::Histogram& metric_;
};

// Runs `add`, which throws only if the name or labels are a programming error.
template <typename F>
auto& OrDie(const std::string& name, F add) {
  try {
    return add();
  } catch (const std::exception& e) {
    LogError("cannot register metric", {{"name", name}, {"error", e.what()}});
    std::abort();
  }
}

// The wrapper of `metric`, made on first use.
template <typename Impl, typename Metric>
Impl& WrapperOf(Metric& metric,
                std::map<Metric*, std::unique_ptr<Impl>>& wrappers) {
  std::unique_ptr<Impl>& wrapper = wrappers[&metric];
  if (wrapper == nullptr) wrapper = std::make_unique<Impl>(metric);
  return *wrapper;
}

// What the handles share.
struct Metrics {
  prometheus::Registry registry;  // locks for itself
  absl::Mutex mu;
  std::map<prometheus::Counter*, std::unique_ptr<CounterImpl>> counters
      ABSL_GUARDED_BY(mu);
  std::map<prometheus::Gauge*, std::unique_ptr<GaugeImpl>> gauges
      ABSL_GUARDED_BY(mu);
  std::map<prometheus::Histogram*, std::unique_ptr<HistogramImpl>> histograms
      ABSL_GUARDED_BY(mu);
};

class RegistryImpl : public MetricRegistry {
 public:
  explicit RegistryImpl(std::shared_ptr<Metrics> metrics)
      : metrics_(std::move(metrics)), m_(*metrics_) {}

  Counter& AddCounter(const std::string& name, const std::string& help,
                      const MetricLabels& labels) override {
    auto& metric = OrDie(name, [&]() -> prometheus::Counter& {
      auto builder = prometheus::BuildCounter().Name(name).Help(help);
      return builder.Register(m_.registry).Add(labels);
    });
    absl::MutexLock lock(&m_.mu);
    return WrapperOf(metric, m_.counters);
  }

  Gauge& AddGauge(const std::string& name, const std::string& help,
                  const MetricLabels& labels) override {
    auto& metric = OrDie(name, [&]() -> prometheus::Gauge& {
      auto builder = prometheus::BuildGauge().Name(name).Help(help);
      return builder.Register(m_.registry).Add(labels);
    });
    absl::MutexLock lock(&m_.mu);
    return WrapperOf(metric, m_.gauges);
  }

  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const std::vector<double>& upper_bounds,
                          const MetricLabels& labels) override {
    auto& metric = OrDie(name, [&]() -> prometheus::Histogram& {
      auto builder = prometheus::BuildHistogram().Name(name).Help(help);
      return builder.Register(m_.registry).Add(labels, upper_bounds);
    });
    absl::MutexLock lock(&m_.mu);
    return WrapperOf(metric, m_.histograms);
  }

  void RemoveGauge(const std::string& name,
                   const MetricLabels& labels) override {
    auto& family = OrDie(name, [&]() -> prometheus::Family<prometheus::Gauge>& {
      return prometheus::BuildGauge().Name(name).Register(m_.registry);
    });
    absl::MutexLock lock(&m_.mu);
    prometheus::Gauge& metric = family.Add(labels);
    m_.gauges.erase(&metric);
    family.Remove(&metric);
  }

  std::shared_ptr<MetricRegistry> Share() override {
    return std::make_shared<RegistryImpl>(metrics_);
  }

  std::string Serialize() override {
    std::vector<prometheus::MetricFamily> families = m_.registry.Collect();
    std::vector<prometheus::MetricFamily> own = CollectProcessMetrics();
    families.insert(families.end(), std::make_move_iterator(own.begin()),
                    std::make_move_iterator(own.end()));
    const prometheus::TextSerializer serializer;
    return static_cast<const prometheus::Serializer&>(serializer)
        .Serialize(families);
  }

 private:
  const std::shared_ptr<Metrics> metrics_;
  Metrics& m_;
};

}  // namespace

std::unique_ptr<MetricRegistry> MetricRegistry::Create() {
  return std::make_unique<RegistryImpl>(std::make_shared<Metrics>());
}

double UnixSeconds(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

std::vector<double> ExponentialBuckets(double start, double factor, int count) {
  std::vector<double> bounds;
  for (double bound = start; count > 0; --count, bound *= factor) {
    bounds.push_back(bound);
  }
  return bounds;
}

}  // namespace operant
