#include "tests/chaos/crash/crash_image.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"

namespace operant::chaos {
namespace {

namespace fs = std::filesystem;
using Kind = FileEvent::Kind;
using Random = std::mt19937_64;

constexpr size_t kSectorBytes = 512;
constexpr double kTornShare = 0.3;

struct Node {
  std::string contents;
  std::map<std::string, int> names;
};

double Uniform(Random& random) {
  return std::uniform_real_distribution<double>()(random);
}

// For each event whether it is durable: its node was synced later.
std::vector<bool> Durable(const FileTrace& trace, size_t events) {
  std::vector<bool> synced(trace.is_folder.size(), false);
  std::vector<bool> durable(events, false);
  for (size_t i = events; i-- > 0;) {
    const FileEvent& event = trace.events[i];
    if (event.node == kNobody) continue;
    if (event.kind == Kind::kSync) synced[event.node] = true;
    durable[i] = synced[event.node];
  }
  return durable;
}

void Put(std::string& contents, uint64_t offset, std::string_view bytes) {
  const size_t end = offset + bytes.size();
  if (contents.size() < end) contents.resize(end, '\0');
  contents.replace(offset, bytes.size(), bytes);
}

// A prefix, or any of its sectors.
void PutTorn(std::string& contents, const FileEvent& event, Random& random) {
  const std::string_view bytes = event.bytes;
  if (Uniform(random) < 0.5) {
    const auto part = static_cast<size_t>(Uniform(random) *
                                          static_cast<double>(bytes.size()));
    Put(contents, event.offset, bytes.substr(0, part));
    return;
  }
  for (size_t at = 0; at < bytes.size(); at += kSectorBytes) {
    if (Uniform(random) < 0.5)
      Put(contents, event.offset + at, bytes.substr(at, kSectorBytes));
  }
}

void Apply(const FileEvent& event, Node& node) {
  switch (event.kind) {
    case Kind::kWrite:
      return Put(node.contents, event.offset, event.bytes);
    case Kind::kResize:
      return node.contents.resize(event.offset, '\0');
    case Kind::kNames:
      for (const EntryChange& entry : event.entries) {
        if (entry.child == kNobody) {
          node.names.erase(entry.name);
        } else {
          node.names[entry.name] = entry.child;
        }
      }
      return;
    case Kind::kSync:
    case Kind::kNote:
      return;
  }
}

// What happens to one event that was not synced.
class Losses {
 public:
  Losses(const FileTrace& trace, const CrashPlan& plan,
         const std::vector<bool>& durable)
      : plan_(plan), random_(plan.seed) {
    kept_ = std::vector<double>{0.1, 0.5, 0.9}[random_() % 3];
    for (size_t i = 0; i < plan.events; ++i) {
      if (!durable[i] && trace.events[i].kind == Kind::kWrite) last_write_ = i;
    }
  }

  void Apply(size_t i, const FileEvent& event, Node& node) {
    const bool names = event.kind == Kind::kNames;
    switch (plan_.loss) {
      case Loss::kNothing:
        return chaos::Apply(event, node);
      case Loss::kAll:
        return;
      case Loss::kContents:
        if (names) chaos::Apply(event, node);
        return;
      case Loss::kNames:
        if (!names) chaos::Apply(event, node);
        return;
      case Loss::kLastTorn:
        if (i == last_write_) return PutTorn(node.contents, event, random_);
        return chaos::Apply(event, node);
      case Loss::kSome:
        if (Uniform(random_) >= kept_) return;
        if (event.kind == Kind::kWrite && Uniform(random_) < kTornShare)
          return PutTorn(node.contents, event, random_);
        return chaos::Apply(event, node);
    }
  }

 private:
  const CrashPlan plan_;
  Random random_;
  double kept_ = 0;
  size_t last_write_ = ~size_t{0};
};

void Collect(const FileTrace& trace, const std::vector<Node>& nodes, int node,
             const std::string& path, CrashImage& image) {
  for (const auto& [name, child] : nodes[node].names) {
    const std::string below =
        path.empty() ? name : absl::StrCat(path, "/", name);
    if (!trace.is_folder[child]) {
      image[below] = nodes[child].contents;
      continue;
    }
    image[below] = std::nullopt;
    Collect(trace, nodes, child, below, image);
  }
}

// SQLite keeps locks and an index there, which it makes anew.
bool IsScratch(const std::string& path) { return path.ends_with("-shm"); }

absl::Status FromError(const std::error_code& error, const std::string& path) {
  if (!error) return absl::OkStatus();
  return ErrnoStatus(error.value(), "crash image", path);
}

}  // namespace

CrashImage MakeCrashImage(const FileTrace& trace, const CrashPlan& plan) {
  const std::vector<bool> durable = Durable(trace, plan.events);
  Losses losses(trace, plan, durable);
  std::vector<Node> nodes(trace.is_folder.size());
  for (size_t i = 0; i < plan.events; ++i) {
    const FileEvent& event = trace.events[i];
    if (event.node == kNobody || event.kind == Kind::kSync) continue;
    if (durable[i]) {
      Apply(event, nodes[event.node]);
    } else {
      losses.Apply(i, event, nodes[event.node]);
    }
  }
  CrashImage image;
  Collect(trace, nodes, 0, "", image);
  std::erase_if(image,
                [](const auto& entry) { return IsScratch(entry.first); });
  return image;
}

absl::Status WriteImage(const CrashImage& image, const std::string& folder) {
  RETURN_IF_ERROR(RemoveTree(folder));
  RETURN_IF_ERROR(MakeDirectories(folder));
  for (const auto& [path, contents] : image) {
    const std::string target = JoinPath(folder, path);
    if (!contents.has_value()) {
      RETURN_IF_ERROR(MakeDirectories(target));
      continue;
    }
    std::ofstream file(target, std::ios::binary);
    file << *contents;
    if (!file.flush())
      return absl::DataLossError(absl::StrCat("cannot write ", target));
  }
  return absl::OkStatus();
}

absl::StatusOr<CrashImage> ReadImage(const std::string& folder) {
  CrashImage image;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    const std::string path = entry->path().lexically_relative(folder).string();
    if (IsScratch(path)) continue;
    if (entry->is_directory()) {
      image[path] = std::nullopt;
      continue;
    }
    ASSIGN_OR_RETURN(image[path], ReadFile(entry->path().string()));
  }
  RETURN_IF_ERROR(FromError(error, folder));
  return image;
}

std::string DigestOf(const CrashImage& image) {
  std::string all;
  for (const auto& [path, contents] : image) {
    absl::StrAppend(&all, path, "\n", contents.has_value() ? "file" : "folder",
                    contents.has_value() ? Sha256(*contents) : "", "\n");
  }
  return Sha256(all);
}

}  // namespace operant::chaos
