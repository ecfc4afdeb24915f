"""Text to text in this process; promise 4 does it with the real command."""

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.batched_search import search_settings
from nmt.bundle import load_bundle
from nmt.cli import main
from nmt.errors import UserError
from nmt.evaluation.translations import evaluate_translations
from nmt.export import export
from nmt.guides import Guide
from nmt.loading import choose_device
from nmt.preparation import Preparation
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.recipe.search import SearchOptions
from nmt.tokenizer import BOS, EOS, UNK, UNKNOWN, TokenizerPair
from nmt.translation import Translation
from nmt.translator import Translator
from nmt.unknown import filled
from tests.fixtures_text import (
    SOURCES,
    TARGETS,
    copying_bundle,
    make_bundle,
    practised_bundle,
    saved,
    tokenizer,
    write_lines,
)

LINES = SOURCES[:8]


def translator(**search: Any) -> Translator:
    bundle = practised_bundle()
    return Translator(bundle.model, bundle.tokenizers, bundle.recipe.search.model_copy(update=search))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(practised_bundle(), tmp_path_factory.mktemp("translator") / "model")


def test_a_beam_of_one_has_one_group() -> None:
    """A training validates a recipe of diverse search greedily."""
    settings = search_settings(SearchOptions(beam_size=6, diversity_groups=3))
    assert settings.diversity_groups == 3
    assert search_settings(SearchOptions(beam_size=6, diversity_groups=3).model_copy(update={"beam_size": 1})) == (
        search_settings(SearchOptions(beam_size=1))
    )
    with pytest.raises(ValueError, match=r"diversity_groups: must divide beam_size \(6\)"):
        SearchOptions(beam_size=6, diversity_groups=5)


# -- in Python ----------------------------------------------------------------------------------------------------


def test_a_line_gives_a_line_and_lines_give_lines() -> None:
    translate = translator()
    lines = translate(LINES)
    assert len(lines) == len(LINES)
    assert len(set(lines)) > 4  # it has learned something
    assert translate(LINES[0]) == lines[0]
    assert translate([]) == []
    assert translate("") == ""


def test_what_stands_between_the_lines_of_a_source_is_never_written() -> None:
    translate = translator()
    word = Counter(" ".join(translate(LINES)).split()).most_common(1)[0][0]
    source = translate.tokenizers.source.with_preparation(Preparation(line_separator=word))
    of_dialogues = Translator(translate.model, replace(translate.tokenizers, source=source), translate.options)
    for best in of_dialogues.translate(LINES, n_best=translate.options.beam_size):
        assert not any(word in found.text.split() for found in best)
    with pytest.raises(UserError, match=f"hold '{word}', which the model has no word for, or never writes"):
        of_dialogues.translate(LINES[:1], guides=[Guide(prefix=word)])


def test_one_line_is_not_taken_for_a_list_of_its_letters() -> None:
    with pytest.raises(TypeError, match="a list of lines"):
        Translator.from_bundle(make_bundle(), "cpu").translate("zwölf")


def test_blank_lines_stay_blank_and_order_is_kept() -> None:
    translate = translator()
    mixed = ["", LINES[3], " \t", LINES[1], LINES[0], "\u3000", LINES[1]]
    expected = [translate(line) if line.strip() else "" for line in mixed]
    assert translate(mixed) == expected
    assert translate.translate(["", "\u2028"], n_best=3) == [[Translation("")], [Translation("")]]


def test_the_best_come_first_and_asking_for_more_does_not_change_the_first() -> None:
    translate = translator(beam_size=4)
    for best, one in zip(translate.translate(LINES, n_best=4), translate.translate(LINES), strict=True):
        assert best[0] == one[0]
        assert len(best) == 4
        assert len({found.ids for found in best}) == 4
        assert [found.score for found in best] == sorted((found.score for found in best), reverse=True)
        for found in best:
            penalty = (5 + len(found.ids) + 1) / 6
            assert found.score == pytest.approx(found.log_prob / penalty, rel=1e-5)


