#include "tests/common/reward_client/bad_answers.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace operant::testing {
namespace {

using Outcome = AnswerOutcome;
using SpoilItem = std::function<void(v1::ScoreResult&)>;
using SpoilAll = std::function<void(v1::ScoreResponse&)>;

constexpr int kPlaces[] = {0, 1, 4, 7};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

class Shapes {
 public:
  // The same fault at each of four places of the batch.
  void Item(const std::string& name, Outcome cause, const SpoilItem& spoil) {
    for (int place : kPlaces) {
      shapes_.push_back({absl::StrCat(name, " at ", place), cause, place,
                         [=](v1::ScoreResponse& response) {
                           spoil(*response.mutable_results(place));
                           return grpc::Status::OK;
                         }});
    }
  }
  // At each place too, but it condemns the whole answer.
  void ItemForAll(const std::string& name, Outcome cause,
                  const std::function<void(v1::ScoreResponse&, int)>& spoil) {
    for (int place : kPlaces) {
      All(absl::StrCat(name, " at ", place), cause,
          [=](v1::ScoreResponse& response) { spoil(response, place); });
    }
  }
  void All(const std::string& name, Outcome cause, const SpoilAll& spoil) {
    shapes_.push_back({name, cause, -1, [=](v1::ScoreResponse& response) {
                         spoil(response);
                         return grpc::Status::OK;
                       }});
  }
  void Call(int code, Outcome cause) {
    shapes_.push_back(
        {absl::StrCat("status ", code), cause, -1, [=](v1::ScoreResponse&) {
           return grpc::Status(static_cast<grpc::StatusCode>(code), "no");
         }});
  }
  std::vector<BadAnswer> Take() { return std::move(shapes_); }

