// Unicode normalization form C.
#ifndef OPERANT_COMMON_TEXT_NFC_H_
#define OPERANT_COMMON_TEXT_NFC_H_

#include <string>
#include <string_view>

namespace operant {

// `text` in NFC as the `tokenizers` library computes it, whose tables end with
// Unicode 9: younger combining marks stay where they are and join nothing.
// Invalid bytes are kept. Takes n log n time in the longest run of marks.
std::string NormalizeNfc(std::string_view text);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_NFC_H_
