// Reads what a /metrics page says: the text exposition format 0.0.4.
#ifndef OPERANT_COMMON_BASE_METRICS_TEXT_H_
#define OPERANT_COMMON_BASE_METRICS_TEXT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/metrics.h"

namespace operant {

struct MetricSample {
  std::string name;
  MetricLabels labels;
  double value = 0;
};

// One scrape. Lines that are not samples are left out: a page of a newer or a
// foreign process is read as far as it is understood.
class MetricsPage {
 public:
  static MetricsPage Parse(std::string_view text);

  const std::vector<MetricSample>& samples() const { return samples_; }
  // The first sample of that name whose labels include `labels`.
  std::optional<double> Find(const std::string& name,
                             const MetricLabels& labels = {}) const;
  // Of all such samples; 0 if there are none.
  double Sum(const std::string& name, const MetricLabels& labels = {}) const;

 private:
  std::vector<MetricSample> samples_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METRICS_TEXT_H_
