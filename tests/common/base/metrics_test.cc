#include "common/base/metrics.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "common/base/process_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The value of an exported line without labels.
double ValueOf(const std::string& text, const std::string& name) {
  const std::vector<std::string> parts =
      absl::StrSplit(text, absl::StrCat("\n", name, " "));
  return parts.size() == 2 ? std::strtod(parts[1].c_str(), nullptr) : -1;
}

TEST(MetricsTest, ACounterStartsAtZeroAndIsExportedFromTheStart) {
  auto registry = MetricRegistry::Create();
  Counter& counter = registry->AddCounter("operant_test_things_total", "Help.");
  EXPECT_EQ(counter.value(), 0);
  EXPECT_THAT(registry->Serialize(), HasSubstr("operant_test_things_total 0"));
  counter.Increment();
  counter.Increment(2.5);
  EXPECT_EQ(counter.value(), 3.5);
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameObject) {
  auto registry = MetricRegistry::Create();
  auto add = [&](const char* kind) -> Gauge& {
    return registry->AddGauge("operant_test_level", "Help.", {{"kind", kind}});
  };
  EXPECT_EQ(&add("a"), &add("a"));
  EXPECT_NE(&add("a"), &add("b"));
  add("a").Set(4);
  add("a").Add(-1);
  EXPECT_EQ(add("a").value(), 3);
  EXPECT_EQ(add("b").value(), 0);
}

TEST(MetricsTest, AHistogramCountsIntoItsBuckets) {
  auto registry = MetricRegistry::Create();
  Histogram& histogram =
      registry->AddHistogram("operant_test_wait_seconds", "Help.", {1, 10});
  for (const double value : {0.5, 1.0, 5.0, 100.0}) histogram.Observe(value);
  const std::string text = registry->Serialize();
  EXPECT_THAT(text, HasSubstr("operant_test_wait_seconds_bucket{le=\"1\"} 2"));
  EXPECT_THAT(text, HasSubstr("operant_test_wait_seconds_bucket{le=\"10\"} 3"));
  EXPECT_THAT(text,
              HasSubstr("operant_test_wait_seconds_bucket{le=\"+Inf\"} 4"));
}

TEST(MetricsTest, ExponentialBucketsMultiply) {
  EXPECT_THAT(ExponentialBuckets(1, 4, 3), ElementsAre(1, 4, 16));
  EXPECT_TRUE(ExponentialBuckets(1, 4, 0).empty());
}

TEST(MetricsTest, ExportsThisProcess) {
  const std::string text = MetricRegistry::Create()->Serialize();
  EXPECT_GE(ValueOf(text, "process_cpu_seconds_total"), 0);
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(ValueOf(text, "process_open_fds"), 3);
  const double start = ValueOf(text, "process_start_time_seconds");
  const double now = static_cast<double>(absl::ToUnixSeconds(absl::Now()));
  // Boot time is known to a second, and the process is at most minutes old.
  EXPECT_LT(start, now + 2);
  EXPECT_GT(start, now - 600);
}

TEST(ProcessMetricsTest, ACommandNameMayHoldSpacesAndParentheses) {
  std::string text = "1 (a ) b) S";
  for (int field = 4; field <= 24; ++field) absl::StrAppend(&text, " ", field);
  ProcessStat stat;
  ASSERT_TRUE(ParseProcessStat(text, stat));
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(stat.cpu_seconds, (14 + 15) / ticks);
  EXPECT_DOUBLE_EQ(stat.start_since_boot_seconds, 22 / ticks);
  EXPECT_DOUBLE_EQ(stat.resident_bytes, 24.0 * sysconf(_SC_PAGESIZE));
}

TEST(ProcessMetricsTest, AMalformedLineIsRefused) {
  ProcessStat stat;
  EXPECT_FALSE(ParseProcessStat("", stat));
  EXPECT_FALSE(ParseProcessStat("1 (a) S 2 3", stat));
}

TEST(MetricsTest, PassesPromtoolsLint) {
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is not installed";
  }
  auto registry = MetricRegistry::Create();
  registry->AddCounter("operant_test_things_total", "Things.").Increment();
  registry->AddGauge("operant_test_queue_samples", "Depth.", {{"a", "\"\n\\"}})
      .Set(std::numeric_limits<double>::quiet_NaN());
  registry->AddHistogram("operant_test_step_seconds", "Time.", {0.1, 1})
      .Observe(0.5);
  const std::string path =
      absl::StrCat(testing::TempDir(), "/metrics_test.", getpid());
  ASSERT_TRUE(WriteFileAtomically(path, registry->Serialize()).ok());
  const std::string command =
      absl::StrCat("promtool check metrics < ", path, " 1>&2");
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::remove(path.c_str());
}

TEST(MetricsDeathTest, ANameOfAnotherTypeDies) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto registry = MetricRegistry::Create();
  registry->AddGauge("operant_test_level", "Help.");
  EXPECT_DEATH(registry->AddCounter("operant_test_level", "Help."),
               "cannot register metric");
}

}  // namespace
}  // namespace operant
