"""SentencePiece as the rest of the program sees it: nothing of the text is lost, and no surprise in the ids."""

import copy
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.preparation import Preparation
from nmt.recipe.tokenizer import TokenizerOptions
from nmt.tokenizer import (
    BOS,
    EOS,
    PAD,
    UNK,
    UNKNOWN,
    SourceIds,
    Tokenizer,
    TokenizerPair,
    load_tokenizer,
    train_tokenizer,
)
from tests.fixtures_text import ODD_LINES, SOURCES, TARGETS, tokenizer

KINDS = ["unigram", "bpe", "char", "word"]

# Any text of one line. A carriage return would come back as a space, as every line break does; lone surrogates are no
# text. The space that SentencePiece shows, U+2581, is the one character that cannot be told from another: it comes
# back as a space.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=40)
ALIKE = st.lists(
    st.sampled_from([*" \t\u3000\u00a0", "\u2581", "\u2028", "\x00", "é", "e\u0301", "ﬁ", "İ", "ß", "A", "a", "<s>"]),
    max_size=15,
).map("".join)


def options(kind: str = "unigram", vocab_size: int = 350, **fields: object) -> TokenizerOptions:
    return TokenizerOptions.model_validate({"type": kind, "vocab_size": vocab_size, **fields})


# -- all types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_trains_and_spells_its_text(kind: str) -> None:
    trained = tokenizer(kind, 5000 if kind == "word" else 600)
    lines = SOURCES + TARGETS
    assert trained.decode(trained.encode(lines)) == lines
    ids = [piece for line in trained.encode(lines) for piece in line]
    assert max(ids) < len(trained)
    assert not {PAD, BOS, EOS} & set(ids)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_subwords_have_the_number_of_pieces_asked_for(kind: str) -> None:
    assert len(tokenizer(kind, 400)) == 400


@pytest.mark.parametrize("kind", KINDS)
def test_the_special_ids_are_the_same_in_every_type(kind: str) -> None:
    trained = tokenizer(kind)
    assert trained.pieces([PAD, UNK, BOS, EOS]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert trained.decode([[], [PAD], [BOS, EOS]]) == ["", "", ""]
    assert trained.encode([""]) == [[]]


def test_characters_and_words_have_no_more_pieces_than_the_text() -> None:
    assert len(tokenizer("char", 600)) == 4 + len({*"".join(SOURCES + TARGETS)})
    assert len(tokenizer("word", 5000)) == 4 + len({*" ".join(SOURCES + TARGETS).split(" ")})


@pytest.mark.parametrize(("kind", "shown"), [("char", "eins \u2047 zwei"), ("word", "eins \u2047 zwei")])
def test_unknown_text_is_the_unknown_piece_without_bytes(kind: str, shown: str) -> None:
    trained = tokenizer(kind, 600)
    (ids,) = trained.encode(["eins 漢字 zwei"])
    assert ids.count(UNK) == 1
    assert trained.decode([ids]) == [shown]


def test_characters_below_the_coverage_are_spelled_in_bytes() -> None:
    texts = [*SOURCES, "ç"]
    covering = train_tokenizer(options(), texts)
    sparing = train_tokenizer(options(character_coverage=0.999), texts)
    assert "<0xC3>" not in covering.pieces(covering.encode(["ç"])[0])
    assert sparing.pieces(sparing.encode(["ç"])[0])[-2:] == ["<0xC3>", "<0xA7>"]
    assert sparing.decode(sparing.encode(["ç"])) == ["ç"]


def test_without_bytes_unknown_characters_are_lost() -> None:
    trained = train_tokenizer(options(vocab_size=100, byte_fallback=False), SOURCES)
    assert len(trained) == 100
    assert "漢" not in trained.decode(trained.encode(["eins 漢"]))[0]


# -- round trip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@given(text=LINES | ALIKE)
@example(text="  eins   zwei  ")
@example(text="\u2581 \u2581")
def test_any_text_comes_back_as_it_was(kind: str, text: str) -> None:
    trained = tokenizer(kind)
    assert trained.decode(trained.encode([text])) == [text.replace("\u2581", " ")]


@given(text=LINES | ALIKE, alpha=st.floats(0.01, 2), seed=st.integers(0, 2**32))
def test_a_sampled_segmentation_spells_the_same_text(text: str, alpha: float, seed: int) -> None:
    trained = tokenizer()
    ids = trained.sample([text, text], alpha, np.random.default_rng(seed))
    assert trained.decode(ids) == [text.replace("\u2581", " ")] * 2


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_nothing_is_normalised(kind: str) -> None:
    trained = tokenizer(kind)
    texts = ["EINS Eins eins", "ﬁ ² ½ Ⅷ ｆｕｌｌ", "e\u0301 \u00e9", "\u00a0\u3000\u2009x", "İ ı ß ẞ"]
    assert trained.decode(trained.encode(texts)) == texts
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        text = unicodedata.normalize(form, "Ä é ﬁ")
        assert trained.decode(trained.encode([text])) == [text]
    assert trained.encode(["EINS"]) != trained.encode(["eins"])


@pytest.mark.parametrize("kind", KINDS)
def test_odd_lines_are_encoded_and_decoded_to_one_line(kind: str) -> None:
    trained = tokenizer(kind)
    for text in trained.decode(trained.encode(ODD_LINES)):
        assert not set(text) & set("\n\r")


@given(ids=st.lists(st.integers(0, 349), max_size=30))
def test_any_ids_decode_to_one_line_of_text(ids: list[int]) -> None:
    (text,) = tokenizer().decode([ids])
    assert not set(text) & set("\n\r")
    text.encode()  # bytes that make no character are replaced
    assert len(tokenizer().pieces(ids)) == len(ids)


def test_line_breaks_spelled_in_bytes_become_spaces() -> None:
    trained = tokenizer()
    assert trained.decode(trained.encode(["eins\nzwei\r\ndrei\rvier"])) == ["eins zwei  drei vier"]


# -- sampling -----------------------------------------------------------------------------------------------------


def test_sampling_follows_the_probabilities_of_the_segmentations() -> None:
    trained = tokenizer("unigram", 600)
    word, alpha, draws = "neunzehnhundertzwanzig", 0.2, 4000
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.model)
    best = processor.nbest_encode(word, nbest_size=16)
    weights = np.exp([alpha * sum(map(processor.get_score, ids)) for ids in best])
    shares = weights / weights.sum()
    found = [tuple(ids) for ids in trained.sample([word] * draws, alpha, np.random.default_rng(0))]
    for ids, share in zip(best, shares, strict=True):
        assert abs(found.count(tuple(ids)) / draws - share) < 4 * np.sqrt(share * (1 - share) / draws) + 1e-9


