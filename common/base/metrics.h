// A Prometheus registry without prometheus-cpp in the header. Families, with
// their names, labels and help, are those of the catalogue (metrics.toml):
//
//   registry->Get(metric::kRolloutTokensTotal, {"prompt"}).Increment(n);
//
// Thread-safe. References returned stay valid for the registry's life.
#ifndef OPERANT_COMMON_BASE_METRICS_H_
#define OPERANT_COMMON_BASE_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/metric_family.h"

namespace operant {

using MetricLabels = std::map<std::string, std::string>;

// Only rises. The value starts at 0 and is exported from the start.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Increment(double by = 1) = 0;  // by >= 0
  virtual double value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double by) = 0;
  virtual double value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

class MetricRegistry {
 public:
  static std::unique_ptr<MetricRegistry> Create();
  virtual ~MetricRegistry() = default;

  // The sample of a family of the catalogue, created on first use.
  template <size_t N>
  Counter& Get(const CounterFamily<N>& family, const std::string (&values)[N]) {
    return AddCounter(family.name, family.help, Labels(family, values));
  }
  Counter& Get(const CounterFamily<0>& family) {
    return AddCounter(family.name, family.help);
  }
  template <size_t N>
  Gauge& Get(const GaugeFamily<N>& family, const std::string (&values)[N]) {
    return AddGauge(family.name, family.help, Labels(family, values));
  }
  Gauge& Get(const GaugeFamily<0>& family) {
    return AddGauge(family.name, family.help);
  }
  template <size_t N>
  Histogram& Get(const HistogramFamily<N>& family,
                 const std::string (&values)[N]) {
    return AddHistogram(family.name, family.help, Bounds(family),
                        Labels(family, values));
  }
  Histogram& Get(const HistogramFamily<0>& family) {
    return AddHistogram(family.name, family.help, Bounds(family));
  }
  // Ends the export of a gauge's sample; its reference is void.
  template <size_t N>
  void Remove(const GaugeFamily<N>& family, const std::string (&values)[N]) {
    RemoveGauge(family.name, Labels(family, values));
  }

  // Returns the metric of that name and labels, created on first use. Asking
  // again with the same name and labels returns the same object. Dies if the
  // name is already used with another type.
  virtual Counter& AddCounter(const std::string& name, const std::string& help,
                              const MetricLabels& labels = {}) = 0;
  virtual Gauge& AddGauge(const std::string& name, const std::string& help,
                          const MetricLabels& labels = {}) = 0;
  // `upper_bounds` ascending, +Inf implied.
  virtual Histogram& AddHistogram(const std::string& name,
                                  const std::string& help,
                                  const std::vector<double>& upper_bounds,
                                  const MetricLabels& labels = {}) = 0;

  virtual void RemoveGauge(const std::string& name,
                           const MetricLabels& labels) = 0;

  // Another handle on the same metrics, for what may outlive this one.
  virtual std::shared_ptr<MetricRegistry> Share() = 0;

  // The registry in Prometheus' text exposition format 0.0.4, the process_*
  // family of this process included.
  virtual std::string Serialize() = 0;

 private:
  template <typename Family, size_t N>
  static MetricLabels Labels(const Family& family,
                             const std::string (&values)[N]) {
    MetricLabels labels;
    for (size_t i = 0; i < N; ++i) labels[family.labels[i]] = values[i];
    return labels;
  }
  template <typename Family>
  static std::vector<double> Bounds(const Family& family) {
    return {family.upper_bounds.begin(), family.upper_bounds.end()};
  }
};

// What a *_timestamp_seconds gauge is set to.
double UnixSeconds(absl::Time time);

// `count` bounds: start, start * factor, start * factor^2, ...
std::vector<double> ExponentialBuckets(double start, double factor, int count);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METRICS_H_
