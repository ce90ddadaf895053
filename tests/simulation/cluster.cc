#include "tests/simulation/cluster.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "learner/batch_manifest.h"
#include "learner/lease_control.h"
#include "learner/membership.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/cluster_state.h"
#include "tests/simulation/simulated_worker.h"
#include "tests/simulation/world.h"

namespace operant::simulation {
namespace {

using learner::LeaseControl;
using learner::Membership;
using learner::Receipt;

constexpr absl::Duration kHour = absl::Hours(1);
constexpr absl::Duration kHealed = absl::Minutes(30);
constexpr absl::Duration kTick = absl::Seconds(2);
constexpr int kMaxAttempts = 1000;  // a broken worker is not the run's end here
constexpr char kRunId[] = "simulated";

class Cluster final : public LearnerLink {
 public:
  explicit Cluster(uint64_t seed) : chance_(seed), shape_(DrawShape(chance_)) {
    faults_ = shape_.faults;
    history_.seed = seed;
    history_.staleness = shape_.staleness;
    history_.prompts = shape_.prompts;
    history_.samples = shape_.samples;
    history_.run_id = kRunId;
    history_.first_weights = tables_.checkpoint_weights =
        absl::StrCat("start", seed);
    for (int i = 0; i < shape_.workers; ++i) {
      workers_.push_back(std::make_unique<SimulatedWorker>(
          absl::StrCat("w", i), &agenda_, &chance_, &faults_, this,
          shape_.heartbeat));
    }
  }

  History Run() {
    Boot();
    for (auto& worker : workers_) worker->Start();
    Every(kTick, [this] { Drive(); });
    SyncLater();
    ScheduleFaults();
    agenda_.RunUntil(absl::UnixEpoch() + kHour);
    Heal();
    agenda_.RunUntil(agenda_.now() + kHealed);
    Close();
    return std::move(history_);
  }

  // -- What workers ask.
  absl::StatusOr<uint64_t> Register(const std::string& worker,
                                    int slots) override {
    if (!learner_) return absl::UnavailableError("no learner");
    auto epoch =
        learner_->members.Register(worker, worker, "", slots, agenda_.now());
    if (epoch.ok()) Probe(*epoch > 1 ? "registered again" : "registered");
    return epoch;
  }
  absl::Status Heartbeat(const learner::WorkerHeartbeat& beat) override {
    if (!learner_) return absl::UnavailableError("no learner");
    const absl::Status status =
        learner_->members.Heartbeat(beat, agenda_.now());
    if (absl::IsNotFound(status)) Probe("heartbeat of a stranger");
    if (status.ok()) truth_[beat.id] = {beat, agenda_.now()};
    if (beat.draining) Probe("draining");
    return status;
  }
  void Leave(const std::string& worker, uint64_t epoch) override {
    if (learner_ && learner_->members.Leave(worker, epoch).ok()) {
      truth_.erase(worker);
      Probe("left");
    }
  }
  bool Newest(uint64_t& version, std::string& weights) override {
    if (!learner_ || learner_->published.empty()) return false;
    version = learner_->version;
    weights = learner_->published[version];
    return true;
  }
  void Result(uint64_t incarnation, uint64_t step, uint64_t lease,
              const v1::Trajectory& trajectory) override {
    Learner::Generation* generation = Current(incarnation, step);
    if (generation == nullptr) return Probe("result of another step");
    RefreshRules(*generation);
    Receipt receipt;
    const absl::Status status = generation->control.Receive(
        lease, trajectory, generation->rules, receipt);
    if (!status.ok()) return Stop(status);
    CountReceipt(receipt);
    if (receipt.kind == Receipt::Kind::kAccepted)
      Accepted(incarnation, step, trajectory);
  }
  void LeaseEnded(uint64_t incarnation, uint64_t step, uint64_t lease,
                  const absl::Status& status) override {
    Learner::Generation* generation = Current(incarnation, step);
    if (generation == nullptr) return;
    int returned = 0;
    const absl::Status ended =
        generation->control.Ended(lease, status, agenda_.now(), returned);
    if (returned > 0) Probe("lease ended early");
    if (!ended.ok()) Stop(ended);
  }

 private:
  void Probe(const std::string& name) { ++history_.probes[name]; }
  void Stop(const absl::Status& status) {
    if (history_.stopped.empty()) history_.stopped = status.ToString();
  }

