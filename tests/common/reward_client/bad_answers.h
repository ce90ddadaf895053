// Answers that break the reward contract, one shape each.
#ifndef OPERANT_TESTS_COMMON_REWARD_CLIENT_BAD_ANSWERS_H_
#define OPERANT_TESTS_COMMON_REWARD_CLIENT_BAD_ANSWERS_H_

#include <functional>
#include <string>
#include <vector>

#include "common/reward_client/answer.h"
#include "grpcpp/support/status.h"
#include "operant/v1/reward.pb.h"

namespace operant::testing {

struct BadAnswer {
  std::string name;
  AnswerOutcome cause;
  int item = -1;  // the one item that it spoils; -1: all of them
  // Makes it of an honest answer to eight items.
  std::function<grpc::Status(v1::ScoreResponse&)> spoil;
};

// Over 200 shapes. They suppose a server with a score range of [0, 1], the
// component "part", and token rewards for responses of four tokens.
std::vector<BadAnswer> BadAnswers();

}  // namespace operant::testing

#endif  // OPERANT_TESTS_COMMON_REWARD_CLIENT_BAD_ANSWERS_H_
