#include "learner/kl_controller.h"

#include <limits>

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

v1::PpoSection Section(double coefficient, double target) {
  v1::PpoSection ppo;
  ppo.set_kl_coefficient(coefficient);
  ppo.set_kl_target(target);
  ppo.set_kl_horizon(10000);
  return ppo;
}

TEST(KlControllerTest, WithoutATargetStaysFixed) {
  KlController kl(Section(0.02, 0));
  kl.Observe(100, 5000);
  EXPECT_EQ(kl.coefficient(), 0.02);
}

TEST(KlControllerTest, NoKlIsZeroAndNotAdaptive) {
  v1::PpoSection ppo = Section(0.02, 6);
  ppo.set_no_kl(true);
  EXPECT_EQ(KlController(ppo).coefficient(), 0);
  EXPECT_FALSE(KlController(ppo).adaptive());
}

TEST(KlControllerTest, MovesInProportionToTheRelativeError) {
  KlController kl(Section(0.1, 6));
  kl.Observe(6.6, 500);  // error 0.1
  EXPECT_NEAR(kl.coefficient(), 0.1 * (1 + 0.1 * 500 / 10000), 1e-15);
}

TEST(KlControllerTest, ClipsTheErrorOnBothSides) {
  KlController above(Section(0.1, 6));
  above.Observe(600, 1000);
  EXPECT_NEAR(above.coefficient(), 0.1 * 1.02, 1e-15);
  KlController below(Section(0.1, 6));
  below.Observe(0, 1000);
  EXPECT_NEAR(below.coefficient(), 0.1 * 0.98, 1e-15);
}

TEST(KlControllerTest, StaysAtItsCoefficientOnTarget) {
  KlController kl(Section(0.1, 6));
  kl.Observe(6, 1000);
  EXPECT_EQ(kl.coefficient(), 0.1);
}

TEST(KlControllerTest, NeverTurnsNegativeForAStepBeyondTheHorizon) {
  KlController kl(Section(0.1, 6));
  kl.Observe(0, 1'000'000);
  EXPECT_EQ(kl.coefficient(), 0);
}

TEST(KlControllerTest, IgnoresAKlThatIsNotFinite) {
  KlController kl(Section(0.1, 6));
  kl.Observe(std::numeric_limits<double>::quiet_NaN(), 1000);
  EXPECT_EQ(kl.coefficient(), 0.1);
}

TEST(KlControllerTest, RestoreContinuesAndRefusesNonsense) {
  KlController kl(Section(0.1, 6));
  EXPECT_EQ(kl.Restore(-1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kl.coefficient(), 0.1);
  EXPECT_TRUE(kl.Restore(0.3).ok());
  EXPECT_EQ(kl.coefficient(), 0.3);
}

}  // namespace
}  // namespace operant::learner