def test_more_of_the_best_than_the_beam_holds_are_refused() -> None:
    with pytest.raises(UserError, match=r"^the 5 best translations need a beam of 5 \(--beam\), not 4$"):
        translator(beam_size=4).translate(LINES, n_best=5)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_score_of_a_translation_is_its_log_probability(beam_size: int) -> None:
    translate = translator(beam_size=beam_size)
    found = [best[0] for best in translate.translate(LINES)]
    texts = [best.text for best in found]
    assert [tuple(ids) for ids in translate.tokenizers.target.encode(texts)] == [best.ids for best in found]
    for best, (log_prob, tokens) in zip(found, translate.score(LINES, texts), strict=True):
        assert log_prob == pytest.approx(best.log_prob, abs=1e-4)
        assert tokens == len(best.ids) + 1


def test_scores_come_in_the_order_of_the_lines() -> None:
    translate = translator(batch_size=2)
    targets = ["one", "", "two three four", "five"]
    together = translate.score(LINES[:4], targets)
    for source, target, scored in zip(LINES, targets, together, strict=False):
        assert translate.score([source], [target])[0] == pytest.approx(scored, abs=1e-4)
    assert translate.score([], []) == []
    assert translate.score([""], [""])[0][1] == 1  # the end alone


@pytest.mark.parametrize("attention", [{"type": "additive", "size": 5}, {"type": "general"}])
def test_an_alignment_is_a_distribution_for_every_piece(attention: dict[str, Any]) -> None:
    bundle = make_bundle(model={"attention": attention})
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    found = translate.translate(LINES[:2])[0][0]
    alignment = translate.align(LINES[0], found)
    assert alignment is not None
    assert alignment.source == [*translate.tokenizers.source.pieces(translate._encode(LINES[:1])[0].ids), "</s>"]
    assert alignment.target == [*translate.tokenizers.target.pieces(found.ids), "</s>"]
    assert alignment.weights.shape == (len(alignment.target), len(alignment.source))
    torch.testing.assert_close(alignment.weights.sum(dim=1), torch.ones(len(alignment.target)))
    assert (alignment.weights >= 0).all()


def test_without_attention_there_is_no_alignment() -> None:
    bundle = make_bundle(model={"attention": {"type": "none"}})
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    assert translate.align(LINES[0], translate.translate(LINES[:1])[0][0]) is None
    with pytest.raises(UserError, match=r"this model has no attention \(model\.attention\)"):
        translate.align_all(LINES[:1], ["one"])


GIVEN = ["one", "", "two three four", "five six", "seven", "eight nine ten eleven", "twelve", " 13 "]


@pytest.mark.parametrize("attention", [{"type": "additive", "size": 5}, {"type": "general"}])
def test_many_pairs_are_aligned_like_each_by_itself(attention: dict[str, Any]) -> None:
    bundle = make_bundle(model={"attention": attention})
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    sources = [*LINES[:6], "", LINES[7]]
    for size in (1, 3, 64):
        translate.options = bundle.recipe.search.model_copy(update={"batch_size": size})
        for source, target, pair in zip(sources, GIVEN, translate.align_all(sources, GIVEN), strict=True):
            ids = tuple(bundle.tokenizers.target.encode([target])[0])
            alone = translate.align(source, Translation(target, ids=ids))
            assert alone is not None
            assert (pair.pieces.source, pair.pieces.target) == (alone.source, alone.target)
            torch.testing.assert_close(pair.pieces.weights, alone.weights)
            assert (pair.words.source, pair.words.target) == (source.split(), target.split())
    with pytest.raises(UserError, match="2 sources cannot be aligned with 1 translations"):
        translate.align_all(LINES[:2], ["one"])
    assert translate.align_all([], []) == []


def test_an_ensemble_aligns_by_the_mean_of_its_members() -> None:
    bundles = [make_bundle(steps=steps) for steps in (0, 3)]
    together = Translator.from_bundles(bundles, "cpu").align_all(LINES, GIVEN)
    each = [Translator.from_bundle(bundle, "cpu").align_all(LINES, GIVEN) for bundle in bundles]
    for pair, *others in zip(together, *each, strict=True):
        mean = sum(other.pieces.weights for other in others) / 2
        torch.testing.assert_close(pair.pieces.weights, mean)


