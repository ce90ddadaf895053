// How this process is a rank: who it is, and the collective of its group.
#ifndef OPERANT_LEARNER_RANK_GROUP_H_
#define OPERANT_LEARNER_RANK_GROUP_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/metrics.h"
#include "learner/collective.h"
#include "learner/rank_roster.h"
#include "learner/trace_writer.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// `config` is resolved; `model_digest` that of the model in training.
RankIdentity ThisRank(const v1::RunConfig& config, int rank,
                      const std::string& model_digest);

// What of a configuration changes what is computed: ranks must agree on it,
// while addresses, logs and reward servers are each process's own.
std::string RankConfigYaml(const v1::RunConfig& config);

RankRoster::Limits RosterLimits(const v1::LearnerSection& learner);

// The name of the collective that this machine's ranks would meet over. Errors:
// FailedPrecondition (learner.device or learner.collective cannot be had here).
absl::StatusOr<std::string> RankCollective(const v1::LearnerSection& learner);

// The address of this machine from which `peer` (host:port) is reached: where
// its peers reach it, too. Errors: InvalidArgument, Unavailable (no route or no
// such name).
absl::StatusOr<std::string> LocalHostTowards(const std::string& peer);

// What learner.trace asks for; null: nothing.
absl::StatusOr<std::unique_ptr<TraceWriter>> OpenTrace(
    const v1::LearnerSection& learner, int rank);

// What becomes of every exchange: metrics, and a span of `trace` if there is
// one. Neither is owned.
std::function<void(const ExchangeSpan&)> ObserveExchanges(
    MetricRegistry* metrics, TraceWriter* trace);

// Meets the other ranks of `group` in `rendezvous`, at `host`. Errors: those of
// CreateCollective.
absl::StatusOr<std::unique_ptr<Collective>> MeetRanks(
    const v1::LearnerSection& learner, int rank, const std::string& group,
    const std::string& host, Rendezvous* rendezvous,
    std::function<void(const ExchangeSpan&)> observe);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_GROUP_H_
