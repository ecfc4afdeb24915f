"""Tokenizers are trained once for a specification and a text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from nmt.data.prepare import prepare_tokenizers
from nmt.errors import UserError
from nmt.recipe_file import LoadedRecipe
from nmt.tokenizer import TokenizerPair, train_tokenizer
from tests.fixtures_text import SOURCES, TARGETS, make_recipe, pairs

TEXT = pairs(SOURCES, TARGETS)
LOUD = pairs([f"{line}, JA!" for line in SOURCES], [f"{line}, isn't IT?" for line in TARGETS])


def specified(folder: Path | None, **tokenizer: Any) -> LoadedRecipe:
    """A recipe whose specification lies in a folder, or is spelled out."""
    return LoadedRecipe(make_recipe(tokenizer=tokenizer), "recipe", folder, "spec")


def prepared(loaded: LoadedRecipe, training: Dataset = TEXT) -> tuple[TokenizerPair, list[str]]:
    """The tokenizers, and what was said."""
    said: list[str] = []
    return prepare_tokenizers(loaded, training, said.append), said


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the tokenizers that were trained."""
    seen: list[str] = []

    def counting(options: Any, texts: Any) -> Any:
        seen.append(options.type)
        return train_tokenizer(options, texts)

    monkeypatch.setattr("nmt.data.prepare.train_tokenizer", counting)
    return seen


def test_a_model_is_kept_beside_its_specification_and_used_again(tmp_path: Path, trainings: list[str]) -> None:
    first, said = prepared(specified(tmp_path))
    assert first.source is first.target
    (kept,) = tmp_path.glob("*.model")
    assert kept.name.startswith("spec-")
    assert kept.read_bytes() == first.source.model
    assert said == [
        f"unigram tokenizer of 350 pieces (source + target): trained from the training split, kept as {kept}"
    ]
    second, said = prepared(specified(tmp_path))
    assert second.fingerprint == first.fingerprint
    assert trainings == ["unigram"]
    (line,) = said
    assert str(kept) in line
    assert "trained before from the same specification and text" in line


def test_another_specification_or_text_is_said_and_trained(tmp_path: Path, trainings: list[str]) -> None:
    first, _ = prepared(specified(tmp_path))
    for loaded, text in (
        (specified(tmp_path, vocab_size=360), TEXT),
        (specified(tmp_path, type="bpe"), TEXT),
        (specified(tmp_path), pairs(SOURCES[:-1], TARGETS[:-1])),
    ):
        other, said = prepared(loaded, text)
        assert other.fingerprint != first.fingerprint
        assert "are of another specification or text" in said[0]
        assert "trained from the training split" in said[1]
    assert len(trainings) == len(list(tmp_path.glob("*.model"))) == 4
    again, said = prepared(specified(tmp_path))  # the first one is still there
    assert again.fingerprint == first.fingerprint
    assert len(said) == 1
    elsewhere = replace(specified(tmp_path), tokenizer_name="other")
    _, said = prepared(elsewhere)
    assert len(said) == 1  # models of another specification's name are no news


def test_both_directions_share_a_joint_model(tmp_path: Path, trainings: list[str]) -> None:
    there, _ = prepared(specified(tmp_path), pairs(SOURCES, TARGETS))
    back, _ = prepared(specified(tmp_path), pairs(TARGETS, SOURCES))
    assert trainings == ["unigram"]
    assert back.fingerprint == there.fingerprint
    anew, _ = prepared(specified(None), pairs(TARGETS, SOURCES))  # and would be the same if trained again
    assert anew.fingerprint == there.fingerprint


def test_separate_models_for_both_sides(tmp_path: Path, trainings: list[str]) -> None:
    loaded = specified(tmp_path, joint=False, vocab_size=320)
    first, said = prepared(loaded)
    assert first.source.model != first.target.model
    assert [("(source)" in line, "(target)" in line) for line in said[::2]] == [(True, False), (False, True)]
    # Each is trained from its own side.
    assert max(map(len, first.source.encode(SOURCES))) < max(map(len, first.target.encode(SOURCES)))
    assert max(map(len, first.target.encode(TARGETS))) < max(map(len, first.source.encode(TARGETS)))
    second, _ = prepared(loaded)
    assert second.fingerprint == first.fingerprint
    assert len(trainings) == len(list(tmp_path.glob("*.model"))) == 2


def test_a_spelled_out_specification_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tokenizers, said = prepared(specified(None))
    assert len(tokenizers.source) == 350
    assert said == ["unigram tokenizer of 350 pieces (source + target): trained from the training split"]
    assert not list(tmp_path.iterdir())


def test_missing_text_is_no_hindrance() -> None:
    gaps = Dataset.from_dict({"source": [*SOURCES, None], "target": [None, *TARGETS]})
    tokenizers, _ = prepared(specified(None), gaps)
    assert len(tokenizers.source) == 350


def test_each_side_is_prepared_by_its_own_language(tmp_path: Path, trainings: list[str]) -> None:
    fields = {"moses": True, "lowercase": True, "vocab_size": 320}
    first, _ = prepared(specified(tmp_path, **fields), LOUD)
    assert [side.preparation.language for side in (first.source, first.target)] == ["de", "en"]
    assert first.joint
    lines = [*first.source.prepare(LOUD["source"][:]), *first.target.prepare(LOUD["target"][:])]
    options = specified(None, **fields).recipe.tokenizer
    assert first.source.model in (
        train_tokenizer(options, order).model for order in (lines, [*lines[len(LOUD) :], *lines[: len(LOUD)]])
    )
    assert not any(piece.isupper() for piece in first.source.pieces(range(4, len(first.source))) if piece[0] != "<")
    second, _ = prepared(specified(tmp_path, **fields), LOUD)
    assert second.fingerprint == first.fingerprint
    other, _ = prepared(specified(tmp_path, **{**fields, "moses": False}), LOUD)
    assert other.fingerprint != first.fingerprint
    assert len(trainings) == 2


def test_both_directions_share_a_joint_model_of_prepared_text(tmp_path: Path, trainings: list[str]) -> None:
    there = specified(tmp_path, moses=True)
    data = there.recipe.data.model_copy(update={"source": "en", "target": "de"})
    back = replace(there, recipe=there.recipe.model_copy(update={"data": data}))
    one, _ = prepared(there, LOUD)
    other, _ = prepared(back, pairs(LOUD["target"][:], LOUD["source"][:]))
    assert len(trainings) == 1
    assert (one.source.model, one.source.preparation) == (other.target.model, other.target.preparation)


def test_words_are_counted_in_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.prepare._MOST_LINES", 10)
    tokenizers, (said,) = prepared(specified(None, type="word", vocab_size=5000))
    size = 4 + len({word for line in SOURCES + TARGETS for word in line.split()})
    assert len(tokenizers.source) == size
    assert said.endswith(f"of 5000 pieces (source + target): trained from the training split, which gives {size}")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    prepared(specified(tmp_path))
    (kept,) = tmp_path.glob("*.model")
    kept.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"^[^\n]*\.model: not a SentencePiece model$"):
        prepared(specified(tmp_path))


def test_what_cannot_be_trained_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^tokenizer\.vocab_size: [^\n]*$"):
        prepared(specified(tmp_path, vocab_size=5000))
    assert not list(tmp_path.iterdir())