@pytest.mark.parametrize("attention", [{"type": "additive", "size": 5}, {"type": "general"}])
def test_the_attention_is_that_of_the_steps_of_the_search(attention: dict[str, Any]) -> None:
    """Which are taken here one by one, as a search takes them."""
    bundle = make_bundle(model={"attention": attention})
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    found = translate.translate(LINES[:3])
    longest = max(found, key=lambda best: len(best[0].ids))[0]
    source = LINES[found.index([longest])]
    ids = translate._encode([source])[0].ids
    state = bundle.model.start(torch.tensor([[*ids, EOS]]), torch.tensor([len(ids) + 1]))
    rows, decoder = [], state.decoder
    for token in (BOS, *longest.ids):
        step = bundle.model.decoder.step(bundle.model.tgt_embedding(torch.tensor([token])), decoder, state.source)
        assert step.weights is not None
        rows.append(step.weights[0])
        decoder = step.state
    alignment = translate.align(source, longest)
    assert alignment is not None
    torch.testing.assert_close(alignment.weights, torch.stack(rows))


def test_whose_alignment_a_step_is_changes_names_and_words_but_no_weights() -> None:
    compared = 0
    predicted, read = (translator(alignment=of).align_all(LINES, GIVEN) for of in ("predicted", "input"))
    for one, other, source, target in zip(predicted, read, LINES, GIVEN, strict=True):
        assert torch.equal(one.pieces.weights, other.pieces.weights)
        assert one.pieces.target[-1] == "</s>"
        assert other.pieces.target == ["<s>", *one.pieces.target[:-1]]
        words = len(source.split()), len(target.split())
        if words == (len(one.pieces.source) - 1, len(one.pieces.target) - 1):  # each word is a piece
            compared += 1
            torch.testing.assert_close(one.words.weights, one.pieces.weights[: words[1], : words[0]])
            torch.testing.assert_close(other.words.weights, one.pieces.weights[1:, : words[0]])
    assert compared > 1


def test_of_a_long_line_the_words_that_are_left_are_aligned() -> None:
    translate = translator(max_source_length=3)
    (pair,) = translate.align_all(["eins zwei drei vier fünf"], ["one two"])
    assert translate.cut_lines == 1
    assert pair.words.weights.shape == (2, 5)
    assert pair.words.weights[:, :3].any()
    assert not pair.words.weights[:, 3:].any()


# -- copied words -------------------------------------------------------------------------------------------------

STRANGE = [f"{SOURCES[3]} Quux 7", "Zyx", f"Xyzzy {SOURCES[1]} Xyzzy 5", ""]


def copying(**search: Any) -> Translator:
    bundle = copying_bundle()
    options = {"max_length_ratio": 1.2, "max_length_extra": 1} | search
    return Translator(bundle.model, bundle.tokenizers, bundle.recipe.search.model_copy(update=options))


@pytest.mark.parametrize("beam_size", [1, 4])
def test_words_that_no_vocabulary_has_are_copied(beam_size: int) -> None:
    translate = copying(beam_size=beam_size)
    size, read = len(translate.tokenizers.target), [set(line.split()) for line in STRANGE]
    found = translate.translate(STRANGE, n_best=beam_size)
    assert "Quux" in found[0][0].text.split()
    for line, words, many in zip(STRANGE, read, found, strict=True):
        for best in many:
            copied = [word for word, piece in zip(best.text.split(), best.ids, strict=True) if piece >= size]
            assert set(copied) <= words & set(best.words)
            pieces = translate.tokenizers.target.pieces(best.ids, best.words)
            assert [piece[1:] for piece in pieces if piece != "<unk>"] == [
                word for word in best.text.split() if word != UNKNOWN
            ]
            if UNK not in best.ids:
                ((log_prob, _),) = translate.score([line], [best.text])
                assert log_prob == pytest.approx(best.log_prob, abs=1e-4) or not line
            alignment = translate.align(line, best)
            assert alignment is not None
            assert alignment.target[:-1] == pieces
            assert [piece[1:] for piece in alignment.source[:-1]] == line.split()