def test_sampling_with_a_large_alpha_gives_the_best_segmentation() -> None:
    trained = tokenizer("unigram", 600)
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.model)

    def log_probs(lines: list[list[int]]) -> list[float]:
        return [sum(map(processor.get_score, ids)) for ids in lines]

    sampled = trained.sample(SOURCES, 1000.0, np.random.default_rng(0))
    assert log_probs(sampled) == pytest.approx(log_probs(trained.encode(SOURCES)), abs=0.01)


def test_sampling_depends_on_the_generator_alone() -> None:
    trained = tokenizer("unigram", 600)
    first = trained.sample(SOURCES, 0.2, np.random.default_rng(4))
    trained.sample(SOURCES, 0.5, np.random.default_rng(5))
    assert trained.sample(SOURCES, 0.2, np.random.default_rng(4)) == first
    assert Tokenizer(trained.model).sample(SOURCES, 0.2, np.random.default_rng(4)) == first
    assert trained.sample(SOURCES, 0.2, np.random.default_rng(5)) != first


# -- files and errors ---------------------------------------------------------------------------------------------


def test_a_model_is_its_bytes(tmp_path: Path) -> None:
    trained = tokenizer()
    path = tmp_path / "a.model"
    path.write_bytes(trained.model)
    loaded = load_tokenizer(path)
    assert loaded.encode(SOURCES) == trained.encode(SOURCES)
    assert loaded.model == trained.model
    for copied in (pickle.loads(pickle.dumps(trained)), copy.deepcopy(trained)):
        assert copied.encode(SOURCES) == trained.encode(SOURCES)


def test_training_again_gives_the_same_model() -> None:
    assert train_tokenizer(options(), SOURCES + TARGETS).model == tokenizer().model


