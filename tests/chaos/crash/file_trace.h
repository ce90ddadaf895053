// What this process does to the files below one folder, in order. The program
// that links file_trace.cc has its own open, write, fsync, rename and so on,
// which take precedence over libc's in every library that it loads, SQLite's
// included.
#ifndef OPERANT_TESTS_CHAOS_CRASH_FILE_TRACE_H_
#define OPERANT_TESTS_CHAOS_CRASH_FILE_TRACE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace operant::chaos {

// Of a folder: from now on, `name` is node `child` (kNobody: nothing).
struct EntryChange {
  std::string name;
  int child = 0;
};
inline constexpr int kNobody = -1;

struct FileEvent {
  enum class Kind {
    kWrite,   // `bytes` at `offset` of a file
    kResize,  // a file is `offset` bytes long
    kNames,   // `entries` of a folder, all or none of them
    kSync,    // everything said of `node` before is durable
    kNote,    // the program said `bytes`, `offset`; no file
  };
  Kind kind = Kind::kNote;
  int node = kNobody;
  uint64_t offset = 0;
  std::string bytes;
  std::vector<EntryChange> entries;
};

struct FileTrace {
  std::vector<FileEvent> events;
  std::vector<bool> is_folder;  // of each node; node 0 is the folder itself
};

// Records all threads, until EndTrace. `folder` exists and is empty. One at a
// time. A call that it cannot record (a rename between folders) aborts.
void BeginTrace(const std::string& folder);
FileTrace EndTrace();
// Adds a note, in order with the events of all threads.
void NoteInTrace(std::string_view text, uint64_t value);

// Whether fsync and fdatasync return at once: for recoveries, whose durability
// nobody looks at.
void SkipSyncs(bool skip);

}  // namespace operant::chaos

#endif  // OPERANT_TESTS_CHAOS_CRASH_FILE_TRACE_H_