 private:
  std::vector<BadAnswer> shapes_;
};

void AddScores(Shapes& shapes) {
  for (double value : {kNan, -kNan, kInf, -kInf}) {
    shapes.Item(absl::StrCat("score ", value), Outcome::kNonFinite,
                [=](v1::ScoreResult& r) { r.set_score(value); });
  }
  for (double value : {1e308, -1e308, 1e7, 1.0000001, -1e-9,
                       -std::numeric_limits<double>::denorm_min()}) {
    shapes.Item(absl::StrCat("score ", value), Outcome::kOutOfRange,
                [=](v1::ScoreResult& r) { r.set_score(value); });
  }
}

void AddIds(Shapes& shapes) {
  const auto rename = [&](const std::string& name,
                          std::string (*change)(const std::string&)) {
    shapes.ItemForAll(name, Outcome::kBadId,
                      [=](v1::ScoreResponse& r, int place) {
                        v1::ScoreResult& result = *r.mutable_results(place);
                        result.set_id(change(result.id()));
                      });
  };
  rename("empty id", [](const std::string&) { return std::string(); });
  rename("foreign id", [](const std::string&) { return std::string("other"); });
  rename("longer id", [](const std::string& id) { return id + " "; });
  rename("shorter id", [](const std::string& id) { return id.substr(1); });
  rename("other case",
         [](const std::string& id) { return "I" + id.substr(1); });
  shapes.ItemForAll("missing", Outcome::kBadId,
                    [](v1::ScoreResponse& r, int place) {
                      r.mutable_results()->DeleteSubrange(place, 1);
                    });
  shapes.ItemForAll("twice", Outcome::kBadId,
                    [](v1::ScoreResponse& r, int place) {
                      const v1::ScoreResult again = r.results(place);
                      *r.add_results() = again;
                    });
  shapes.ItemForAll(
      "in place of another", Outcome::kBadId,
      [](v1::ScoreResponse& r, int place) {
        r.mutable_results(place)->set_id(r.results((place + 1) % 8).id());
      });
  shapes.ItemForAll("one too many", Outcome::kBadId,
                    [](v1::ScoreResponse& r, int place) {
                      r.add_results()->set_id(absl::StrCat("x", place));
                    });
  shapes.All("empty", Outcome::kBadId,
             [](v1::ScoreResponse& r) { r.clear_results(); });
  shapes.All("everything twice", Outcome::kBadId, [](v1::ScoreResponse& r) {
    const v1::ScoreResponse again = r;
    r.mutable_results()->MergeFrom(again.results());
  });
  for (const char* id : {"", "other", "1-double-", "\n"}) {
    shapes.All(absl::StrCat("request_id ", id), Outcome::kBadId,
               [=](v1::ScoreResponse& r) { r.set_request_id(id); });
  }
}

void AddOutcomes(Shapes& shapes) {
  shapes.Item("no outcome", Outcome::kMalformed,
              [](v1::ScoreResult& r) { r.clear_outcome(); });
  shapes.Item("score and ignore", Outcome::kMalformed,
              [](v1::ScoreResult& r) { r.set_ignore(true); });
  shapes.Item("error and ignore", Outcome::kMalformed, [](v1::ScoreResult& r) {
    r.mutable_error()->set_code(3);
    r.set_ignore(true);
  });
  for (uint32_t code : {0u, 17u, 200u, ~0u}) {
    shapes.Item(absl::StrCat("item error ", code), Outcome::kMalformed,
                [=](v1::ScoreResult& r) { r.mutable_error()->set_code(code); });
  }
  for (uint32_t code = 1; code <= 16; ++code) {
    shapes.Item(absl::StrCat("item error ", code), Outcome::kItemError,
                [=](v1::ScoreResult& r) { r.mutable_error()->set_code(code); });
  }
}

void AddParts(Shapes& shapes) {
  const auto component = [&](const std::string& name, double value) {
    shapes.Item(
        absl::StrCat("component ", name, "=", value), Outcome::kMalformed,
        [=](v1::ScoreResult& r) { (*r.mutable_components())[name] = value; });
  };
  component("undeclared", 1);
  component("", 1);
  component("part", kNan);
  component("part", kInf);
  const auto token = [&](uint32_t begin, uint32_t end, float value) {
    shapes.Item(absl::StrCat("token reward ", begin, "-", end, "=", value),
                Outcome::kMalformed, [=](v1::ScoreResult& r) {
                  v1::TokenReward& reward = *r.add_token_rewards();
                  reward.set_begin(begin);
                  reward.set_end(end);
                  reward.set_value(value);
                });
  };
  token(2, 2, 1);
  token(3, 2, 1);
  token(0, 5, 1);
  token(0, ~0u, 1);
  token(0, 1, std::numeric_limits<float>::quiet_NaN());
  token(0, 1, std::numeric_limits<float>::infinity());
  token(0, 1, 1e30f);
}

void AddCalls(Shapes& shapes) {
  for (int code : {1, 2, 3, 5, 6, 7, 9, 11, 12, 13, 16}) {
    shapes.Call(code, Outcome::kRefused);
  }
  shapes.Call(15, Outcome::kMalformed);  // DATA_LOSS
  shapes.Call(4, Outcome::kTimeout);
  for (int code : {8, 10, 14}) shapes.Call(code, Outcome::kUnavailable);
}

void AddLargeOnes(Shapes& shapes) {
  shapes.All("five megabytes", Outcome::kMalformed, [](v1::ScoreResponse& r) {
    (*r.mutable_results(0)->mutable_notes())["n"] = std::string(5 << 20, 'x');
  });
  shapes.All("many results", Outcome::kMalformed, [](v1::ScoreResponse& r) {
    for (int i = 0; i < 20'000; ++i) r.add_results();
  });
  shapes.All("many token rewards", Outcome::kMalformed,
             [](v1::ScoreResponse& r) {
               for (int i = 0; i < 20'000; ++i) {
                 r.mutable_results(0)->add_token_rewards();
               }
             });
}

}  // namespace

std::vector<BadAnswer> BadAnswers() {
  Shapes shapes;
  AddScores(shapes);
  AddIds(shapes);
  AddOutcomes(shapes);
  AddParts(shapes);
  AddCalls(shapes);
  AddLargeOnes(shapes);
  return shapes.Take();
}

}  // namespace operant::testing