def test_the_fingerprint_tells_pairs_apart() -> None:
    one, other = tokenizer(), tokenizer("bpe")
    prints = [TokenizerPair(*pair).fingerprint for pair in ((one, one), (one, other), (other, one), (other, other))]
    assert len(set(prints)) == 4
    assert TokenizerPair(Tokenizer(one.model), Tokenizer(one.model)).fingerprint == prints[0]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("vocab_size", [50, 50_000])
def test_a_wrong_number_of_pieces_is_one_line_that_names_the_key(kind: str, vocab_size: int) -> None:
    with pytest.raises(UserError) as caught:
        train_tokenizer(options(kind, vocab_size), SOURCES)
    message = str(caught.value)
    assert message.startswith(f"tokenizer.vocab_size: SentencePiece cannot train {vocab_size} pieces of type {kind}")
    assert "\n" not in message
    assert ".cc" not in message
    assert any(character.isdigit() for character in message.rpartition(":")[2])  # what would do


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_at_all_is_said(kind: str) -> None:
    with pytest.raises(UserError, match=r"^data\.train: there is no text to train a tokenizer from$"):
        train_tokenizer(options(kind), [])


def test_a_whole_document_on_a_line_is_text_to_train_from() -> None:
    document = " ".join(SOURCES)
    assert len(document) > 10_000
    trained = train_tokenizer(options(), [document])
    assert trained.decode(trained.encode(SOURCES)) == SOURCES
    assert sum(map(len, trained.encode(SOURCES))) < 0.6 * len(document)


def test_a_line_break_in_a_text_is_no_hindrance() -> None:
    texts = [f"{a}\n{b}" for a, b in zip(SOURCES, TARGETS, strict=True)]
    assert len(train_tokenizer(options(), texts)) == 350


def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    with pytest.raises(UserError, match=r"^[^\n]*a\.model: No such file or directory$"):
        load_tokenizer(path)
    for content in (b"text", bytes(range(256)) * 10, tokenizer().model[:-1000], b"", pickle.dumps([1])):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"^[^\n]*a\.model: [^\n]+$"):
            load_tokenizer(path)


def test_a_model_with_other_special_ids_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SOURCES), model_writer=file, vocab_size=60, minloglevel=2
        )
    with pytest.raises(UserError, match=r"a\.model: its special ids are \(-1, 0, 1, 2\), not \(0, 1, 2, 3\)$"):
        load_tokenizer(tmp_path / "a.model")


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unigram", "word", "char"])
@pytest.mark.parametrize(
    "preparation", [Preparation(), Preparation(lowercase=True, moses=True, language="de")], ids=str
)
def test_every_piece_belongs_to_the_word_it_is_part_of(kind: str, preparation: Preparation) -> None:
    """Put together again, the pieces of a word are the word; but of one that holds a space of another kind."""
    model = tokenizer(kind).with_preparation(preparation)
    for text in ["Eins,  (zwölf) Uhr. ", "„Drei“ Öre", *(line for line in ODD_LINES if len(line) < 1000)]:
        words, places, written = text.split(), model.words(text), model.written(text)
        assert len(places) == len(written) == len(model.encode([text])[0])
        assert sorted(places) == places
        together = [""] * (len(words) + 1)
        for place, piece in zip(places, written, strict=True):
            together[place] += "".join(piece.split())
        if set(text) <= set("Eins,  (zwölf) Uhr. „Drei“ Öre"):
            assert together == [*words, ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eins zwölf", [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),  # the mark of a space belongs to the word after it
        (" \t eins  ", [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),  # the last ones to none
        ("", []),
        (" ", [0, 0]),
    ],
)
def test_the_word_of_each_letter(text: str, expected: list[int]) -> None:
    assert tokenizer("char").words(text) == expected