def test_a_guide_may_name_a_word_of_the_source() -> None:
    lines = ["eins Quux", "eins zwei"]
    for beam_size in (1, 4):
        translate = copying(beam_size=beam_size)
        for guides in ([Guide("Quux"), Guide()], [Guide(phrases=("Quux eins",)), Guide()]):
            found = translate.translate(lines, guides=guides)
            assert "Quux" in found[0][0].text.split()
            assert "Quux" not in found[1][0].text
            assert all(math.isfinite(best.log_prob) for (best,) in found)
    with pytest.raises(UserError, match="hold 'Quux', which the model has no word for, or never writes"):
        translate.translate(lines, guides=[Guide("Quux")] * 2)


def test_an_unknown_word_that_is_no_word_of_the_source_can_be_replaced() -> None:
    tokenizers = copying().tokenizers
    found = Translation("", ids=(UNK, len(tokenizers.target)), words=("Quux",))
    looked = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]])
    assert filled(found, "eins Quux", looked, tokenizers, {}, "predicted").text == "eins Quux"


def test_of_a_line_that_was_cut_no_word_is_copied_that_is_not_read() -> None:
    translate = copying(max_source_length=3)
    (found,) = translate.translate(["eins Quux zwei Zyx"])[0]
    assert found.words == ("Quux",)
    assert translate.score(["eins Quux zwei Zyx"], ["Zyx"]) == translate.score(["eins Quux zwei"], ["Zyx"])


def test_models_that_copy_translate_together_but_not_with_others() -> None:
    bundle = copying_bundle()
    together = Translator.from_bundles([bundle, bundle], "cpu")
    alone = Translator.from_bundles([bundle], "cpu")
    assert together(STRANGE) == alone(STRANGE)
    with pytest.raises(UserError, match="models 1 and 2 have different tokenizers"):
        Translator.from_bundles([bundle, practised_bundle()], "cpu")


def test_a_model_that_copies_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    loaded = load_bundle(saved(copying_bundle(), tmp_path / "model"))
    assert loaded.tokenizers.copies
    assert Translator.from_bundle(loaded, "cpu")(STRANGE) == Translator.from_bundle(copying_bundle(), "cpu")(STRANGE)
    with pytest.raises(UserError, match="cannot be exported"):
        export(loaded, loaded.recipe.data, int8=True, candidates=0)


# -- unknown words ------------------------------------------------------------------------------------------------


def forgetful(**search: Any) -> Translator:
    """It nearly knows its lines, but for the word that comes most often in its translations."""
    bundle = practised_bundle()
    model = deepcopy(bundle.model)
    (frequent, _), *_ = Counter(piece for best in translator().translate(LINES) for piece in best[0].ids).most_common()
    for layer in (model.output.words, model.tgt_embedding):
        layer.weight[UNK] = layer.weight[frequent]
    model.output.words.bias[UNK] = model.output.words.bias[frequent] + 1.0
    return Translator(model, bundle.tokenizers, bundle.recipe.search.model_copy(update=search))


@pytest.mark.parametrize("of", ["predicted", "input"])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_unknown_words_are_replaced_by_what_they_look_at(of: str, beam_size: int) -> None:
    lines = [*LINES, "", *LINES[:3], "quux  eins"]
    plain = forgetful(alignment=of, beam_size=beam_size)
    filled = forgetful(alignment=of, beam_size=beam_size, replace_unknown=True)
    count = 0
    for line, before, after in zip(lines, plain.translate(lines), filled.translate(lines), strict=True):
        (one,), (other,) = before, after
        assert (one.ids, one.score, one.log_prob) == (other.ids, other.score, other.log_prob)
        alignment = plain.align(line, one)
        assert alignment is not None
        texts = line.split()
        expected = []
        for place, (piece, word) in enumerate(zip(one.ids, one.text.split(), strict=True)):
            row = alignment.weights[place + (of == "input")][:-1].tolist()  # without the end of the source
            copied = max(zip(row, texts, strict=True))[1] if texts else ""
            expected.append(copied if piece == UNK else word)
            count += piece == UNK
        assert other.text.strip() == " ".join(expected)
    assert count > 3
    assert all(UNKNOWN not in text for text in filled(lines))


