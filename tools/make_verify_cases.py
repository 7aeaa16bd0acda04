#!/usr/bin/env python3
"""Write src/verify/tokenizer_cases.cc: texts, and their ids by the `tokenizers` library with bge-m3's own file.

    tools/make_verify_cases.py ../shared/data/bge-m3-tokenizer.json.xz > src/verify/tokenizer_cases.cc

Also a hash of every token's string and of the ids of that string as a text: a wrong token changes it, and so does a
score by which a token is cut otherwise.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import sys
from pathlib import Path

from tokenizers import Tokenizer

SHA256 = "21106b6d7dab2952c1d496fb21d5dc9db75c28ed361a05f5020bbba27810dd08"

# Plain texts, which every model with XLM-RoBERTa's vocabulary cuts alike.
PLAIN = [
    "What is BGE M3?",
    "Defination of BM25",
    "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
    "BM25 is a bag-of-words retrieval function that ranks a set of documents based on the query terms appearing in each"
    " document",
    "这是一个文本向量化的测试句子",
    "機器學習與深度學習有什麼差別？",
    "한국어 문장을 토큰화합니다.",
    "吾輩は猫である。名前はまだ無い。",
    "Пятнадцатого марта лёд на реке тронулся.",
    "Η θάλασσα είναι βαθιά και ήσυχη το βράδυ.",
    "كان البحر هادئا في المساء.",
    "הים היה שקט בערב.",
    "समुद्र शाम को शांत था।",
    "ทะเลสงบในตอนเย็น",
    "Die Straßenbahn fährt übermorgen wieder; früher hieß sie Pferdebahn.",
    "L'été, où es-tu? À bientôt, cœur!",
    "Đường đến trường dài 3,5 km.",
    "İstanbul'da ışıklar söndü.",
    "def f(x): return x**2 + 0x1F  # 3.14159e-7",
    "https://example.org/a?b=c&d=%20e",
]

# White space, special tokens, normalisation, grapheme clusters, unknown characters: where pipelines differ.
TRICKY = [
    "",
    " ",
    "   ",
    "Hello ",
    "Hello\n",
    " Hello",
    "Hello  world",
    "Hello\nworld",
    "\tHello",
    "a\r\nb",
    "<s>hi</s>",
    "hi<mask>there",
    "hi  <mask>",
    "<pad><unk>",
    "\uff1cs\uff1e \uff1cmask\uff1e",
    ".??????",
    "A\u0302\u0300",
    "\u1112\u1161\u11ab",
    "\uff7d\uff85\uff6f\uff8c\uff9f\uff98\uff9d\uff78\uff9e",
    "\u9e42\u9e42",
    "a\0b",
    "a\x07b",
    "a\x0bb",
    "a\u200bb\u200dc\ufeffd\u00a0e\u3000f\u2028g",
    "\ufffd",
    "a\u2581b",
    "\ufb01 \u2460 \u00bd \u33a1 \u2122 \ufdfa",
    "e\u0301\u0323 \u00e9\u0323",
    "\u0958 \u0915\u094d\u0937",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f44d\U0001f3fd",
    "\U0001d49c\U0001d4b7 \U00020000 \U0010ffff",
    "\u0e01\u0e33 \u0e33",
    "\u202eabc\u202c \u00ad-\u00ad",
    "I\u0307 \u0131 \u017f \u212a",
    "1\u20442 \u2044 \u00b2\u00b3 x\u0333",
    "".join(chr(c) for c in range(0x20, 0x7F)),
]


def literal(text: str) -> str:
    """A C++ string of the text's UTF-8, with printable ASCII as it is."""
    out = ""
    for byte in text.encode():
        char = chr(byte)
        out += f"\\{char}" if char in '"\\' else char if 0x20 <= byte < 0x7F and char != "?" else f"\\{byte:03o}"
    return f'"{out}"sv'


def main() -> None:
    packed = Path(sys.argv[1])
    data = packed.read_bytes()
    data = lzma.decompress(data) if packed.suffix == ".xz" else data
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        sys.exit(f"{packed}: SHA-256 {found}, expected {SHA256}: not the published tokenizer.json")
    tokenizer = Tokenizer.from_str(data.decode())
    print("""// Written by tools/make_verify_cases.py; do not edit.
#include "verify/tokenizer_cases.h"

#include <string_view>

namespace bgem3 {

using namespace std::string_view_literals;

const std::vector<TokenizerCase>& tokenizer_cases() {
  // clang-format off
  static const std::vector<TokenizerCase> cases = {""")
    for plain, texts in ((True, PLAIN), (False, TRICKY)):
        for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
            ids = ", ".join(map(str, encoding.ids))
            print(f"    {{{literal(text)}, {str(plain).lower()},\n     {{{ids}}}}},")
    tokens = [tokenizer.id_to_token(id) for id in range(tokenizer.get_vocab_size())]
    every = hashlib.sha256()
    for token, encoding in zip(tokens, tokenizer.encode_batch(tokens), strict=True):
        every.update(token.encode() + struct.pack(f"<{len(encoding.ids)}I", *encoding.ids))
    print(f"""  }};
  // clang-format on
  return cases;
}}

const size_t kPublishedTokens = {len(tokens)};
const std::string_view kPublishedVocabularyHash = "{every.hexdigest()}";

}}  // namespace bgem3""")


if __name__ == "__main__":
    main()