def test_the_bytes_of_a_character_belong_to_its_word() -> None:
    ids = tokenizer("unigram").encode(["漢 字"])[0]
    pieces = tokenizer("unigram").pieces(ids)
    assert sum(piece.startswith("<0x") for piece in pieces) == 6
    assert tokenizer("unigram").words("漢 字") == [0] * pieces.index("\u2581", 1) + [1] * (len(pieces) // 2)


def test_punctuation_of_another_length_moves_no_word() -> None:
    moses = Preparation(normalize_punctuation=True, moses=True, language="de")
    model = tokenizer("word").with_preparation(moses)
    assert model.prepare(["eins… „zwei“ drei"]) == ['eins ... " zwei " drei']
    assert model.words("eins… „zwei“ drei") == [0, 0, 1, 1, 1, 2]


def test_what_a_piece_stands_for_is_in_its_own_case() -> None:
    lowered = tokenizer("word").with_preparation(Preparation(lowercase=True, moses=True, language="de"))
    assert lowered.written("Anna, eins QUUX.") == ["Anna", ",", "eins", "QUUX", "."]
    assert lowered.written("İstanbul eins") == lowered.prepare(["İstanbul eins"])[0].split()


@pytest.mark.parametrize("kind", ["unigram", "word", "char"])
def test_unknown_pieces_are_filled_and_nothing_else_changes(kind: str) -> None:
    model = tokenizer(kind)
    ids = model.encode(["eins zwei drei"])[0]
    assert model.fill(ids, []) == model.decode([ids])[0] == "eins zwei drei"
    for filled in ([*ids[:-1], UNK], [UNK, *ids], [*ids[:-1], UNK, UNK, ids[-1]]):
        words = [f"Wort{number}" for number in range(filled.count(UNK))]
        found, (expected,) = model.fill(filled, words), model.spell([filled])
        for word in words:
            expected = expected.replace(UNKNOWN, word, 1)
        assert found == expected


def test_unknown_words_of_a_source_have_ids_of_their_own_on_both_sides() -> None:
    model = tokenizer("word")
    size, (eins,) = len(model), model.encode(["eins"])[0]
    pair = TokenizerPair(model, model, copies=True)
    texts = ["quux eins foo quux", "eins", ""]
    sources = pair.encode_sources(texts)
    assert sources[0] == SourceIds([size, eins, size + 1, size], ("quux", "foo"))
    assert sources[1:] == [SourceIds([eins]), SourceIds([])]
    targets = pair.encode_targets(["foo bar eins", "quux", ""], sources)
    assert targets == [[size + 1, UNK, eins], [UNK], []]
    assert model.spell([sources[0].ids, targets[0]], sources[0].words) == [texts[0], f"foo {UNKNOWN} eins"]
    assert model.spell([[BOS, size + 1, UNK, EOS]]) == [f"{UNKNOWN}1 {UNKNOWN}"]  # without the words
    assert model.fill(targets[0], ["x"], sources[0].words) == "foo x eins"
    assert model.pieces(targets[0], sources[0].words) == ["\u2581foo", "<unk>", "\u2581eins"]
    assert pair.fingerprint != TokenizerPair(model, model).fingerprint
    assert TokenizerPair(model, model).encode_sources(texts)[0] == SourceIds([UNK, eins, UNK, UNK])


def test_a_source_that_is_cut_keeps_the_words_that_are_left() -> None:
    size = 7
    source = SourceIds([4, size, 5, size, size + 1, 4, size + 2], ("a", "b", "c"))
    kept = [len(source.cut(length).words) for length in range(8)]
    assert kept == [0, 0, 1, 1, 1, 2, 2, 3]
    assert source.cut(5) == SourceIds([4, size, 5, size, size + 1], ("a", "b"), unread=2)
    assert source.cut(5).cut(4) == source.cut(4)
    assert source.cut(None) == source.cut(7) == source
    assert SourceIds([4, 5]).cut(1) == SourceIds([4], unread=1)


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_of_pieces_nothing_is_unknown_that_could_be_copied(kind: str) -> None:
    model = tokenizer(kind)
    assert model.encode_open(SOURCES[:5]) == [SourceIds(ids) for ids in model.encode(SOURCES[:5])]


def test_any_word_may_be_filled_in() -> None:
    model = tokenizer("word")
    ids = [UNK, *model.encode(["eins"])[0], UNK]
    assert model.fill(ids, ["<s>", "a\rb"]) == "<s> eins a b"
    assert model.fill(ids, [UNKNOWN, "eins"]) == f"{UNKNOWN} eins eins"


def test_marks_that_the_text_as_a_whole_has_more_of_move_no_word() -> None:
    """A no-break space between digits becomes a comma; marks in a row may change places."""
    moses = Preparation(normalize_punctuation=True, moses=True, language="de")
    model = tokenizer("word").with_preparation(moses)
    assert model.prepare(["1\u00a0000 eins zwei"]) == ["1,000 eins zwei"]
    assert model.words("1\u00a0000 eins zwei") == [0, 2, 3]
    assert model.words('eins ," zwei drei') == [0, 1, 1, 2, 3]