  void Every(absl::Duration interval, std::function<void()> task) {
    agenda_.After(interval, [this, interval, task] {
      task();
      Every(interval, task);
    });
  }

  // -- The learner's process.
  void Boot() {
    const uint64_t step = tables_.checkpoint_step;
    std::erase_if(tables_.committed, [&](uint64_t s) { return s >= step; });
    std::erase_if(tables_.manifests, [&](uint64_t s) { return s >= step; });
    std::erase_if(tables_.published,
                  [&](const auto& p) { return p.first > step; });
    // A run's first record, waited for.
    tables_.published[step] = tables_.checkpoint_weights;
    learner_ = std::make_unique<Learner>(
        Membership::Limits{.heartbeat_timeout = shape_.timeout}, shape_,
        tables_, ++epoch_);
    truth_.clear();
    Publish(step, /*commit_durable=*/true);
  }

  void Crash() {
    if (!learner_) return;
    ++history_.faults;
    Probe(learner_->training ? "crash in a step" : "crash between steps");
    if (disk_.pending() > 0) Probe("crash with unsynced records");
    learner_.reset();
    disk_.Crash(chance_.Whole(0, static_cast<int>(disk_.pending())));
    agenda_.After(chance_.Seconds(1, 40), [this] { Boot(); });
  }

  Learner::Generation* Current(uint64_t incarnation, uint64_t step) {
    if (!learner_ || learner_->epoch != incarnation) return nullptr;
    if (!learner_->generation || learner_->generation->step != step)
      return nullptr;
    return &*learner_->generation;
  }

  void Drive() {
    if (!learner_) return;
    learner_->members.Expire(agenda_.now());
    CountTransitions();
    OpenStep();
    if (learner_->generation) RunGeneration(*learner_->generation);
    history_.max_open_steps = std::max<uint64_t>(
        history_.max_open_steps, learner_->next_step +
                                     learner_->generation.has_value() -
                                     learner_->version);
    if (!learner_->training && !learner_->batches.empty()) Train();
  }

  void OpenStep() {
    Learner& l = *learner_;
    if (l.generation || !l.gate.AwaitTurn(l.next_step, absl::InfinitePast()))
      return;
    std::vector<learner::GenerationSchedule::Prompt> prompts;
    for (int i = 0; i < shape_.prompts; ++i) {
      const uint64_t cursor = l.next_step * shape_.prompts + i;
      prompts.push_back({.cursor = cursor,
                         .token_ids = {1 + static_cast<int32_t>(cursor % 97)},
                         .samples = shape_.samples});
    }
    l.generation.emplace(Learner::Generation{
        .step = l.next_step,
        .control =
            LeaseControl({.lease = shape_.lease, .max_attempts = kMaxAttempts},
                         kRunId, std::move(prompts), /*await_durable=*/true),
        .rules = {}});
    RefreshRules(*l.generation);
    for (auto& [id, row] : tables_.accepted[l.next_step]) {
      const bool used =
          l.generation->control.Restore(row.trajectory, l.generation->rules)
              .ok();
      Probe(used ? "restored" : "not restored");
    }
  }

  void RefreshRules(Learner::Generation& generation) {
    generation.rules.min_policy_version =
        learner_->gate.OldestVersion(generation.step);
    generation.rules.max_policy_version = learner_->version;
    generation.rules.published = &learner_->published;
    generation.rules.vocab_size = 2000000;
    generation.control.Reconsider(generation.rules);
  }

  void RunGeneration(Learner::Generation& generation) {
    RefreshRules(generation);
    Learner& l = *learner_;
    for (const learner::RevokedLease& lease :
         generation.control.Revoke(l.members.workers(), agenda_.now()))
      Probe(lease.reason);
    for (learner::Lease& lease : generation.control.Grant(
             l.members.Usable(generation.rules.min_policy_version),
             agenda_.now())) {
      RecordGrant(generation, lease);
      SendLease(generation.step, lease);
    }
    if (!generation.control.complete()) return;
    std::vector<v1::Trajectory> batch = generation.control.TakeAll();
    for (const v1::Trajectory& t : batch)
      RecordAcknowledged(generation.step, t);
    l.batches.emplace_back(generation.step, std::move(batch));
    l.generation.reset();
    ++l.next_step;
  }