def test_all_of_the_best_are_filled() -> None:
    for best in forgetful(beam_size=4, replace_unknown=True).translate(LINES, n_best=4):
        assert all(UNKNOWN not in found.text for found in best)


def test_the_dictionary_has_the_last_word(tmp_path: Path) -> None:
    copied = forgetful(replace_unknown=True)(LINES)
    words = {word for line in LINES for word in line.split()}
    path = write_lines(tmp_path / "words.tsv", [f"{word}\t<{word}>" for word in sorted(words)])
    found = forgetful(replace_unknown=True, dictionary=str(path))(LINES)
    assert any("<" in line for line in found)
    assert [line.replace("<", "").replace(">", "") for line in found] == copied


@pytest.mark.parametrize("text", ["raw", "tokenized"])
def test_an_evaluation_gives_bleu_before_the_replacement_too(text: str) -> None:
    moses = Preparation(moses=True, language="en")
    options = TranslationEvaluation.model_validate({"text": text, "bleu_tokenize": "none"})
    results = []
    for changed in ({"replace_unknown": True}, {}):
        translate = forgetful(**changed)
        pair = translate.tokenizers
        translate.tokenizers = TokenizerPair(pair.source, pair.target.with_preparation(moses))
        results.append(evaluate_translations(translate, [*LINES, ""], [*TARGETS[:8], ""], options))
    replaced, plain = results
    assert (replaced.beam.bleu_before, replaced.greedy.bleu_before) == (
        plain.beam.scores.bleu,
        plain.greedy.scores.bleu,
    )
    assert replaced.as_dict()["beam"]["bleu_before_replacement"] == plain.beam.scores.bleu
    assert f"beam 5: unknown words replaced; BLEU was {plain.beam.scores.bleu:.2f} before" in replaced.table("test")
    assert plain.beam.bleu_before is None
    assert "bleu_before_replacement" not in plain.as_dict()["beam"]
    assert "replaced" not in plain.table("test")
    lines = [found.text if text == "raw" else found.prepared for found in replaced.beam.translations]
    assert replaced.beam.lines == lines
    assert replaced.beam.lines != plain.beam.lines
    assert not any(UNKNOWN in line for line in lines)


def test_a_model_that_knows_all_its_words_is_left_as_it_is() -> None:
    bundle = make_bundle()
    options = bundle.recipe.search.model_copy(update={"replace_unknown": True})
    assert Translator(bundle.model, bundle.tokenizers, options)(LINES) == Translator(
        bundle.model, bundle.tokenizers, bundle.recipe.search
    )(LINES)


def test_what_the_replacement_needs_is_said(tmp_path: Path) -> None:
    plain = make_bundle(model={"attention": {"type": "none"}})
    with pytest.raises(UserError, match=r"^search\.replace_unknown: needs an attention; model\.attention is none$"):
        Translator.from_bundle(plain, "cpu", replace_unknown=True)
    with pytest.raises(UserError, match=r"^search\.dictionary: needs search\.replace_unknown: true$"):
        Translator.from_bundle(make_bundle(), "cpu", dictionary="words.tsv")
    with pytest.raises(UserError, match=r"nowhere\.tsv: No such file"):
        Translator.from_bundle(make_bundle(), "cpu", replace_unknown=True, dictionary=str(tmp_path / "nowhere.tsv"))


