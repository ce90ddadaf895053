// What `operant top` shows of a run: pages of metrics in, lines of text out.
// No terminal, clock or socket, so that a test reads what a person would.
#ifndef OPERANT_COMMON_RUN_TOP_VIEW_H_
#define OPERANT_COMMON_RUN_TOP_VIEW_H_

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/metrics_text.h"
#include "common/run/scrape_targets.h"

namespace operant {

// One process at one moment. No page: it did not answer, `error` says why.
struct ProcessPage {
  ScrapeTarget target;
  MetricsPage page;
  std::string error;
};

// Remembers earlier frames for rates and sparklines. Not thread-safe.
class TopView {
 public:
  explicit TopView(bool colour) : colour_(colour) {}

  // The screen for `pages`, read at `now`, each line at most `columns` wide and
  // ending with a newline.
  std::string Render(const std::vector<ProcessPage>& pages, absl::Time now,
                     int columns);

 private:
  void Remember(const char* series, std::optional<double> value);
  std::string Spark(const char* series) const;
  // Of a counter since the last frame, per second.
  double Rate(const ProcessPage& process, const std::string& name,
              const MetricLabels& labels = {});
  std::string Stages(const ProcessPage& learner);
  std::vector<std::string> LearnerLines(const ProcessPage& learner);
  std::string ProcessLine(const ProcessPage& process, const MetricsPage* run,
                          absl::Time now);

  const bool colour_;
  double seconds_ = 0;  // since the last frame; 0 in the first
  absl::Time last_ = absl::InfinitePast();
  std::map<std::string, std::deque<double>> series_;
  std::map<std::string, double> counters_;  // as of the last frame
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_TOP_VIEW_H_
