#include "learner/trace_writer.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/file_io.h"

namespace operant::learner {

absl::StatusOr<std::unique_ptr<TraceWriter>> TraceWriter::Open(
    const std::string& path, int rank) {
  const std::string own = rank == 0 ? path : absl::StrCat(path, ".rank", rank);
  std::FILE* file = std::fopen(own.c_str(), "we");
  if (file == nullptr)
    return ErrnoStatus(errno, "cannot write learner.trace", own);
  return std::unique_ptr<TraceWriter>(new TraceWriter(file, rank));
}

// A comma goes before each event but the first, so that what is there is whole
// but for its last bracket, which readers do without.
TraceWriter::TraceWriter(std::FILE* file, int rank) : rank_(rank), file_(file) {
  absl::MutexLock lock(&mu_);
  absl::FPrintF(file_,
                "[\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,"
                "\"args\":{\"name\":\"rank %d\"}}",
                rank_, rank_);
  for (const auto& [lane, name] :
       {std::pair(Lane::kCompute, "compute"), {Lane::kExchange, "exchange"}}) {
    absl::FPrintF(file_,
                  ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,"
                  "\"tid\":%d,\"args\":{\"name\":\"%s\"}}",
                  rank_, static_cast<int>(lane), name);
  }
}

TraceWriter::~TraceWriter() {
  absl::MutexLock lock(&mu_);
  std::fputs("\n]\n", file_);
  std::fclose(file_);
}

void TraceWriter::Add(Lane lane, const std::string& name, absl::Time begin,
                      absl::Time end) {
  absl::MutexLock lock(&mu_);
  absl::FPrintF(file_,
                ",\n{\"ph\":\"X\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,"
                "\"ts\":%d,\"dur\":%d}",
                name, rank_, static_cast<int>(lane), absl::ToUnixMicros(begin),
                absl::ToInt64Microseconds(end - begin));
}

TraceSpan::TraceSpan(TraceWriter* trace, const char* name)
    : trace_(trace), name_(name), begin_(absl::Now()) {}

TraceSpan::~TraceSpan() {
  if (trace_ == nullptr) return;
  trace_->Add(TraceWriter::Lane::kCompute, name_, begin_, absl::Now());
}

}  // namespace operant::learner