def test_a_line_that_is_too_long_is_cut_and_counted() -> None:
    translate = translator(max_source_length=3)
    lines = ["eins zwei drei vier fünf", "", "eins zwei drei", "eins"]
    cut, blank, whole, short = (best for (best,) in translate.translate(lines))
    assert [found.unread for found in (cut, blank, whole, short)] == [2, 0, 0, 0]
    assert cut.text == whole.text
    assert translate.cut_lines == 1
    translate.align(lines[0], cut)
    assert translate.cut_lines == 1  # it was counted when it was translated
    assert translate.score(lines, ["one"] * 4)[0] == translate.score(lines[2:3], ["one"])[0]
    assert translate.cut_lines == 2


@pytest.mark.parametrize(
    ("cut_source", "search", "asked", "read"),
    [
        (None, {}, {}, 1000),
        (4, {}, {}, 4),
        (4, {"max_source_length": 7}, {}, 4),
        (4, {"max_source_length": 3}, {}, 3),
        (4, {"max_source_length": 3}, {"max_source_length": 7}, 7),
    ],
)
def test_a_source_is_cut_to_no_more_than_in_training_unless_the_user_asks_for_it(
    cut_source: int | None, search: dict[str, int], asked: dict[str, int], read: int
) -> None:
    bundle = make_bundle(data={"cut_source": cut_source}, search={"max_source_length": 1000} | search)
    translate = Translator.from_bundle(bundle, "cpu", **asked)
    line = "eins " * 1003
    (source,) = translate.tokenizers.encode_sources([line])
    ((best,),) = translate.translate([line])
    assert len(source.ids) - best.unread == read


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_network_that_gives_no_numbers_is_said(beam_size: int) -> None:
    bundle = make_bundle()
    with torch.no_grad():
        bundle.model.output.words.bias.fill_(math.nan)
    translate = Translator(bundle.model, bundle.tokenizers, SearchOptions(beam_size=beam_size))
    with pytest.raises(UserError, match="values that are no numbers"):
        translate(LINES)


def test_out_of_memory_names_the_batch_and_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate too much")

    translate = translator(beam_size=3, batch_size=4)
    monkeypatch.setattr(translate.model.encoder, "forward", exhausted)
    wanted = r"out of memory with a batch of 4 sentences, source \d+ pieces, beam 3; lower --beam or the batch size"
    with pytest.raises(UserError, match=wanted):
        translate(LINES)
    with pytest.raises(
        UserError, match=r"4 sentences, source \d+ and target \d+ pieces; lower the batch size \(search\.batch_size\)"
    ):
        translate.score(LINES, LINES)


def test_scores_do_not_depend_on_how_many_logits_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = translator().score(LINES, LINES[::-1])
    monkeypatch.setattr("nmt.model.output._LOGITS_AT_ONCE", {"cpu": 3 * len(translator().tokenizers.target)})
    for (log_prob, tokens), (expected, count) in zip(translator().score(LINES, LINES[::-1]), whole, strict=True):
        assert log_prob == pytest.approx(expected, rel=1e-6)
        assert tokens == count


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_result_does_not_depend_on_the_number_of_cores(beam_size: int) -> None:
    """Nor do blank lines and errors."""
    bundle = make_bundle()
    options = bundle.recipe.search.model_copy(update={"beam_size": beam_size, "batch_size": 2, "max_source_length": 9})
    translate = Translator(bundle.model, bundle.tokenizers, options)
    lines = [*LINES, "", *LINES[::-1]]
    expected = translate.translate(lines)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for batch_size in (1, 2, 64):
            translate.options = options.model_copy(update={"batch_size": batch_size})
            for found, best in zip(translate.translate(lines), expected, strict=True):
                assert [one.text for one in found] == [one.text for one in best]
                assert [one.score for one in found] == pytest.approx([one.score for one in best], abs=1e-5)
    finally:
        torch.set_num_threads(before)


def test_the_network_keeps_its_mode_and_dropout_is_off() -> None:
    bundle = make_bundle(model={"dropout": 0.9})
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    expected = translate.translate(LINES), translate.score(LINES, LINES)
    bundle.model.train()
    assert (translate.translate(LINES), translate.score(LINES, LINES)) == expected
    translate.align(LINES[0], Translation("one", ids=(9, 10)))
    assert bundle.model.training
    with pytest.raises(UserError):
        translate.translate(LINES, n_best=99)
    assert bundle.model.training


