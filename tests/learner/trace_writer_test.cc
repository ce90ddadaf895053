#include "learner/trace_writer.h"

#include <nlohmann/json.hpp>
#include <string>

#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

TEST(TraceWriterTest, WritesWhatChromeReads) {
  const std::string path = testing::TempDir() + "/trace_writer_test.json";
  const absl::Time start = absl::FromUnixMicros(1000);
  {
    auto trace = *TraceWriter::Open(path, /*rank=*/2);
    trace->Add(TraceWriter::Lane::kExchange, "all-reduce of gradients", start,
               start + absl::Microseconds(250));
    const TraceSpan span(trace.get(), "forward");
  }
  const auto events = nlohmann::json::parse(*ReadFile(path + ".rank2"));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[3]["name"], "all-reduce of gradients");
  EXPECT_EQ(events[3]["ts"], 1000);
  EXPECT_EQ(events[3]["dur"], 250);
  EXPECT_EQ(events[3]["pid"], 2);
  EXPECT_NE(events[3]["tid"], events[4]["tid"]);
  EXPECT_EQ(events[4]["name"], "forward");
}

TEST(TraceWriterTest, WithoutATraceASpanDoesNothing) {
  const TraceSpan span(nullptr, "forward");
}

TEST(TraceWriterTest, AFolderThatIsNotThereIsNamed) {
  const auto trace = TraceWriter::Open("/no/such/folder/trace.json", 0);
  EXPECT_NE(trace.status().message().find("/no/such/folder/trace.json"),
            std::string::npos);
}

}  // namespace
}  // namespace operant::learner
