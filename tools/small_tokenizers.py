"""Small tokenizers for random models: one Unigram in XLM-RoBERTa's pipeline, one WordPiece in BERT's.

Every word of WORDS is one token in both, so that a text's length in tokens can be chosen.
"""

from __future__ import annotations

WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than into
them can only other time new some could these two may first then do any like my now over such our man me even most made
after also did many off before must well back through years much where your way down should because long each just
state those people too mr how little good world make very year still see own work men day get here between both under
never same another know while last might us great old go since against right came take three river mountain water
city island ocean music science history language planet light king war sea earth moon sun bird tree stone horse house
""".split()
PIECES = """
ing ed er ly es tion al ment ness able ity ous ive ful less est th ch sh st nd nt on an in en re at or is it ar le ic ra
ti ri se de co ro la el ta li ma si ne me ur us om ent ion ter com con per pro pre dis un ex ca pa po ho wa fi fo so no
""".split()
CHARACTERS = (
    "etaoinshrdlcumwfgypbvkjxqzETAOINSHRDLCUMWFGYPBVKJXQZ0123456789.,;:!?'\"()[]{}<>-_/\\|@#$%&*+=~^`"
    "äöüßéèêàâîïôûùçñáíóúãõåøæœčšžřěłąęśćńğışØÆÅÄÖÜÉαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ"
    "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯіїє"
    "אבגדהוזחטיכלמנסעפצקרשתםןףךץابتثجحخدذرزسشصضطظعغفقكلمنهويءآأإؤئةىپچگ"
    "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौ्ंः"
    "กขคงจชซญดตถทธนบปผพฟภมยรลวสหอาิีึืุูเแโใไ่้"
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをんアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンー"
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么"
    "가나다라마바사아자차카타파하고노도로모보소오조이기니리시지한국어문장을은는에의。、，！？「」…—–“”‘’€£😀🙂"
)


def unique(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def added_token(index: int, content: str, lstrip: bool = False) -> dict[str, object]:
    flags = {"single_word": False, "lstrip": lstrip, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}


def template(cls: str, cls_id: int, sep: str, sep_id: int, xlm: bool) -> dict[str, object]:
    """The post-processor: <s> A </s> </s> B </s> for XLM-RoBERTa, [CLS] A [SEP] B [SEP] for BERT."""

    def special(name: str, type_id: int = 0) -> dict[str, object]:
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def sequence(name: str, type_id: int = 0) -> dict[str, object]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    second = 0 if xlm else 1
    single = [special(cls), sequence("A"), special(sep)]
    pair = single + ([special(sep)] if xlm else []) + [sequence("B", second), special(sep, second)]
    tokens = {name: {"id": name, "ids": [index], "tokens": [name]} for name, index in ((cls, cls_id), (sep, sep_id))}
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


def unigram_tokenizer(tokens: int = 0) -> dict[str, object]:
    """A small Unigram model in XLM-RoBERTa's pipeline, without its character map; filled up to so many tokens."""
    pieces: dict[str, float] = dict.fromkeys(("<s>", "<pad>", "</s>", "<unk>"), 0.0)
    words = unique([f"▁{word}" for word in WORDS] + PIECES + [f"▁{word.capitalize()}" for word in WORDS])
    for rank, word in enumerate(["▁", *words]):
        pieces.setdefault(word, -4.0 - rank / 64)
    for rank, character in enumerate(CHARACTERS):
        pieces.setdefault(character, -11.0 - rank / 256)
    pieces |= {f"<unused{number}>": -100.0 for number in range(tokens - len(pieces) - 1)}
    pieces["<mask>"] = 0.0
    ids = {piece: index for index, piece in enumerate(pieces)}
    specials = [added_token(ids[name], name) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    metaspace = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    replace = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [*specials, added_token(ids["<mask>"], "<mask>", lstrip=True)],
        "normalizer": {"type": "Sequence", "normalizers": [replace]},
        "pre_tokenizer": metaspace,
        "post_processor": template("<s>", 0, "</s>", 2, xlm=True),
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": 3,
            "vocab": [list(item) for item in pieces.items()],
            "byte_fallback": False,
        },
    }


def wordpiece_tokenizer() -> dict[str, object]:
    """A small WordPiece model in BERT's uncased pipeline."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The normaliser lower-cases and removes accents, so other characters could never be matched.
    characters = [
        c for c in CHARACTERS if c == c.lower() and c not in "äöüéèêàâîïôûùçñáíóúãõåčšžřěąęśćńğάέήίόύώйїآأإؤئ"
    ]
    pieces = [*WORDS, *(f"##{piece}" for piece in PIECES), *characters, *(f"##{c}" for c in characters)]
    vocab = {piece: index for index, piece in enumerate(unique([*specials, *pieces]))}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(vocab[name], name) for name in specials],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template("[CLS]", vocab["[CLS]"], "[SEP]", vocab["[SEP]"], xlm=False),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }
