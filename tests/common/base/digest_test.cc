#include "common/base/digest.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace operant {
namespace {

// FIPS 180-4 examples.
TEST(DigestTest, Sha256GivesTheKnownAnswers) {
  EXPECT_EQ(Hex(Sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The published XXH3-128 of no bytes, seed 0.
TEST(DigestTest, Xxh3GivesTheKnownAnswerBigEndian) {
  EXPECT_EQ(Hex(Xxh3("")), "99aa06d3014798d86001c324468d497f");
}

TEST(DigestTest, PiecesGiveTheDigestOfTheWhole) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * 37));
  Xxh3Stream stream;
  for (size_t at = 0; at < bytes.size(); at += 333) {
    const std::string piece = bytes.substr(at, 333);
    stream.Update(piece.data(), piece.size());
  }
  EXPECT_EQ(stream.Finish(), Xxh3(bytes));
}

TEST(DigestTest, HexIsLowerCaseAndTwoDigitsAByte) {
  EXPECT_EQ(Hex(std::string("\x00\x0f\xa0\xff", 4)), "000fa0ff");
}

TEST(DigestTest, TrajectoryIdsAre32HexDigitsAndDiffer) {
  std::set<std::string> ids;
  for (size_t cursor = 0; cursor < 20; ++cursor) {
    for (size_t sample = 0; sample < 20; ++sample) {
      ids.insert(TrajectoryId("run", cursor, sample));
      ids.insert(TrajectoryId("run2", cursor, sample));
    }
  }
  EXPECT_EQ(ids.size(), 800u);
  EXPECT_EQ(ids.begin()->size(), 32u);
  EXPECT_EQ(TrajectoryId("run", 1, 2), TrajectoryId("run", 1, 2));
}

}  // namespace
}  // namespace operant
