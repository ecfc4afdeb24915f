"""What is done to text before it is cut into pieces, against the scripts' own output and against the library."""

import gzip
import html
import itertools
import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.preparation import Preparation, preparations
from nmt.recipe.data import DataOptions
from nmt.recipe.tokenizer import TokenizerOptions
from nmt.tokenizer import UNK, Tokenizer, TokenizerPair, load_tokenizer, train_tokenizer
from tests.fixtures_text import ODD_LINES, SOURCES, tokenizer

SHARED = Path(__file__).parents[3] / "shared" / "data"
RAW, PREPARED = SHARED / "multi30k", SHARED / "multi30k-lc-tok"
NEEDS_TEXT = pytest.mark.skipif(not (RAW.exists() and PREPARED.exists()), reason="no ../shared/data/multi30k*")

MOSES = Preparation(moses=True, language="en")
ALL = Preparation(lowercase=True, normalize_punctuation=True, moses=True, language="de")
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40)


def column(path: Path, language: str) -> list[str]:
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    return [json.loads(line)[language] for line in lines]


# -- the text -----------------------------------------------------------------------------------------------------


@NEEDS_TEXT
@pytest.mark.parametrize("language", ["de", "en"])
def test_the_steps_give_the_text_that_the_scripts_gave(language: str) -> None:
    raw, published = column(RAW / "test.jsonl", language), column(PREPARED / "test.jsonl", language)
    preparation = Preparation(lowercase=True, normalize_punctuation=True, moses=True, language=language)
    assert [preparation.prepare(line) for line in raw] == [html.unescape(line) for line in published]


def test_by_hand() -> None:
    assert MOSES.prepare("It's Mr. Li's (old) dog, isn't it?") == "It 's Mr. Li 's ( old ) dog , isn 't it ?"
    assert Preparation(moses=True, language="fr").prepare("L'été, c'est ça!") == "L' été , c' est ça !"
    assert Preparation(lowercase=True).prepare("It's  Mr. LI") == "it's  mr. li"
    assert Preparation(normalize_punctuation=True, language="de").prepare("„Ja“ – nein…") == '"Ja" - nein...'
    assert ALL.prepare("„JA“, sagt er.") == '" ja " , sagt er .'
    assert Preparation().prepare("  „Ja“ ") == "  „Ja“ "


def test_the_language_decides() -> None:
    texts = ["Das ist z. B. so", "don't", "L'été"]
    different = {tuple(Preparation(moses=True, language=code).prepare(text) for text in texts) for code in ("en", "fr")}
    assert len(different) == 2


def test_nothing_is_escaped() -> None:
    text = 'AT & T\'s <b> [1] | "x"'
    tokens = MOSES.prepare(text).split()
    assert "".join(tokens) == text.replace(" ", "")
    assert MOSES.restore("&amp; a &lt; b") == "&amp; a &lt; b"  # text that held such letters


def test_what_is_protected_stays_whole() -> None:
    protected = replace(MOSES, protected=r"#\w+#")
    text = "#Person1#: Hi, #person2#'s dog (#1) isn't #Person1#'s."
    assert protected.prepare(text) == "#Person1# : Hi , #person2# 's dog ( # 1 ) isn 't #Person1# 's ."
    assert "# Person1 #" in MOSES.prepare(text)
    assert protected.restore("#Person1# 's dog , #Person2# .") == "#Person1#'s dog, #Person2#."
    assert replace(protected, lowercase=True).prepare("#Person1#!") == "#person1# !"
    assert replace(protected, protected="[A-Z]#").prepare("c#, a#b") == "c# , a#b"  # whatever the case
    many = "#a# " * 1001
    assert (protected.prepare(many), protected.prepare("Protected0 #a#0")) == (many.strip(), "Protected0 #a#0")
    assert protected.prepare("Protec\x07ted0 #a#") == "Protected0 #a#"  # Moses' rules leave control characters out
    numbers = replace(MOSES, protected=r"\d+(-\d+)?")
    assert numbers.prepare("It was 5 to 0, or 3-1.") == "It was 5 to 0 , or 3-1 ."
    sides = preparations(
        TokenizerOptions(moses=True, protected=r"#\w+#"),
        DataOptions(path="x", source_language="en", target_language="en"),
    )
    assert sides == (protected, protected)


