// Takes note of the files that a thread writes, as it meant them: the digests
// are of the bytes given to the writers, not of what a disk gave back.
#ifndef OPERANT_COMMON_BASE_FILE_RECORDER_H_
#define OPERANT_COMMON_BASE_FILE_RECORDER_H_

#include <map>
#include <string>
#include <string_view>

#include "common/base/sha256_stream.h"

namespace operant {

// Records, from its construction to its destruction, every file that this
// thread replaces with WriteFileAtomically or a SafetensorsWriter. One a thread
// at a time (dies if there are two).
class FileRecorder {
 public:
  FileRecorder();
  ~FileRecorder();
  FileRecorder(const FileRecorder&) = delete;
  FileRecorder& operator=(const FileRecorder&) = delete;

  // By path as the writers were given it.
  const std::map<std::string, FileDigest>& files() const { return files_; }

  // For writers: this thread's recorder, or null.
  static FileRecorder* Current();
  void Record(const std::string& path, FileDigest digest);
  void RecordWhole(const std::string& path, std::string_view contents);

 private:
  std::map<std::string, FileDigest> files_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_FILE_RECORDER_H_
