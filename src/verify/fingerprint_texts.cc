// A change of these texts makes every fingerprint that was recorded before unreadable: do not touch them lightly.
#include <fmt/format.h>

#include "verify/fingerprint.h"

namespace bgem3 {
namespace {

std::vector<FingerprintText> build() {
  std::vector<FingerprintText> texts = {
      {"empty", ""},
      {"space", " "},
      {"one letter", "a"},
      {"two words", "Hello world"},
      {"english", "The library opens at nine, and the first visitors are already waiting at the door."},
      {"numbers", "On 2026-11-22, 3.14 of 1,024 requests (0.3 %) failed; call +49 30 1234567 or mail@example.org."},
      {"code", "for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];  // O(n)"},
      {"german", "Die Großmutter erzählte, dass früher jeden Winter der See zufror."},
      {"french", "L'été dernier, où étiez-vous? Ça va, cœur de l'océan!"},
      {"turkish", "İstanbul'da ışıklar söndü, vapur iskeleye yanaştı."},
      {"vietnamese", "Buổi sáng ở bến cảng rất yên tĩnh và đầy sương mù."},
      {"russian", "Пятнадцатого марта лёд на реке наконец тронулся."},
      {"greek", "Η θάλασσα είναι βαθιά και ήσυχη το βράδυ."},
      {"arabic", "كان البحر هادئا في المساء، وعادت القوارب إلى الميناء."},
      {"hebrew", "הים היה שקט בערב והסירות חזרו לנמל."},
      {"hindi", "समुद्र शाम को शांत था और नावें लौट आईं।"},
      {"thai", "ทะเลสงบในตอนเย็น เรือกลับเข้าฝั่ง"},
      {"chinese", "傍晚的海面很平静，渔船都回到了港口。"},
      {"japanese", "夕方の海は静かで、船は港に戻ってきた。"},
      {"korean", "저녁 바다는 고요했고 배들은 항구로 돌아왔다."},
      {"emoji", "\U0001F468\u200D\U0001F469\u200D\U0001F467 \u2764\uFE0F \U0001F44D\U0001F3FD e\u0301 \uFB01 \u00BD"},
      {"special tokens", "<s> and [SEP] in a text, <mask> too"},
  };
  // Every text of the above in turn, numbered so that no stretch is like another.
  std::string paragraph, long_text;
  for (int i = 0; long_text.size() < 6000; i++) {
    const std::string& sentence = texts[4 + static_cast<size_t>(i) % 16].text;
    long_text += fmt::format("{}. {} ", i + 1, sentence);
    if (i == 6) paragraph = long_text;
  }
  texts.push_back({"paragraph", paragraph});
  texts.push_back({"long", long_text});
  return texts;
}

}  // namespace

const std::vector<FingerprintText>& fingerprint_texts() {
  static const std::vector<FingerprintText> texts = build();
  return texts;
}

}  // namespace bgem3
