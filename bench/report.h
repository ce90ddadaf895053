// The result of a benchmark: a table for people, JSON for machines.
#ifndef OPERANT_BENCH_REPORT_H_
#define OPERANT_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace operant::bench {

// One measured quantity: the median of its samples and their extremes.
struct Row {
  std::string name;
  double value = 0;
  std::string unit;  // "x" for a ratio
  double low = 0;
  double high = 0;
  std::string against;  // what a ratio compares with
  std::string note;
};

// A row whose value is the median of `samples` (at least one).
Row MedianRow(std::string name, std::string unit, std::vector<double> samples);

// Prints the table and writes bench/out/`name`.json below the working
// directory: {"commit", "cpu", "gpu", "rows": [...]}.
absl::Status Report(const std::string& name, const std::vector<Row>& rows);

}  // namespace operant::bench

#endif  // OPERANT_BENCH_REPORT_H_