  void SendLease(uint64_t step, learner::Lease& lease) {
    SimulatedWorker* to = FindWorker(lease.worker.id);
    LeaseMessage message{learner_->epoch, step, lease.id,
                         std::move(lease.prompts)};
    if (chance_.Happens(faults_.drop)) return Probe("lease lost on the way");
    agenda_.After(chance_.Seconds(0.01, 0.5),
                  [to, message] { to->Deliver(message); });
  }

  void Accepted(uint64_t incarnation, uint64_t step, const v1::Trajectory& t) {
    ++history_.accepted;
    disk_.Append(
        [this, step, t, incarnation] {
          Tables::Row& row = tables_.accepted[step][t.id()];
          if (row.epoch == incarnation)
            Stop(absl::InternalError("accepted twice in one epoch"));
          row = {t, incarnation};
        },
        [this, step, incarnation, id = t.id()] {
          if (auto* generation = Current(incarnation, step))
            generation->control.Durable(id);
        });
  }

  void Train() {
    Learner& l = *learner_;
    auto [step, batch] = std::move(l.batches.front());
    l.batches.pop_front();
    l.training = true;
    const auto manifest = learner::MakeBatchManifest(
        batch,
        {.step = step,
         .policy_version = step,
         .staleness = shape_.staleness,
         .next_cursor = (step + 1) * shape_.prompts,
         .samples = static_cast<size_t>(shape_.prompts * shape_.samples)});
    if (!manifest.ok()) return Stop(manifest.status());
    const absl::Status chosen = l.order.Choose(step);
    if (!chosen.ok()) return Stop(chosen);
    disk_.Append(
        [this, step = step] { tables_.manifests.insert(step); },
        [this, step = step, batch = std::move(batch)] { Update(step, batch); });
  }

  void Update(uint64_t step, const std::vector<v1::Trajectory>& batch) {
    simulation::Update update;
    update.step = step;
    update.manifest_durable = tables_.manifests.contains(step);
    for (const v1::Trajectory& t : batch) update.batch.push_back(Reduced(t));
    InThisLife(shape_.update * chance_.Real(0.5, 1.5), [this, update] {
      auto made = update;
      made.weights_after = learner_->weights =
          UpdatedWeights(learner_->weights, made.batch);
      history_.updates.push_back(made);
      Commit(made.step);
    });
  }

  void Commit(uint64_t step) {
    const absl::Status committed = learner_->order.Commit(step);
    if (!committed.ok()) return Stop(committed);
    const absl::Status published = learner_->order.Publish(step + 1);
    if (!published.ok()) return Stop(published);
    disk_.Append([this, step] { tables_.committed.insert(step); }, [] {});
    disk_.Append(
        [this, step, weights = learner_->weights] {
          tables_.published[step + 1] = weights;
        },
        [this, step] {
          Publish(step + 1, tables_.committed.contains(step));
          last_step_ = agenda_.now();
          Checkpoint(step + 1);
        });
  }

  void Publish(uint64_t version, bool commit_durable) {
    Learner& l = *learner_;
    history_.publications.push_back({version, l.weights, commit_durable});
    l.version = version;
    l.published[version] = l.weights;
    l.members.SetPublished(version, l.weights);
    l.gate.Published(version);
    for (auto& worker : workers_) {
      if (chance_.Happens(faults_.drop * 2)) continue;  // it will fetch
      agenda_.After(chance_.Seconds(0.1, 3),
                    [to = worker.get(), version, weights = l.weights] {
                      to->Push(version, weights);
                    });
    }
  }

  void Checkpoint(uint64_t steps) {
    if (steps % shape_.checkpoint_every != 0) {
      learner_->training = false;
      return;
    }
    InThisLife(chance_.Seconds(0.5, 5), [this, steps] {
      tables_.checkpoint_step = steps;
      tables_.checkpoint_weights = learner_->weights;
      const absl::Status cut = learner_->order.Cut(steps);
      if (!cut.ok()) return Stop(cut);
      learner_->training = false;
    });
  }

  void InThisLife(absl::Duration delay, std::function<void()> task) {
    agenda_.After(delay, [this, epoch = learner_->epoch, task] {
      if (learner_ && learner_->epoch == epoch) task();
    });
  }

  void SyncLater() {
    agenda_.After(chance_.Seconds(0.02, 1), [this] {
      const int pending = static_cast<int>(disk_.pending());
      // A group commit takes what was there when it began.
      disk_.Sync(pending > 0 ? chance_.Whole(1, pending) : 0);
      SyncLater();
    });
  }

