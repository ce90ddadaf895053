#include "common/reward_client/score_cache.h"

#include "common/base/digest.h"
#include "common/reward_client/server_info.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace operant {

bool IsCacheable(const v1::GetInfoResponse& info) {
  return info.deterministic() &&
         !HasNeed(info, v1::GetInfoResponse::WHOLE_GROUP);
}

std::string CacheKey(const v1::ScoreItem& item) {
  v1::ScoreItem content = item;
  content.clear_id();
  content.clear_group_id();
  content.clear_sample_index();
  content.clear_policy_version();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);  // metadata is a map
    content.SerializeToCodedStream(&out);
  }
  return Xxh3(bytes);
}

std::optional<ItemAnswer> ScoreCache::Find(const std::string& key) const {
  absl::MutexLock lock(&mu_);
  const auto found = answers_.find(key);
  if (found == answers_.end()) return std::nullopt;
  return found->second;
}

void ScoreCache::Remember(const std::string& key, const ItemAnswer& answer) {
  if (!answer.status.ok() || capacity_ == 0) return;
  absl::MutexLock lock(&mu_);
  if (!answers_.insert_or_assign(key, answer).second) return;
  by_age_.push_back(key);
  if (by_age_.size() <= capacity_) return;
  answers_.erase(by_age_.front());
  by_age_.pop_front();
}

void ScoreCache::Clear() {
  absl::MutexLock lock(&mu_);
  answers_.clear();
  by_age_.clear();
}

}  // namespace operant
