#!/usr/bin/env python3
"""Writes src/tokenizer/unicode_tables.cc and src/chunker/break_tables.cc: what both have to know about code points.

The chunker's are Word_Break and Sentence_Break of Unicode 16. The tokenizer's follow the Hugging Face `tokenizers`
library 0.22.2, whose parts come from different Unicode versions:

=====================================  =======  ===================================================================
what                                   Unicode  the library takes it from
=====================================  =======  ===================================================================
grapheme cluster break, GB9c, GB11     16.0     crate unicode-segmentation 1.12
word characters (the regex \\w)         16.0     crate regex
categories of the BERT components      8.0      crate unicode_categories 0.1
NFD and canonical combining classes    9.0      crate unicode-normalization-alignments 0.1
lower case                             17.0     Rust's standard library
white space                            any      has not changed since 6.3
=====================================  =======  ===================================================================

Sources: PyPI packages uniseg 0.10.1 and unicodedata2 16.0.0 (Unicode 16), Python's own str.lower (at least 14), and
Debian's perl (at least 5.36) for the age of code points. The data of Unicode 8 and 9 is Unicode 16's for code points
of that age, with the few categories that changed since listed below; the lower case letters of Unicode 15 to 17 are
listed too. tests/tokenizer_parity_test.py compares code points (all of them in its longer run) with the library itself.

    python3 -m venv /tmp/unicode && /tmp/unicode/bin/pip install unicodedata2==16.0.0 uniseg==0.10.1
    /tmp/unicode/bin/python tools/make_unicode_tables.py
"""

from __future__ import annotations

import pathlib
import string
import subprocess
from collections.abc import Callable, Iterable

import unicodedata2
import uniseg
from uniseg.derived import IndicConjunctBreak, alphabetic, indic_conjunct_break
from uniseg.emoji import extended_pictographic
from uniseg.graphemecluster import grapheme_cluster_break
from uniseg.sentencebreak import sentence_break
from uniseg.wordbreak import word_break

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
BLOCK = 128

# The order of enum GraphemeBreak in unicode_tables.h, by the short names of the Unicode property values.
GRAPHEME_BREAKS = "Other CR LF Control Extend ZWJ Regional_Indicator Prepend SpacingMark L V T LV LVT".split()
# The orders of enum WordBreak and SentenceBreak in src/chunker/break_tables.h.
WORD_BREAKS = (
    "Other CR LF Newline Extend ZWJ Format Regional_Indicator Katakana Hebrew_Letter ALetter Single_Quote Double_Quote "
    "MidNumLet MidLetter MidNum Numeric ExtendNumLet WSegSpace"
).split()
SENTENCE_BREAKS = "Other CR LF Sep Extend Format Sp Lower Upper OLetter Numeric ATerm SContinue STerm Close".split()
CONJUNCT_BREAKS = [
    IndicConjunctBreak.NONE,
    IndicConjunctBreak.CONSONANT,
    IndicConjunctBreak.EXTEND,
    IndicConjunctBreak.LINKER,
]

# Categories of Unicode 8 that are others in Unicode 16.
CATEGORY_IN_UNICODE_8 = {
    **{0x1734: "Mn", 0x1171E: "Mn"},  # Mc now
    **{0x1885: "Lo", 0x1886: "Lo"},  # Mn now
    0xA9BD: "Mc",  # Mn now
    0x111C9: "Po",  # Mn now
    0x166D: "Po",  # So now
}

# Lower case mappings added by Unicode 15 to 17: first and last upper case letter, distance to the lower case letter.
LOWER_CASE_SINCE_15 = [
    (0x1C89, 0x1C89, 1),
    (0xA7CB, 0xA7CB, 0x0264 - 0xA7CB),
    (0xA7CC, 0xA7CC, 1),
    (0xA7CE, 0xA7CE, 1),
    (0xA7D2, 0xA7D2, 1),
    (0xA7D4, 0xA7D4, 1),
    (0xA7DA, 0xA7DA, 1),
    (0xA7DC, 0xA7DC, 0x019B - 0xA7DC),
    (0x10D50, 0x10D65, 0x20),
    (0x16EA0, 0x16EB8, 0x1B),
]


def assigned_in(version: str) -> set[int]:
    """The code points that Unicode `version` assigns, from perl's tables."""
    script = rf'for (0..0x10FFFF) {{ print "$_\n" if chr($_) =~ /\p{{Present_In={version}}}/ }}'
    lines = subprocess.run(["perl", "-e", script], check=True, capture_output=True, text=True).stdout.split()
    return set(map(int, lines))


def white_space(c: int) -> bool:
    """The White_Space property."""
    return unicodedata2.category(chr(c)) in ("Zs", "Zl", "Zp") or c in (*range(9, 14), 0x85)


def word_character(c: int) -> bool:
    """The regex class \\w: alphabetic, marks, decimal digits, connectors, join controls."""
    category = unicodedata2.category(chr(c))
    return alphabetic(chr(c)) or category[0] == "M" or category in ("Nd", "Pc") or c in (0x200C, 0x200D)


