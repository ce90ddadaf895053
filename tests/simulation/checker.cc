#include "tests/simulation/checker.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace operant::simulation {
namespace {

// A learner with a healthy worker takes a step in this many simulated seconds.
constexpr uint64_t kLivenessSeconds = 600;

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  hash ^= hash >> 31;
  return hash * 0xbf58476d1ce4e5b9;
}

uint64_t HashOf(const std::string& text) {
  uint64_t hash = 1469598103934665603u;
  for (unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

class Check {
 public:
  explicit Check(const History& history) : h_(history) {}

  std::vector<std::string> Run() {
    Lineage();
    Updates();
    Publications();
    Acknowledgements();
    Grants();
    Bounds();
    return std::move(found_);
  }

 private:
  void Fail(const std::string& what) { found_.push_back(what); }
  static std::string Of(uint64_t step) {
    return " in step " + std::to_string(step);
  }

  // The last update of each committed step makes the model: 0, 1, 2, ...
  void Lineage() {
    for (const Update& update : h_.updates) final_[update.step] = &update;
    for (uint64_t step = 0; step < h_.committed.size(); ++step) {
      if (h_.committed[step] != step) Fail("I1 committed steps have a hole");
      if (!final_.contains(step)) Fail("I1 a committed step was never made");
    }
    weights_[0] = h_.first_weights;
    for (const auto& [step, update] : final_) {
      if (!weights_.contains(step)) return Fail("I1 a step was left out");
      weights_[step + 1] = UpdatedWeights(weights_[step], update->batch);
      if (weights_[step + 1] != update->weights_after)
        Fail("I3 the model is not what its batches make" + Of(step));
    }
  }

  void Updates() {
    for (const Update& update : h_.updates) {
      if (!update.manifest_durable)
        Fail("I8 updated before the manifest was durable" + Of(update.step));
    }
    for (const auto& [step, update] : final_) {
      ExactBatch(*update);
      for (const Response& r : update->batch) TrainedResponse(step, r);
    }
  }

  // Every sample of the step's prompts, once, in order.
  void ExactBatch(const Update& update) {
    const uint64_t expected = h_.prompts * h_.samples;
    if (update.batch.size() != expected)
      return Fail("I1 a batch has " + std::to_string(update.batch.size()) +
                  " of " + std::to_string(expected) + Of(update.step));
    for (uint64_t i = 0; i < expected; ++i) {
      const Response& r = update.batch[i];
      const uint64_t cursor = update.step * h_.prompts + i / h_.samples;
      if (r.cursor != cursor || r.sample != i % h_.samples)
        Fail("I1 another response stands in a sample's place" +
             Of(update.step));
      if (!ids_.insert(r.id).second)
        Fail("I1 trajectory " + r.id + " is used twice");
    }
  }

  void TrainedResponse(uint64_t step, const Response& r) {
    if (r.version > step || r.version + h_.staleness < step)
      Fail("I7 version " + std::to_string(r.version) + " was trained" +
           Of(step));
    auto weights = weights_.find(r.version);
    if (weights == weights_.end() ||
        r.token != DrawnToken(r.cursor, r.sample, weights->second))
      Fail("I2 a response is not of the weights that it names" + Of(step));
    auto row = h_.ledger.find({step, r.id});
    if (row == h_.ledger.end() || row->second != r.token)
      Fail("I1 what was trained is not what the ledger holds" + Of(step));
  }

  void Publications() {
    for (const Publication& p : h_.publications) {
      if (!p.commit_durable)
        Fail("I8 version " + std::to_string(p.version) +
             " was published before its step was durable");
      auto weights = weights_.find(p.version);
      if (weights != weights_.end() && weights->second != p.weights)
        Fail("I3 version " + std::to_string(p.version) +
             " has two sets of weights");
    }
  }

  // Never lost: it is in the model, as it was acknowledged.
  void Acknowledgements() {
    for (const Acknowledged& a : h_.acknowledged) {
      if (!a.durable)
        Fail("I8 trajectory " + a.id + " counted before it was durable");
      auto row = h_.ledger.find({a.step, a.id});
      if (row == h_.ledger.end())
        Fail("I1 trajectory " + a.id + " was acknowledged and is lost");
      else if (row->second != a.token)
        Fail("I1 trajectory " + a.id + " was acknowledged and has changed");
    }
  }

  void Grants() {
    for (const Grant& g : h_.grants) {
      if (!g.registered) Fail("I11 a lost worker was given samples");
      if (g.draining) Fail("I11 a draining worker was given samples");
      if (!g.published)
        Fail("I2 a worker without the published weights was given samples");
      if (g.version < g.oldest_allowed)
        Fail("I7 a stale worker was given samples");
      if (g.outstanding > g.limit)
        Fail("I10 a worker holds " + std::to_string(g.outstanding) + " of " +
             std::to_string(g.limit));
    }
  }

  void Bounds() {
    if (h_.max_open_steps > h_.staleness + 1)
      Fail("I10 " + std::to_string(h_.max_open_steps) + " steps were open");
    if (h_.stuck_seconds > kLivenessSeconds)
      Fail("I11 no step for " + std::to_string(h_.stuck_seconds) +
           " s after all had healed");
    if (!h_.stopped.empty()) Fail("I12 the run stopped: " + h_.stopped);
  }

  const History& h_;
  std::vector<std::string> found_;
  std::map<uint64_t, const Update*> final_;
  std::map<uint64_t, std::string> weights_;  // by version
  std::set<std::string> ids_;
};

}  // namespace

int32_t DrawnToken(uint64_t cursor, uint32_t sample,
                   const std::string& weights) {
  const uint64_t drawn = Mix(Mix(HashOf(weights), cursor), sample);
  return 1 + static_cast<int32_t>(drawn % 1000000);
}

std::string UpdatedWeights(const std::string& weights,
                           const std::vector<Response>& batch) {
  uint64_t hash = HashOf(weights);
  for (const Response& r : batch) hash = Mix(hash, r.token);
  return std::to_string(hash);
}

std::vector<std::string> Violations(const History& history) {
  return Check(history).Run();
}

}  // namespace operant::simulation