@NEEDS_TEXT
@pytest.mark.parametrize("language", ["de", "en"])
def test_most_text_comes_back(language: str) -> None:
    lines = column(RAW / "test.jsonl", language)
    preparation = Preparation(moses=True, language=language)
    same = [preparation.restore(preparation.prepare(line)) == " ".join(line.split()) for line in lines]
    assert np.mean(same) > 0.98


@given(text=LINES, preparation=st.sampled_from([MOSES, ALL, Preparation(lowercase=True)]))
@example(text="eins\u2028zwei\r\x85drei", preparation=MOSES)
def test_any_text_stays_one_line_and_blank_stays_blank(text: str, preparation: Preparation) -> None:
    prepared = preparation.prepare(text)
    assert "\n" not in prepared + preparation.restore(prepared) + preparation.restore(text)
    if not text.strip():
        assert not prepared.strip()
        assert not preparation.restore(text).strip()
    if preparation.moses:
        assert prepared == " ".join(prepared.split())


def test_odd_lines_are_prepared() -> None:
    for line in ODD_LINES:
        for preparation in (MOSES, ALL):
            assert "\n" not in preparation.restore(preparation.prepare(line))


# -- beside the pieces --------------------------------------------------------------------------------------------


def test_the_recipe_says_what_is_done_and_in_which_language() -> None:
    data = DataOptions(path="x", source="translation.de", target="en")
    assert preparations(TokenizerOptions(), data) == (Preparation(), Preparation())
    lowered = Preparation(lowercase=True)
    assert preparations(TokenizerOptions(lowercase=True), data) == (lowered, lowered)
    moses = preparations(TokenizerOptions(moses=True), data)
    assert moses == (Preparation(moses=True, language="de"), MOSES)
    said = DataOptions(path="x", source="a", target="b", source_language="fr", target_language="en")
    assert [side.language for side in preparations(TokenizerOptions(normalize_punctuation=True), said)] == ["fr", "en"]


def test_a_tokenizer_prepares_and_restores() -> None:
    plain = tokenizer()
    moses = plain.with_preparation(ALL)
    text = "Eins, ZWEI und drei!"
    assert moses.encode([text]) == plain.encode(["eins , zwei und drei !"])
    assert moses.prepare([text]) == moses.spell(moses.encode([text])) == ["eins , zwei und drei !"]
    assert moses.decode(moses.encode([text])) == ["eins, zwei und drei!"]
    assert plain.decode(plain.encode([text])) == plain.spell(plain.encode([text])) == [text]
    assert plain.with_preparation(Preparation()) is plain


def test_sampled_segmentations_spell_the_prepared_text() -> None:
    moses = tokenizer().with_preparation(ALL)
    texts = ["Eins, ZWEI und drei!", "", *SOURCES[:20]]
    ids = moses.sample(texts, 0.2, np.random.default_rng(3))
    assert moses.spell(ids) == moses.prepare(texts)
    assert ids != moses.encode(texts)


def test_copies_prepare_too() -> None:
    moses = tokenizer().with_preparation(ALL)
    assert pickle.loads(pickle.dumps(moses)).encode(["JA, ja."]) == moses.encode(["JA, ja."])


def test_the_fingerprint_tells_preparations_apart() -> None:
    one = tokenizer()
    kinds = [Preparation(), Preparation(lowercase=True), MOSES, Preparation(moses=True, language="de")]
    pairs = [TokenizerPair(*map(one.with_preparation, sides)) for sides in itertools.product(kinds, kinds)]
    assert len({pair.fingerprint for pair in pairs}) == len(pairs)
    assert all(pair.joint for pair in pairs)
    assert not TokenizerPair(one, tokenizer("bpe")).joint


