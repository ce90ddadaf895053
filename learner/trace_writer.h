// When a rank computed and when it exchanged, as a file that chrome://tracing
// and Perfetto open (the "JSON array" form of Chrome's trace event format).
#ifndef OPERANT_LEARNER_TRACE_WRITER_H_
#define OPERANT_LEARNER_TRACE_WRITER_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace operant::learner {

// Thread-safe. A file that can no longer be written costs the trace, not the
// run.
class TraceWriter {
 public:
  // The lines that spans are drawn on.
  enum class Lane { kCompute = 0, kExchange = 1 };

  // Writes `path`; rank R > 0 writes `path`.rankR. Errors: of the file.
  static absl::StatusOr<std::unique_ptr<TraceWriter>> Open(
      const std::string& path, int rank);
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  // `name` is a literal or a short name without quotes.
  void Add(Lane lane, const std::string& name, absl::Time begin,
           absl::Time end);

 private:
  TraceWriter(std::FILE* file, int rank);

  const int rank_;
  absl::Mutex mu_;
  std::FILE* const file_ ABSL_PT_GUARDED_BY(mu_);
};

// Adds the span of its own life to `trace`, unless that is null.
class TraceSpan {
 public:
  TraceSpan(TraceWriter* trace, const char* name);
  ~TraceSpan();
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  TraceWriter* const trace_;
  const char* const name_;
  const absl::Time begin_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_TRACE_WRITER_H_
