#include "common/text/nfc.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace operant {
namespace {

TEST(NfcTest, ComposesAndKeepsWhatIsComposed) {
  EXPECT_EQ(NormalizeNfc("e\u0301"), "\u00e9");
  EXPECT_EQ(NormalizeNfc("\u00e9"), "\u00e9");
  EXPECT_EQ(NormalizeNfc("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(NormalizeNfc("\u2126"), "\u03a9");  // ohm sign to omega
  EXPECT_EQ(NormalizeNfc("plain"), "plain");
}

// Unicode Standard Annex 15, figure 5: the dot below goes before the dot above.
TEST(NfcTest, OrdersMarksByClass) {
  EXPECT_EQ(NormalizeNfc("\u1e0b\u0323"), "\u1e0d\u0307");
  EXPECT_EQ(NormalizeNfc("q\u0307\u0323"), "q\u0323\u0307");
}

TEST(NfcTest, MarksYoungerThanUnicode9StayInPlace) {
  EXPECT_EQ(NormalizeNfc("e\u07fd\u0300"), "e\u07fd\u0300");
}

TEST(NfcTest, KeepsInvalidBytes) {
  EXPECT_EQ(NormalizeNfc("e\u0301\xff\xcc"), "\u00e9\xff\xcc");
}

TEST(NfcTest, OrdersALongRunOfMarksQuickly) {
  std::string text = "e";
  for (int i = 0; i < (1 << 18); ++i) text += "\u0300\u0323";
  const absl::Time start = absl::Now();
  // The first dot below joins the e: as many bytes as before.
  EXPECT_EQ(NormalizeNfc(text).size(), text.size());
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));  // quadratic: minutes
}

}  // namespace
}  // namespace operant