# -- words --------------------------------------------------------------------------------------------------------


def words(texts: list[str], **fields: int) -> Tokenizer:
    return train_tokenizer(TokenizerOptions.model_validate({"type": "word", **fields}), texts)


def vocabulary(trained: Tokenizer) -> list[str]:
    """Its words, in order, without the special ones."""
    return [piece.removeprefix("\u2581") for piece in trained.pieces(range(4, len(trained)))]


@pytest.mark.parametrize(("size", "least"), [(50, 1), (1000, 1), (1000, 3), (20, 3)])
def test_the_vocabulary_holds_the_most_frequent_words(size: int, least: int) -> None:
    counts = Counter(word for line in SOURCES for word in line.split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    expected = [word for word in ranked if counts[word] >= least][: size - 4]
    assert vocabulary(words(SOURCES, vocab_size=size, min_frequency=least)) == expected


@NEEDS_TEXT
def test_the_vocabulary_of_published_text() -> None:
    text = column(PREPARED / "train.jsonl.gz", "de")[:5000]
    counts = Counter(word for line in text for word in line.split())
    trained = words(text, vocab_size=2004)
    assert vocabulary(trained) == sorted(counts, key=lambda word: (-counts[word], word))[:2000]
    known = set(vocabulary(trained))
    for line, ids in zip(text, trained.encode(text), strict=True):
        assert [piece != UNK for piece in ids] == [word in known for word in line.split()]


def test_words_stand_between_white_space_whatever_they_hold() -> None:
    long = "lang" * 2000
    texts = [
        f"a-b 漢字abc don't 12,5% @-@ &apos; {long} e\u0301 <unk> \u2581 a\u2581b \x00",
        "  two   spaces\tor\u3000three\n",
    ]
    trained = words(texts, vocab_size=100)
    assert set(vocabulary(trained)) == {word for text in texts for word in text.split()}
    for text in texts:
        assert trained.decode(trained.encode([text])) == [" ".join(text.split())]
    assert UNK not in trained.encode(texts)[0]


def test_each_unknown_word_is_one() -> None:
    trained = words(["a-b"], vocab_size=100)
    assert trained.encode(["a-b a - b"]) == [[4, UNK, UNK, UNK]]
    assert trained.decode([[4, UNK, UNK]]) == ["a-b \u2047 \u2047"]


@pytest.mark.parametrize(
    "content", [b"nmt words 1\na\na", b"nmt words 1\na\n\nb", b"nmt words 12\na", b"nmt words 1\n\xff"]
)
def test_a_damaged_vocabulary_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.model").write_bytes(content)
    with pytest.raises(UserError, match=r"^[^\n]*a\.model: [^\n]+$"):
        load_tokenizer(tmp_path / "a.model")


def test_rare_words_are_unknown_however_many_may_be_known() -> None:
    trained = words(["a a a b b c", "c b"], vocab_size=100, min_frequency=3)
    assert vocabulary(trained) == ["a", "b"]
    assert trained.encode(["a b c d"])[0][2:] == [UNK, UNK]


# -- lines within a text ------------------------------------------------------------------------------------------

EOU = "<EoU>"
DIALOGUE = "\r\n A: It's ME, isn't it? \r\n\n  \r\nB: Who else?\rA: A<b>..." + "\n"
LINE = f"A: It's ME, isn't it? {EOU} B: Who else? {EOU} A: A<b>..."


def separated(**steps: Any) -> Preparation:
    return Preparation(line_separator=EOU, **steps)


def test_a_separator_stands_between_lines_and_nothing_is_done_to_it() -> None:
    assert separated().prepare(DIALOGUE) == LINE
    moses = separated(lowercase=True, normalize_punctuation=True, moses=True, language="en")
    of_lines = [replace(moses, line_separator="").prepare(line) for line in LINE.split(f" {EOU} ")]
    assert moses.prepare(DIALOGUE) == f" {EOU} ".join(of_lines)
    assert moses.restore(moses.prepare(DIALOGUE)) == f" {EOU} ".join(map(moses.restore, of_lines))
    for blank in ("", "\n", f"{EOU}", f" \r\n{EOU}\n"):
        assert separated().prepare(blank) == ""
    plain, _ = preparations(TokenizerOptions(), DataOptions(path="x"))
    assert plain.prepare(DIALOGUE) == DIALOGUE


def test_only_sources_have_separators() -> None:
    sides = preparations(TokenizerOptions(line_separator=EOU), DataOptions(path="x"))
    assert [side.line_separator for side in sides] == [EOU, ""]


@given(parts=st.lists(st.sampled_from(["\n", "\r", EOU, " ", "a", "B.", "’"]), max_size=12))
def test_a_prepared_text_is_prepared_no_further(parts: list[str]) -> None:
    for preparation in (separated(), separated(lowercase=True)):
        prepared = preparation.prepare("".join(parts))
        assert preparation.prepare(prepared) == prepared
        assert len(preparation.without_separators(prepared)) == len(prepared)
        assert EOU not in preparation.without_separators(prepared)
        assert not {"\n", "\r"} & {*prepared}
        words = [EOU, *prepared.split(), EOU] if prepared else []
        assert (EOU, EOU) not in itertools.pairwise(words)  # nor at the beginning or the end


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char", "word"])
def test_a_separator_is_one_piece_of_its_own(kind: str) -> None:
    options = TokenizerOptions.model_validate({"type": kind, "vocab_size": 360, "line_separator": EOU})
    model = train_tokenizer(options, SOURCES)  # no text of which holds one
    model = model.with_preparation(Preparation(lowercase=True, line_separator=EOU))
    lines = ["eins zwei", "drei", "VIER"]
    dialogue, alone = "\r\n".join(["", *lines, ""]), [model.encode([line])[0] for line in lines]
    (found,) = model.encode([dialogue])
    (separator,) = {*found} - {piece for ids in alone for piece in ids}
    assert model.pieces([separator]) == ["\u2581" + EOU]
    assert found == [*alone[0], separator, *alone[1], separator, *alone[2]]
    assert model.encode(model.decode([found])) == [found]  # and what it reads as gives it again
    places = model.words(dialogue)
    assert [place for place, piece in zip(places, found, strict=True) if piece == separator] == [2, 3]
    assert places[-1] == 3
    assert "".join(model.written(dialogue)) == f"einszwei{EOU}drei{EOU}VIER"
    if kind == "unigram":
        random = np.random.default_rng(1)
        sampled = [model.sample([dialogue], 0.01, random)[0] for _ in range(50)]
        assert len({tuple(ids) for ids in sampled}) > 25
        assert all(ids.count(separator) == 2 and model.spell([ids]) == model.prepare([dialogue]) for ids in sampled)
    pair = TokenizerPair(model, model)
    assert pair.only_read == (separator,)
    assert TokenizerPair(model, tokenizer()).only_read == ()  # whose targets know nothing of it
    unaware = tokenizer().with_preparation(model.preparation)  # one that is given, and has no such piece
    assert TokenizerPair(unaware, unaware).only_read == ()
    assert pair.fingerprint != TokenizerPair(*[model.with_preparation(Preparation(lowercase=True))] * 2).fingerprint


def test_the_fingerprint_knows_what_is_protected() -> None:
    model = tokenizer()
    sides = MOSES, replace(MOSES, protected="#"), replace(MOSES, protected="@")
    assert len({TokenizerPair(*[model.with_preparation(side)] * 2).fingerprint for side in sides}) == 3
