#include "learner/checkpoint_store.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kManifest[] = "MANIFEST.json";
constexpr char kMarker[] = "COMPLETE";
constexpr char kStatePath[] = "trainer_state/state.json";

// Paths of all regular files below `folder`, relative to it, sorted.
std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status WriteManifest(const std::string& folder) {
  json files = json::object();
  for (const std::string& file : FilesBelow(folder)) {
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(JoinPath(folder, file)));
    files[file] = {{"sha256", Hex(Sha256(bytes))}, {"bytes", bytes.size()}};
  }
  return WriteFileAtomically(JoinPath(folder, kManifest),
                             json{{"files", files}}.dump(1));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "renaming to", to);
}

template <typename T>
absl::Status Get(const json& object, const char* key, T& value) {
  try {
    value = object.at(key).get<T>();
    return absl::OkStatus();
  } catch (const json::exception& e) {
    return absl::DataLossError(
        absl::StrCat(kStatePath, ": key '", key, "': ", e.what()));
  }
}

}  // namespace

absl::Status WriteTrainerState(const std::string& checkpoint,
                               const TrainerState& s) {
  const json object = {{"step", s.step},
                       {"next_cursor", s.next_cursor},
                       {"kl_coefficient", s.kl_coefficient},
                       {"responses", s.responses},
                       {"tokens", s.tokens},
                       {"train_seconds", s.train_seconds},
                       {"best_eval", s.best_eval},
                       {"has_best", s.has_best},
                       {"model_digest", s.model_digest},
                       {"run_id", s.run_id}};
  RETURN_IF_ERROR(MakeDirectories(JoinPath(checkpoint, "trainer_state")));
  return WriteFileAtomically(JoinPath(checkpoint, kStatePath), object.dump(1));
}

absl::StatusOr<TrainerState> ReadTrainerState(const std::string& checkpoint) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(JoinPath(checkpoint, kStatePath)));
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  TrainerState s;
  RETURN_IF_ERROR(Get(object, "step", s.step));
  RETURN_IF_ERROR(Get(object, "next_cursor", s.next_cursor));
  RETURN_IF_ERROR(Get(object, "kl_coefficient", s.kl_coefficient));
  RETURN_IF_ERROR(Get(object, "responses", s.responses));
  RETURN_IF_ERROR(Get(object, "tokens", s.tokens));
  RETURN_IF_ERROR(Get(object, "train_seconds", s.train_seconds));
  RETURN_IF_ERROR(Get(object, "best_eval", s.best_eval));
  RETURN_IF_ERROR(Get(object, "has_best", s.has_best));
  RETURN_IF_ERROR(Get(object, "model_digest", s.model_digest));
  RETURN_IF_ERROR(Get(object, "run_id", s.run_id));
  return s;
}

absl::Status VerifyCheckpoint(const std::string& checkpoint) {
  if (!FileExists(JoinPath(checkpoint, kMarker))) {
    return absl::NotFoundError(
        absl::StrCat(checkpoint, ": no ", kMarker, ", it was cut short"));
  }
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(JoinPath(checkpoint, kManifest)));
  const json manifest = json::parse(text, nullptr, false);
  if (!manifest.is_object() || !manifest.contains("files") ||
      !manifest["files"].is_object()) {
    return absl::DataLossError(
        absl::StrCat(checkpoint, "/", kManifest, " is not a manifest"));
  }
  for (const auto& [file, entry] : manifest["files"].items()) {
    ASSIGN_OR_RETURN(const std::string bytes,
                     ReadFile(JoinPath(checkpoint, file)));
    if (!entry.is_object() || !entry.contains("sha256") ||
        entry["sha256"] != Hex(Sha256(bytes))) {
      return absl::DataLossError(absl::StrCat(
          checkpoint, "/", file, " does not match its digest in ", kManifest));
    }
  }
  return absl::OkStatus();
}

std::string CheckpointStore::PathOf(uint64_t step) const {
  return JoinPath(folder_, absl::StrCat("step_", step));
}

absl::Status CheckpointStore::Write(
    uint64_t step,
    const std::function<absl::Status(const std::string& folder)>& write) {
  const std::string staging = JoinPath(folder_, absl::StrCat(".step_", step));
  RETURN_IF_ERROR(RemoveTree(staging));
  RETURN_IF_ERROR(MakeDirectories(staging));
  RETURN_IF_ERROR(write(staging));
  RETURN_IF_ERROR(WriteManifest(staging));
  RETURN_IF_ERROR(FsyncDirectory(staging));
  RETURN_IF_ERROR(RemoveTree(PathOf(step)));
  RETURN_IF_ERROR(Rename(staging, PathOf(step)));
  RETURN_IF_ERROR(FsyncDirectory(folder_));
  return WriteFileAtomically(JoinPath(PathOf(step), kMarker), "");
}

std::vector<uint64_t> CheckpointStore::steps() const {
  std::vector<uint64_t> steps;
  absl::StatusOr<std::vector<std::string>> names = ListDirectory(folder_);
  if (!names.ok()) return steps;
  for (const std::string& name : *names) {
    absl::string_view number = name;
    uint64_t step = 0;
    if (absl::ConsumePrefix(&number, "step_") &&
        absl::SimpleAtoi(number, &step) &&
        FileExists(JoinPath(JoinPath(folder_, name), kMarker)))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::StatusOr<std::string> CheckpointStore::Latest() const {
  std::vector<uint64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    const absl::Status status = VerifyCheckpoint(PathOf(*step));
    if (status.ok()) return PathOf(*step);
    LogWarning("checkpoint does not verify; trying the one before it",
               {{"path", PathOf(*step)}, {"cause", status.ToString()}});
  }
  return absl::NotFoundError(
      absl::StrCat("no complete checkpoint under ", folder_));
}

absl::Status CheckpointStore::Prune(int keep, uint64_t protected_step) const {
  std::vector<uint64_t> all = steps();
  for (size_t i = 0; i + keep < all.size(); ++i) {
    if (all[i] == protected_step) continue;
    RETURN_IF_ERROR(RemoveTree(PathOf(all[i])));
  }
  return absl::OkStatus();
}

}  // namespace operant::learner
