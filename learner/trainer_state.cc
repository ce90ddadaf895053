#include "learner/trainer_state.h"

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;

constexpr char kStatePath[] = "trainer_state/state.json";
// Raised when a key gets another meaning, or one more is needed to go on.
constexpr uint64_t kFormat = 2;

// Calls `field(key, member)` for each field: one list for both directions.
template <typename State, typename Field>
void ForEachField(State& s, Field&& field) {
  field("step", s.step);
  field("next_cursor", s.next_cursor);
  field("kl_coefficient", s.kl_coefficient);
  field("responses", s.responses);
  field("tokens", s.tokens);
  field("train_seconds", s.train_seconds);
  field("best_eval", s.best_eval);
  field("has_best", s.has_best);
  field("best_step", s.best_step);
  field("evaluated_step", s.evaluated_step);
  field("skipped_in_a_row", s.skipped_in_a_row);
  field("metrics_bytes", s.metrics_bytes);
  field("model_digest", s.model_digest);
  field("run_id", s.run_id);
  field("ranks", s.ranks);
  field("threads", s.threads);
  field("build", s.build);
  field("processor", s.processor);
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

absl::Status CheckFormat(const json& object, const std::string& path) {
  if (!object.is_object()) {
    return absl::DataLossError(absl::StrCat(path, ": expected a JSON object"));
  }
  const auto format = object.find("format");
  const bool known = format != object.end() && format->is_number_unsigned() &&
                     *format == kFormat;
  if (known) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot go on from ", path, ": format=",
      format == object.end() ? "none" : format->dump(), ", this build reads ",
      kFormat, "; use the build that wrote it, or start a new run"));
}

absl::Status Differs(const std::string& checkpoint, const char* field,
                     const std::string& saved, const std::string& now,
                     const char* next_step) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot go on from ", JoinPath(checkpoint, kStatePath), ": ",
                   field, "=", saved, ", this run has ", now, "; ", next_step));
}

}  // namespace

absl::Status WriteTrainerState(const std::string& checkpoint,
                               const TrainerState& state) {
  json object = {{"format", kFormat}};
  ForEachField(
      state, [&](const char* key, const auto& value) { object[key] = value; });
  RETURN_IF_ERROR(MakeDirectories(JoinPath(checkpoint, "trainer_state")));
  return WriteFileAtomically(JoinPath(checkpoint, kStatePath), object.dump(1));
}

absl::StatusOr<TrainerState> ReadTrainerState(const std::string& checkpoint) {
  const std::string path = JoinPath(checkpoint, kStatePath);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  RETURN_IF_ERROR(CheckFormat(object, path));
  TrainerState state;
  absl::Status status;
  ForEachField(state, [&](const char* key, auto& value) {
    if (status.ok()) status = Get(object, key, value);
  });
  RETURN_IF_ERROR(status);
  return state;
}

absl::Status CheckResumable(const std::string& checkpoint,
                            const TrainerState& saved, const TrainerState& now,
                            const ResumeRules& rules) {
  if (saved.model_digest != now.model_digest) {
    return Differs(checkpoint, "model_digest", saved.model_digest,
                   now.model_digest,
                   "it is another model's: set model.path as it was");
  }
  if (saved.run_id != now.run_id) {
    return Differs(checkpoint, "run_id", saved.run_id, now.run_id,
                   "set run.name as it was");
  }
  if (saved.ranks != now.ranks && !rules.allow_other_ranks) {
    return Differs(checkpoint, "ranks", absl::StrCat(saved.ranks),
                   absl::StrCat(now.ranks),
                   "set learner.ranks as it was, or "
                   "learner.allow_other_ranks=true: the same training, but "
                   "sums in another order");
  }
  if (!rules.deterministic) return absl::OkStatus();
  constexpr char kAsItWas[] =
      "run.deterministic promises the run that was not interrupted: go on "
      "with what it began with, or set run.deterministic=false";
  if (saved.build != now.build)
    return Differs(checkpoint, "build", saved.build, now.build, kAsItWas);
  if (saved.processor != now.processor) {
    return Differs(checkpoint, "processor", saved.processor, now.processor,
                   kAsItWas);
  }
  if (saved.threads != now.threads) {
    return Differs(checkpoint, "threads", absl::StrCat(saved.threads),
                   absl::StrCat(now.threads), kAsItWas);
  }
  return absl::OkStatus();
}

}  // namespace operant::learner
