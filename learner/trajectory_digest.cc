#include "learner/trajectory_digest.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "common/base/digest.h"

namespace operant::learner {
namespace {

// Numbers as their bytes: the workers and the learner of a run share a byte
// order (the weights travel as bytes as well).
class Writer {
 public:
  template <typename T>
  void Put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void Put(const std::string& text) {
    Put<uint64_t>(text.size());
    bytes_ += text;
  }
  template <typename Repeated>
  void PutAll(const Repeated& values) {
    Put<uint64_t>(values.size());
    for (const auto value : values) Put(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace

std::string TrajectoryDigest(const v1::Trajectory& t) {
  Writer writer;
  writer.Put(t.id());
  writer.Put<uint64_t>(t.seed_key().run_seed());
  writer.Put<uint64_t>(t.seed_key().prompt_cursor());
  writer.Put<uint32_t>(t.seed_key().sample_index());
  writer.PutAll(t.prompt_token_ids());
  writer.PutAll(t.response_token_ids());
  writer.PutAll(t.response_logprobs());
  writer.Put<int32_t>(t.finish());
  for (const v1::VersionSpan& span : t.versions()) {
    writer.Put<uint64_t>(span.policy_version());
    writer.Put<uint32_t>(span.tokens());
  }
  writer.Put(t.weights_digest());
  return Sha256(writer.bytes());
}

}  // namespace operant::learner