def test_each_block_is_given_before_the_next_is_asked_for() -> None:
    asked = 0

    def blocks() -> Iterator[list[str]]:
        nonlocal asked
        for line in LINES:
            asked += 1
            yield [line, ""]

    stream = translator().stream(blocks())
    for number, line in enumerate(LINES, start=1):
        assert next(stream)[0] == line
        assert next(stream) == ("", [Translation("")])
        assert asked == number
    assert next(stream, None) is None


def test_a_loaded_translator_translates_the_same(model: Path) -> None:
    assert Translator.load(model, "cpu")(LINES) == translator()(LINES)
    assert Translator.load(str(model), "cpu", beam_size=1).options.beam_size == 1
    with pytest.raises(UserError, match=r"^search\.beam_size: "):
        Translator.load(model, "cpu", beam_size=0)
    with pytest.raises(UserError, match=r"^search\.bean_size: "):
        Translator.load(model, "cpu", bean_size=2)


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "meta", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line(name: str) -> None:
    with pytest.raises(UserError, match=rf"^--device {name}: [^\n]+$"):
        choose_device(name)
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


# -- the command, in this process ---------------------------------------------------------------------------------


class Command:
    """Runs `nmt` on some standard input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[bytes]) -> None:
        self.input = folder / "stdin"
        self.monkeypatch = monkeypatch
        self.output = output

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> tuple[list[str], list[str]]:
        """The lines of standard output and of standard error."""
        self.input.write_bytes(stdin)
        with self.input.open() as file:
            self.monkeypatch.setattr(sys, "stdin", file)
            code = main([*map(str, arguments), "--device", "cpu"])
        found = self.output.readouterr()
        assert code == (2 if found.err.startswith(b"nmt: ") and b"warning" not in found.err else 0)
        return found.out.decode().split("\n")[:-1], found.err.decode().split("\n")[:-1]


@pytest.fixture
def nmt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    return Command(tmp_path, monkeypatch, capsysbinary)


def test_no_input_gives_no_output(nmt: Command, model: Path) -> None:
    assert nmt("translate", "--model", model) == ([], [])
    assert nmt("translate", "--model", model, "--format", "jsonl", stdin=b"\n")[0] == [
        '{"source": "", "translations": [{"text": "", "score": 0.0, "log_prob": 0.0, "tokens": []}]}'
    ]


def test_n_best_writes_so_many_lines_for_each_line(nmt: Command, model: Path) -> None:
    stdin = f"{LINES[0]}\n\n{LINES[1]}".encode()
    found, _ = nmt("translate", "--model", model, "--n-best", "3", stdin=stdin)
    expected = [[best.text for best in line] for line in translator().translate([LINES[0], LINES[1]], n_best=3)]
    assert found == [*expected[0], "", "", "", *expected[1]]
    scored, _ = nmt("translate", "--model", model, "--n-best", "3", "--scores", stdin=stdin)
    assert [line.partition("\t")[2] for line in scored] == found
    scores = [float(line.partition("\t")[0]) for line in scored]
    assert scores[3:6] == [0.0, float("-inf"), float("-inf")]  # of a blank line there is one translation
    assert [sorted(three, reverse=True) for three in (scores[:3], scores[6:])] == [scores[:3], scores[6:]]


def test_n_best_keeps_its_lines_where_there_are_not_so_many(nmt: Command, tmp_path: Path) -> None:
    # With room for one piece, a translation is the end alone, or one of 347 pieces and the end.
    bundle = make_bundle(search={"max_length_ratio": 0.0, "max_length_extra": 1, "beam_size": 400})
    model = saved(bundle, tmp_path / "model")
    found, _ = nmt("translate", "--model", model, "--n-best", "400", "--scores", stdin=b"eins\nzwei\n")
    assert len(found) == 800
    for lines in (found[:400], found[400:]):
        assert lines[348:] == ["-inf\t"] * 52
        assert "-inf\t" not in lines[:348]


def test_json_lines_hold_scores_tokens_and_alignments(nmt: Command, model: Path) -> None:
    stdin = f"{LINES[0]}\n \n{LINES[1]} ".encode() + b"\xff\n"
    arguments = ["--format", "jsonl", "--n-best", "2", "--alignments"]
    found, _ = nmt("translate", "--model", model, *arguments, stdin=stdin)
    rows = [json.loads(line) for line in found]
    assert [row["source"] for row in rows] == [LINES[0], " ", f"{LINES[1]} \ufffd"]
    assert rows[1]["translations"] == [{"text": "", "score": 0.0, "log_prob": 0.0, "tokens": [], "alignment": None}]
    expected = translator().translate([row["source"] for row in rows], n_best=2)
    for row, best in zip(rows, expected, strict=True):
        assert [entry["text"] for entry in row["translations"]] == [one.text for one in best]
        assert [entry["log_prob"] for entry in row["translations"]] == pytest.approx([one.log_prob for one in best])
        assert [entry["score"] for entry in row["translations"]] == pytest.approx([one.score for one in best])
    for entry in [*rows[0]["translations"], *rows[2]["translations"]]:
        assert "".join(entry["tokens"]).replace("\u2581", " ").strip() == entry["text"]
        alignment = entry["alignment"]
        assert alignment["target"] == [*entry["tokens"], "</s>"]
        assert alignment["source"][-1] == "</s>"
        assert len(alignment["weights"]) == len(alignment["target"])
        for weights in alignment["weights"]:
            assert len(weights) == len(alignment["source"])
            assert sum(weights) == pytest.approx(1.0, abs=1e-3)


def test_score_gives_the_log_probability_of_the_translation(nmt: Command, model: Path, tmp_path: Path) -> None:
    stdin = "".join(f"{line}\n" for line in LINES).encode()
    rows = [json.loads(line) for line in nmt("translate", "--model", model, "--format", "jsonl", stdin=stdin)[0]]
    translations = [row["translations"][0] for row in rows]
    files = [
        write_lines(tmp_path / "a.de", LINES),
        write_lines(tmp_path / "a.en", [entry["text"] for entry in translations]),
    ]
    out, err = nmt_score(nmt, model, files)
    assert [float(line) for line in out] == pytest.approx([entry["log_prob"] for entry in translations], abs=2e-4)
    assert err == []


def nmt_score(nmt: Command, model: Path, files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """`nmt score`, without the line about perplexity."""
    out, err = nmt("score", "--model", model, "--source", files[0], "--target", files[1])
    assert err[-1].startswith("perplexity ")
    return out, err[:-1]


def test_translating_loads_nothing_that_it_does_not_need(model: Path, tmp_path: Path) -> None:
    code = (
        "import io, sys\n"
        "from nmt.cli import main\n"
        "sys.stdin = io.TextIOWrapper(io.BytesIO(b'eins zwei\\n'))\n"
        "main(['translate', '--model', sys.argv[1], '--format', 'jsonl', '--alignments'])\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout)["source"] == "eins zwei"
    loaded = set(done.stderr.split())
    assert "nmt.translator" in loaded
    needless = {
        *("pytorch_lightning", "lightning_fabric", "torchmetrics", "datasets", "pyarrow", "pandas", "huggingface_hub"),
        *("sacrebleu", "matplotlib", "tensorboard", "torch.utils.tensorboard", "torch._dynamo", "torch._inductor"),
        *("sympy", "nmt.training", "nmt.evaluation", "nmt.metrics", "nmt.data.corpus", "nmt.data.encoded"),
    }
    assert not needless & loaded


def test_the_end_is_no_piece_of_a_translation() -> None:
    for best in translator().translate(LINES, n_best=2):
        for found in best:
            assert EOS not in found.ids
            assert max(found.ids, default=0) < len(tokenizer("word"))
