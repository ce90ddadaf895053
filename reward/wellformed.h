// Tells whether a response has gone haywire. Pure: the reward server and
// `operant eval` judge by the same function.
#ifndef OPERANT_REWARD_WELLFORMED_H_
#define OPERANT_REWARD_WELLFORMED_H_

#include <string_view>

#include "operant/v1/trajectory.pb.h"
#include "reward/lexicon.h"

namespace operant::reward {

// What is wrong with a response; several kinds may hold at once.
struct Diagnosis {
  bool loop = false;     // repeats itself (HasLoop of its words or word parts)
  bool garbage = false;  // unknown word, or PunctuationFault
  bool empty = false;    // under two words
  bool nonstop = false;  // hit the limit without a stop token
  // Why it is garbage: a constant that never quotes the response. Else "".
  std::string_view garbage_reason;

  bool haywire() const { return loop || garbage || empty || nonstop; }
};

// Judges `text`: a response as UTF-8 without special tokens. It may begin with
// one space, since a prompt ends without. A response that was cut at the limit
// is `nonstop` and is not blamed for how it ends: its last word and whatever it
// left open are not judged. Linear in the text's bytes, whatever they are.
Diagnosis Diagnose(std::string_view text, v1::FinishReason finish,
                   const Lexicon& lexicon);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_WELLFORMED_H_