def cluster(c: int) -> int:
    """Grapheme break in bits 0-3, Indic conjunct break in bits 4-5, Extended_Pictographic in bit 6."""
    grapheme = GRAPHEME_BREAKS.index(grapheme_cluster_break(chr(c)).value)
    conjunct = CONJUNCT_BREAKS.index(indic_conjunct_break(chr(c)))
    return grapheme | conjunct << 4 | extended_pictographic(chr(c)) << 6


def flags(c: int, unicode_8: set[int]) -> int:
    """The bits of enum CharacterFlag in unicode_tables.h."""
    category = CATEGORY_IN_UNICODE_8.get(c, unicodedata2.category(chr(c)) if c in unicode_8 else "Cn")
    control = category in ("Cc", "Cf", "Co")
    punctuation = category[0] == "P" or (c < 128 and chr(c) in string.punctuation)
    return control | (category == "Mn") << 1 | punctuation << 2 | white_space(c) << 3 | word_character(c) << 4


def lower_case(c: int) -> list[int]:
    """The lower case letters of a code point, without context."""
    for first, last, distance in LOWER_CASE_SINCE_15:
        if first <= c <= last:
            return [c + distance]
    return [ord(letter) for letter in chr(c).lower()]


def sequences(function: Callable[[int], list[int]]) -> tuple[list[int], list[int]]:
    """For every code point the place of its sequence in a pool (0 if it maps to itself), and the pool.

    In the pool stands the length of a sequence, then its code points.
    """
    pool, places, known = [0], [0] * 0x110000, {}
    for c in CODE_POINTS:
        sequence = function(c)
        if sequence != [c]:
            key = tuple(sequence)
            if key not in known:
                known[key] = len(pool)
                pool += [len(key), *key]
            places[c] = known[key]
    return places, pool


def array(name: str, c_type: str, values: Iterable[int]) -> str:
    """One C++ array, as many values in a line as fit."""
    lines, line = [], "   "
    for value in values:
        item = f" {value},"
        if len(line) + len(item) > 120:
            lines.append(line)
            line = "   "
        line += item
    lines.append(line)
    return f"const {c_type} {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def two_stage(name: str, c_type: str, values: list[int]) -> str:
    """A table of all code points in two stages: the number of each block of 128, then the different blocks."""
    blocks: dict[tuple[int, ...], int] = {}
    index = [blocks.setdefault(tuple(values[i : i + BLOCK]), len(blocks)) for i in range(0, 0x110000, BLOCK)]
    flat = [value for block in blocks for value in block]
    return array(f"{name}Index", "uint16_t", index) + "\n" + array(f"{name}Blocks", c_type, flat)


def write(path: str, first_line: str, namespace: str, tables: list[str]) -> None:
    """One file of tables, with the header of its name."""
    lines = [f"// {first_line}: do not edit. Tables take many lines.", "// clang-format off"]
    lines += [f'#include "{path.removesuffix(".cc")}.h"\n', f"namespace {namespace} {{\n"]
    (SOURCES / path).write_text("\n".join([*lines, *tables, f"}}  // namespace {namespace}\n"]))


def main() -> None:
    """Computes and writes the tables."""
    assert unicodedata2.unidata_version == "16.0.0" and uniseg.unidata_version == "16.0.0"
    unicode_8, unicode_9 = assigned_in("8.0"), assigned_in("9.0")

    def per_code_point(function: Callable[[int], int]) -> list[int]:
        values = [0] * 0x110000
        for c in CODE_POINTS:
            values[c] = function(c)
        return values

    def decompose(c: int) -> list[int]:
        if c not in unicode_9 or 0xAC00 <= c <= 0xD7A3:  # Hangul syllables decompose by arithmetic
            return [c]
        return [ord(part) for part in unicodedata2.normalize("NFD", chr(c))]

    nfd, nfd_pool = sequences(decompose)
    lower, lower_pool = sequences(lower_case)
    write(
        "tokenizer/unicode_tables.cc",
        "Written by tools/make_unicode_tables.py (Unicode 16, with parts of 8, 9 and 17)",
        "bgem3::unicode",
        [
            two_stage("kCluster", "uint8_t", per_code_point(cluster)),
            two_stage("kFlags", "uint8_t", per_code_point(lambda c: flags(c, unicode_8))),
            two_stage(
                "kCombiningClass",
                "uint8_t",
                per_code_point(lambda c: unicodedata2.combining(chr(c)) if c in unicode_9 else 0),
            ),
            two_stage("kDecomposition", "uint16_t", nfd),
            array("kDecompositionPool", "char32_t", nfd_pool),
            two_stage("kLower", "uint16_t", lower),
            array("kLowerPool", "char32_t", lower_pool),
        ],
    )
    write(
        "chunker/break_tables.cc",
        "Written by tools/make_unicode_tables.py (Unicode 16)",
        "bgem3::unicode",
        [
            two_stage("kWord", "uint8_t", per_code_point(lambda c: WORD_BREAKS.index(word_break(chr(c)).value))),
            two_stage(
                "kSentence",
                "uint8_t",
                per_code_point(lambda c: SENTENCE_BREAKS.index(sentence_break(chr(c)).value)),
            ),
        ],
    )


if __name__ == "__main__":
    main()