  // -- Faults.
  void ScheduleFaults() {
    Repeat(faults_.kill_seconds, [this] { Anyone().Kill(); });
    Repeat(faults_.pause_seconds,
           [this] { Anyone().Pause(chance_.Seconds(1, 120)); });
    Repeat(faults_.cut_seconds,
           [this] { Anyone().Cut(chance_.Seconds(1, 120)); });
    Repeat(4 * faults_.kill_seconds, [this] { Anyone().Drain(); });
    Repeat(faults_.crash_seconds, [this] { Crash(); });
  }
  void Repeat(double mean_seconds, std::function<void()> fault) {
    agenda_.After(chance_.Seconds(0, 2 * mean_seconds),
                  [this, mean_seconds, fault] {
                    if (healed_) return;
                    ++history_.faults;
                    fault();
                    Repeat(mean_seconds, fault);
                  });
  }
  SimulatedWorker& Anyone() {
    return *workers_[chance_.Whole(0, shape_.workers - 1)];
  }
  void Heal() {
    healed_ = true;
    faults_ = {};
    last_step_ = agenda_.now();
    Every(absl::Seconds(10), [this] {
      history_.stuck_seconds =
          std::max<uint64_t>(history_.stuck_seconds,
                             absl::ToInt64Seconds(agenda_.now() - last_step_));
    });
  }

  // -- What the checker will be told.
  void CountReceipt(const Receipt& receipt) {
    constexpr const char* kNames[] = {"accepted", "duplicate", "conflict",
                                      "late result", "refused"};
    Probe(kNames[static_cast<int>(receipt.kind)]);
  }
  void CountTransitions() {
    for (const learner::WorkerTransition& t :
         learner_->members.TakeTransitions())
      Probe(absl::StrCat("worker ", learner::WorkerStateName(t.to)));
  }
  void RecordGrant(const Learner::Generation& generation,
                   const learner::Lease& lease) {
    Grant grant{.worker = lease.worker.id,
                .oldest_allowed = generation.rules.min_policy_version};
    auto told = truth_.find(lease.worker.id);
    if (told != truth_.end()) {
      const auto& [beat, when] = told->second;
      grant.registered = beat.epoch == lease.worker.epoch &&
                         agenda_.now() - when <= shape_.timeout + kTick;
      grant.draining = beat.draining;
      grant.version = beat.policy_version;
      auto published = learner_->published.find(beat.policy_version);
      grant.published = beat.has_weights &&
                        published != learner_->published.end() &&
                        published->second == beat.weights_digest;
    }
    grant.outstanding =
        generation.control.schedule().OutstandingAt(lease.worker.id);
    // Whole groups are given, so the last one may go over.
    grant.limit = 3 * lease.worker.slots + shape_.samples;
    history_.grants.push_back(grant);
  }
  void RecordAcknowledged(uint64_t step, const v1::Trajectory& t) {
    auto rows = tables_.accepted.find(step);
    const bool durable =
        rows != tables_.accepted.end() && rows->second.contains(t.id());
    history_.acknowledged.push_back(
        {step, t.id(), t.response_token_ids(0), durable});
  }
  static Response Reduced(const v1::Trajectory& t) {
    return {.cursor = t.seed_key().prompt_cursor(),
            .sample = t.seed_key().sample_index(),
            .id = t.id(),
            .token = t.response_token_ids(0),
            .version = t.versions(0).policy_version()};
  }
  void Close() {
    for (const auto& [step, rows] : tables_.accepted) {
      for (const auto& [id, row] : rows)
        history_.ledger[{step, id}] = row.trajectory.response_token_ids(0);
    }
    history_.committed.assign(tables_.committed.begin(),
                              tables_.committed.end());
  }
  SimulatedWorker* FindWorker(const std::string& id) {
    for (auto& worker : workers_)
      if (worker->id() == id) return worker.get();
    return nullptr;
  }

  Chance chance_;
  const Shape shape_;
  Faults faults_;
  Agenda agenda_;
  Disk disk_;
  Tables tables_;
  History history_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::unique_ptr<Learner> learner_;
  uint64_t epoch_ = 0;
  // Each worker's last heartbeat that the learner took, and when.
  std::map<std::string, std::pair<learner::WorkerHeartbeat, absl::Time>> truth_;
  bool healed_ = false;
  absl::Time last_step_ = absl::UnixEpoch();
};

}  // namespace

History RunCluster(uint64_t seed) { return Cluster(seed).Run(); }

}  // namespace operant::simulation
