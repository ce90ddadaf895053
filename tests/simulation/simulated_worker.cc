#include "tests/simulation/simulated_worker.h"

#include <utility>

#include "tests/simulation/checker.h"

namespace operant::simulation {

SimulatedWorker::SimulatedWorker(std::string id, Agenda* agenda, Chance* chance,
                                 const Faults* faults, LearnerLink* learner,
                                 absl::Duration heartbeat)
    : id_(std::move(id)),
      agenda_(agenda),
      chance_(chance),
      faults_(faults),
      learner_(learner),
      heartbeat_(heartbeat),
      slots_(chance->Whole(1, 4)) {}

void SimulatedWorker::Later(absl::Duration delay, Agenda::Task task) {
  agenda_->After(delay, [this, life = life_, task = std::move(task)] {
    if (life != life_) return;
    if (agenda_->now() < asleep_until_)
      return Later(asleep_until_ - agenda_->now(), task);
    task();
  });
}

void SimulatedWorker::Send(Agenda::Task task, bool twice) {
  if (agenda_->now() < cut_until_ || chance_->Happens(faults_->drop)) return;
  // A message goes on when its sender dies.
  agenda_->After(chance_->Seconds(0.01, 0.5), task);
  if (twice) agenda_->After(chance_->Seconds(0.01, 30), std::move(task));
}

void SimulatedWorker::Start() {
  ++life_;
  epoch_ = 0;
  draining_ = false;
  weights_ = {};
  Later(chance_->Seconds(0.1, 3), [this] { Join(); });
}

void SimulatedWorker::Kill() { Start(); }

void SimulatedWorker::Pause(absl::Duration pause) {
  asleep_until_ = agenda_->now() + pause;
}

void SimulatedWorker::Cut(absl::Duration cut) {
  cut_until_ = agenda_->now() + cut;
}

void SimulatedWorker::Drain() {
  draining_ = true;
  Later(chance_->Seconds(20, 60), [this] {
    Send([this, epoch = epoch_] { learner_->Leave(id_, epoch); });
    Start();
  });
}

void SimulatedWorker::Join() {
  Send([this, life = life_] {
    const auto epoch = learner_->Register(id_, slots_);
    if (life == life_ && epoch.ok()) epoch_ = *epoch;
  });
  Later(heartbeat_, [this] { epoch_ == 0 ? Join() : Beat(); });
}

void SimulatedWorker::Beat() {
  learner::WorkerHeartbeat beat{.id = id_,
                                .epoch = epoch_,
                                .has_weights = weights_.any,
                                .policy_version = weights_.version,
                                .weights_digest = weights_.digest,
                                .draining = draining_};
  Send([this, beat, life = life_] {
    const absl::Status answer = learner_->Heartbeat(beat);
    if (life != life_) return;
    if (absl::IsNotFound(answer)) epoch_ = 0;
    if (answer.ok()) CatchUp();
  });
  Later(heartbeat_, [this] { epoch_ == 0 ? Join() : Beat(); });
}

void SimulatedWorker::CatchUp() {
  Later(chance_->Seconds(0.1, 2), [this] {
    uint64_t version;
    std::string weights;
    if (learner_->Newest(version, weights)) Push(version, weights);
  });
}

void SimulatedWorker::Push(uint64_t version, const std::string& weights) {
  if (agenda_->now() < asleep_until_) return;
  weights_ = {version, weights, true};
}

void SimulatedWorker::Deliver(LeaseMessage lease) {
  if (!weights_.any || chance_->Happens(faults_->fail)) {
    return Send([this, lease] {
      learner_->LeaseEnded(lease.incarnation, lease.step, lease.lease,
                           absl::UnavailableError("refused"));
    });
  }
  absl::Duration at;
  for (size_t p = 0; p < lease.prompts.size(); ++p) {
    for (int s = 0; s < lease.prompts[p].sample_indices_size(); ++s)
      Sample(lease, p, s, at += chance_->Seconds(0.2, 4));
  }
  Later(at + absl::Milliseconds(600), [this, lease] {
    Send([this, lease] {
      learner_->LeaseEnded(lease.incarnation, lease.step, lease.lease,
                           absl::OkStatus());
    });
  });
}

void SimulatedWorker::Sample(const LeaseMessage& lease, size_t prompt,
                             int sample, absl::Duration after) {
  Later(after, [this, lease, prompt, sample] {
    v1::Trajectory trajectory = Draw(lease.prompts[prompt], sample);
    if (chance_->Happens(faults_->forge)) Forge(trajectory);
    Send(
        [this, lease, trajectory] {
          learner_->Result(lease.incarnation, lease.step, lease.lease,
                           trajectory);
        },
        chance_->Happens(faults_->duplicate));
  });
}

v1::Trajectory SimulatedWorker::Draw(const v1::PromptRequest& prompt,
                                     int sample) {
  v1::Trajectory t;
  t.set_id(prompt.trajectory_ids(sample));
  t.mutable_seed_key()->set_prompt_cursor(prompt.prompt_cursor());
  t.mutable_seed_key()->set_sample_index(prompt.sample_indices(sample));
  *t.mutable_prompt_token_ids() = prompt.prompt_token_ids();
  t.add_response_token_ids(DrawnToken(
      prompt.prompt_cursor(), prompt.sample_indices(sample), weights_.digest));
  t.add_response_logprobs(-1);
  t.set_finish(v1::FINISH_REASON_LENGTH);
  v1::VersionSpan* span = t.add_versions();
  span->set_policy_version(weights_.version);
  span->set_tokens(1);
  t.set_weights_digest(weights_.digest);
  t.set_worker_id(id_);
  return t;
}

// What a broken or hostile worker may send.
void SimulatedWorker::Forge(v1::Trajectory& t) {
  switch (chance_->Whole(0, 6)) {
    case 0:  // honest sample of weights that nobody published
      t.set_weights_digest("forged");
      t.set_response_token_ids(
          0, DrawnToken(t.seed_key().prompt_cursor(),
                        t.seed_key().sample_index(), "forged"));
      break;
    case 1:
      t.mutable_versions(0)->set_policy_version(weights_.version + 1);
      break;
    case 2:
      t.mutable_versions(0)->set_policy_version(
          weights_.version - std::min<uint64_t>(weights_.version, 1));
      break;
    case 3:
      t.set_response_logprobs(0, 1);
      break;
    case 4:
      t.set_prompt_token_ids(0, t.prompt_token_ids(0) + 1);
      break;
    case 5:
      t.mutable_seed_key()->set_sample_index(t.seed_key().sample_index() + 1);
      break;
    case 6:
      t.clear_response_token_ids();
      break;
  }
}

}  // namespace operant::simulation
