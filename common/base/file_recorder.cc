#include "common/base/file_recorder.h"

#include <cstdlib>
#include <utility>

#include "common/base/digest.h"

namespace operant {
namespace {

thread_local FileRecorder* g_current = nullptr;

}  // namespace

FileRecorder::FileRecorder() {
  if (g_current != nullptr) std::abort();
  g_current = this;
}

FileRecorder::~FileRecorder() { g_current = nullptr; }

FileRecorder* FileRecorder::Current() { return g_current; }

void FileRecorder::Record(const std::string& path, FileDigest digest) {
  files_[path] = std::move(digest);
}

void FileRecorder::RecordWhole(const std::string& path,
                               std::string_view contents) {
  Record(path, {.sha256 = Sha256(contents), .bytes = contents.size()});
}

}  // namespace operant
