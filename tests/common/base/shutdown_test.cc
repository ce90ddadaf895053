#include "common/base/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

// The state is the process's: each story runs in a process of its own.
class ShutdownDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

void ExitIf(bool condition) { std::_Exit(condition ? 0 : 1); }

TEST_F(ShutdownDeathTest, NothingIsRequestedAtFirst) {
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        const bool slept = SleepUnlessShutdown(absl::Milliseconds(5));
        ExitIf(slept && ShutdownRequested() == StopSignal::kNone);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, RemembersWhichSignalCame) {
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        raise(SIGINT);
        ExitIf(ShutdownRequested() == StopSignal::kInterrupt);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        raise(SIGTERM);
        ExitIf(ShutdownRequested() == StopSignal::kTerminate);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, ASecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        raise(SIGINT);
        raise(SIGTERM);
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST_F(ShutdownDeathTest, ARequestIsNoSignalSoOneSignalAfterItIsForgiven) {
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        RequestShutdown(StopSignal::kTerminate);
        raise(SIGINT);
        ExitIf(ShutdownRequested() == StopSignal::kTerminate);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, ASignalWakesEverySleeper) {
  EXPECT_EXIT(
      {
        InstallShutdownHandlers();
        const absl::Time start = absl::Now();
        bool slept_a = true;
        bool slept_b = true;
        std::thread a([&] { slept_a = SleepUnlessShutdown(absl::Hours(1)); });
        std::thread b([&] { slept_b = SleepUnlessShutdown(absl::Hours(1)); });
        absl::SleepFor(absl::Milliseconds(20));
        kill(getpid(), SIGTERM);
        a.join();
        b.join();
        const bool late = SleepUnlessShutdown(absl::Hours(1));
        ExitIf(!slept_a && !slept_b && !late &&
               absl::Now() - start < absl::Seconds(10));
      },
      testing::ExitedWithCode(0), "");
}

TEST(ShutdownTest, ExitCodesFollowTheTable) {
  EXPECT_EQ(ExitCodeFor(StopSignal::kNone), ExitCode::kDone);
  EXPECT_EQ(ExitCodeFor(StopSignal::kInterrupt), ExitCode::kInterrupted);
  EXPECT_EQ(ExitCodeFor(StopSignal::kTerminate), ExitCode::kResumable);
}

}  // namespace
}  // namespace operant
