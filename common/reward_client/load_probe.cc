#include "common/reward_client/load_probe.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/reward_client/conformance_items.h"
#include "common/reward_client/score_request.h"
#include "common/reward_client/server_info.h"

namespace operant {
namespace {

constexpr int kMostCalls = 16;

// What one caller saw.
struct Calls {
  std::vector<double> milliseconds;
  int failed = 0;
};

v1::ScoreRequest MakeRequest(const ConformanceOptions& options,
                             const v1::GetInfoResponse& info, int batch_items) {
  const std::vector<v1::ScoreItem> items =
      options.items.empty() ? SampleItems(batch_items) : options.items;
  v1::ScoreRequest request;
  request.set_run_id("reward-check");
  for (int i = 0; i < batch_items; ++i) {
    v1::ScoreItem& item = *request.add_items();
    item = ItemFor(info, items[i % items.size()]);
    item.set_id(absl::StrCat("load-", i));
  }
  return request;
}

Calls CallUntil(absl::Time end, const ConformanceOptions& options,
                v1::ScoreRequest request, RewardStub& stub) {
  size_t tokens = 0;
  for (const v1::ScoreItem& item : request.items()) {
    tokens += item.response_token_ids_size();
  }
  Calls calls;
  for (int i = 0; absl::Now() < end; ++i) {
    request.set_request_id(absl::StrCat("load-", i));
    const absl::Time start = absl::Now();
    const bool ok = stub.Score(request, tokens, options.deadline).ok();
    calls.milliseconds.push_back(
        absl::ToDoubleMilliseconds(absl::Now() - start));
    if (!ok) ++calls.failed;
  }
  return calls;
}

double Quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<size_t>(q *
                                    static_cast<double>(sorted.size() - 1))];
}

}  // namespace

LoadRow ProbeLoad(const ConformanceOptions& options,
                  const v1::GetInfoResponse& info, int batch_items,
                  RewardStub& stub) {
  const v1::ScoreRequest request = MakeRequest(options, info, batch_items);
  std::vector<Calls> seen(CallsAtOnce(info, kMostCalls));
  const absl::Time start = absl::Now();
  std::vector<std::thread> callers;
  for (Calls& calls : seen) {
    callers.emplace_back([&] {
      calls = CallUntil(start + options.load_time, options, request, stub);
    });
  }
  for (std::thread& caller : callers) caller.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);

  LoadRow row;
  row.batch_items = batch_items;
  std::vector<double> all;
  for (const Calls& calls : seen) {
    all.insert(all.end(), calls.milliseconds.begin(), calls.milliseconds.end());
    row.failed_calls += calls.failed;
  }
  std::sort(all.begin(), all.end());
  const auto answered = static_cast<double>(all.size()) - row.failed_calls;
  row.items_per_second = answered * batch_items / seconds;
  row.p50_ms = Quantile(all, 0.5);
  row.p99_ms = Quantile(all, 0.99);
  return row;
}

}  // namespace operant
