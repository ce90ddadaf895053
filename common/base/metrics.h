// A Prometheus registry without prometheus-cpp in the header. Names follow
// operant_<component>_<thing>_<unit>[_total]; the Help says what is excluded;
// labels are of bounded cardinality, never ids.
//
// Thread-safe. References returned stay valid for the registry's life.
#ifndef OPERANT_COMMON_BASE_METRICS_H_
#define OPERANT_COMMON_BASE_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

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

  // The registry in Prometheus' text exposition format 0.0.4, the process_*
  // family of this process included.
  virtual std::string Serialize() = 0;
};

// `count` bounds: start, start * factor, start * factor^2, ...
std::vector<double> ExponentialBuckets(double start, double factor, int count);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METRICS_H_
