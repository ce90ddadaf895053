#include "common/text/byte_alphabet.h"

#include <array>

#include "common/text/unicode.h"

namespace operant {
namespace {

constexpr int32_t kFirstStandIn = 0x100;
constexpr int kScalars = 0x100 + 68;  // 68 bytes have a stand-in

constexpr bool IsPrintable(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         byte >= 0xae;
}

constexpr std::array<int32_t, 256> MakeScalars() {
  std::array<int32_t, 256> scalars = {};
  int32_t next = kFirstStandIn;
  for (int byte = 0; byte < 256; ++byte) {
    scalars[byte] = IsPrintable(byte) ? byte : next++;
  }
  return scalars;
}

constexpr std::array<int32_t, 256> kByteToScalar = MakeScalars();

constexpr std::array<int16_t, kScalars> MakeBytes() {
  std::array<int16_t, kScalars> bytes = {};
  for (int16_t& byte : bytes) byte = -1;
  for (int16_t byte = 0; byte < 256; ++byte) bytes[kByteToScalar[byte]] = byte;
  return bytes;
}

constexpr std::array<int16_t, kScalars> kScalarToByte = MakeBytes();

}  // namespace

int32_t ByteToScalar(uint8_t byte) { return kByteToScalar[byte]; }

std::string BytesToAlphabet(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    AppendUtf8(ByteToScalar(static_cast<uint8_t>(byte)), &out);
  }
  return out;
}

std::optional<std::string> AlphabetToBytes(std::string_view token) {
  std::string out;
  for (size_t pos = 0; pos < token.size();) {
    const Scalar scalar = DecodeScalar(token, pos);
    if (scalar.value < 0 || scalar.value >= kScalars) return std::nullopt;
    if (kScalarToByte[scalar.value] < 0) return std::nullopt;
    out.push_back(static_cast<char>(kScalarToByte[scalar.value]));
    pos += scalar.length;
  }
  return out;
}

}  // namespace operant
