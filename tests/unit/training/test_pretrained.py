"""Weights that a training begins with, and what is wrong with those it is given."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import train
from nmt.bundle import load_bundle
from nmt.errors import UserError
from nmt.model.build import build_model
from nmt.training.pretrained import set_pretrained, take_vectors
from tests.fixtures_text import exported, make_bundle, practised_bundle, saved, tokenizer
from tests.training_runs import tiny_recipe, weights_of

SIZE = 3
VECTORS = {"drei": [1.0, -2.0, 0.5], "elf": [0.25, 1e-3, -7.0], "unheard-of": [9.0, 9.0, 9.0]}


def write_vectors(path: Path, header: str = "", ending: str = "") -> Path:
    lines = [" ".join([word, *map(str, numbers)]) + ending for word, numbers in VECTORS.items()]
    path.write_text("".join(f"{line}\n" for line in [*header.splitlines(), *lines]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "ending"), [("", ""), ("3 3", ""), ("3 3", " ")], ids=["GloVe", "fastText", "word2vec"]
)
@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_words_get_their_vectors_and_others_keep_their_values(
    tmp_path: Path, kind: str, header: str, ending: str
) -> None:
    pieces = tokenizer(kind, text="source")
    embedding = torch.nn.Embedding(len(pieces), SIZE)
    before = embedding.weight.detach().clone()
    found = take_vectors(embedding, pieces, write_vectors(tmp_path / "vectors.txt", header, ending))
    ids = {piece: number for number, piece in enumerate(pieces.pieces(range(len(pieces))))}
    expected = before.clone()
    for word in ("drei", "elf"):
        expected[ids["\u2581" + word]] = torch.tensor(VECTORS[word])
    assert found == 2
    assert torch.equal(embedding.weight, expected)


def test_a_piece_from_within_words_is_no_word(tmp_path: Path) -> None:
    pieces = tokenizer("unigram", text="source")
    known = pieces.pieces(range(len(pieces)))
    inner = next(piece for piece in known if piece.isalpha() and "\u2581" + piece not in known)
    (tmp_path / "vectors.txt").write_text(f"{inner} 1 2 3\n", encoding="utf-8")
    assert take_vectors(torch.nn.Embedding(len(pieces), SIZE), pieces, tmp_path / "vectors.txt") == 0


def test_words_with_spaces_are_others_and_the_first_of_two_lines_counts(tmp_path: Path) -> None:
    pieces = tokenizer("word", text="source")
    embedding = torch.nn.Embedding(len(pieces), SIZE)
    path = tmp_path / "vectors.txt"
    path.write_text("x 0 0 0\nelf elf 4 4 4\nelf 1 2 3\nelf 5 6 7\n", encoding="utf-8")
    assert take_vectors(embedding, pieces, path) == 1
    assert [1.0, 2.0, 3.0] in embedding.weight.tolist()
    assert [4.0, 4.0, 4.0] not in embedding.weight.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("2 4\nelf 1 2 3 4\n", r"vectors.txt:1: vectors of 4 numbers, but model.embedding_size is 3"),
        ("elf 1 2 3 4\n", r"vectors.txt:1: vectors of 4 numbers, but model.embedding_size is 3"),
        ("zz 1 2 3\nelf 1 2\n", r"vectors.txt:2: vectors of 2 numbers, but model.embedding_size is 3"),
        ("zz 1 2 3\nelf 1 x 3\n", r"vectors.txt:2: these are no numbers; expected a word and 3 numbers"),
        ("zz 1 2 3\nelf 1 nan 3\n", r"vectors.txt:2: these are no numbers"),
        (None, r"vectors.txt: No such file"),
    ],
)
def test_a_file_of_something_else_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    pieces = tokenizer("word", text="source")
    with pytest.raises(UserError, match=message) as error:
        take_vectors(torch.nn.Embedding(len(pieces), SIZE), pieces, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [False, True])
def test_each_side_gets_its_own(tmp_path: Path, share: bool) -> None:
    path = write_vectors(tmp_path / "vectors.txt")
    sizes = {"embedding_size": SIZE, "share_embeddings": share}
    bundle = make_bundle(model=sizes, training={"source_embeddings": str(path)}, tokenizer={"type": "word"})
    recipe, size = bundle.recipe, len(bundle.tokenizers.source)
    model, said = build_model(recipe.model, size, size), list[str]()
    target = model.tgt_embedding.weight.detach().clone()
    set_pretrained(model, bundle.tokenizers, recipe, None, said.append)
    assert said == [f"source embeddings: 2 of {size} pieces found in {path}"]
    assert VECTORS["elf"] in [pytest.approx(row) for row in model.src_embedding.weight.tolist()]
    assert torch.equal(model.tgt_embedding.weight, target) != share


def test_a_run_begins_with_the_weights_and_tokenizers_of_another(tmp_path: Path) -> None:
    first = train(tiny_recipe(tmp_path), ["trainer.max_epochs=1"], run=tmp_path / "first")
    start = f"training.start_from={first}"
    # Other text, from which other tokenizers would have been made, and a rate at which nothing is learned.
    changes = [
        "data.train=train[200:300]",
        "trainer.max_epochs=1",
        "training.learning_rate=1.0e-30",
        "model.dropout=0.3",
    ]
    second = train(tiny_recipe(tmp_path), [start, *changes], run=tmp_path / "second")
    assert load_bundle(second).tokenizers.fingerprint == load_bundle(first).tokenizers.fingerprint
    for name, weight in weights_of(first).items():
        assert torch.equal(weights_of(second)[name], weight)
    assert f"weights: those of {first}" in (second / "log.txt").read_text(encoding="utf-8")
    first.rename(tmp_path / "gone")
    load_bundle(second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.hidden_size=48"], r"its model.hidden_size is 12, but the recipe's 48; give it the same"),
        (
            ["model.decoder={type: luong, input_feeding: false}"],
            r"its model.decoder.input_feeding is True, but the recipe's False; give it",
        ),
        (
            ["model.decoder={type: bahdanau}"],
            r"its model.decoder.type is 'luong', but the recipe's 'bahdanau'; give it",
        ),
        (["tokenizer.vocab_size=300"], r"its tokenizer.vocab_size is 350, but the recipe's 300; give it the same"),
    ],
)
def test_a_start_that_does_not_fit_is_one_line(tmp_path: Path, changes: list[str], message: str) -> None:
    start = saved(make_bundle(), tmp_path / "start")
    sections: dict[str, Any] = {"model": {"embedding_size": 8, "hidden_size": 12}}
    recipe = tiny_recipe(tmp_path, **sections, tokenizer={"vocab_size": 350, "byte_fallback": True})
    with pytest.raises(UserError, match=message) as error:
        train(recipe, [f"training.start_from={start}", *changes], run=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert str(start) in str(error.value)
    assert not (tmp_path / "run").exists()


def test_coverage_may_be_learned_by_a_model_that_has_learned_without_it(tmp_path: Path) -> None:
    model = {"embedding_size": 8, "hidden_size": 12, "attention": {"type": "additive", "size": 4}, "pointer": True}
    start = saved(make_bundle(model=model), tmp_path / "start")
    recipe = tiny_recipe(tmp_path, model=model, tokenizer={"vocab_size": 350, "byte_fallback": True})
    changes = [f"training.start_from={start}", "training.coverage_loss=1.0", "trainer.max_steps=1"]
    rate = "training.learning_rate=1.0e-30"
    run = train(recipe, [*changes, rate, "model.attention.coverage=sum"], run=tmp_path / "run")
    before, after = load_bundle(start).model.state_dict(), weights_of(run)
    assert after.keys() - before.keys() == {"decoder.attention.covered.weight", "decoder.attention.on"}
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    with pytest.raises(UserError, match=r"its model.attention.coverage is None, but the recipe's 'neural'; give it"):
        train(recipe, [*changes, "model.attention.coverage=neural"], run=tmp_path / "other")
    with pytest.raises(UserError, match=r"its model.attention.coverage is 'sum', but the recipe's None; give it"):
        train(recipe, [f"training.start_from={run}"], run=tmp_path / "other")


def test_a_start_of_other_languages_is_refused_where_the_tokenizers_know_them(tmp_path: Path) -> None:
    start = saved(make_bundle(tokenizer={"type": "word", "moses": True}), tmp_path / "start")
    turned = {"source": "en", "target": "de"}
    tokenizers = {"type": "word", "moses": True, "vocab_size": 350, "byte_fallback": True}
    model = {"embedding_size": 8, "hidden_size": 12}
    recipe = tiny_recipe(tmp_path, data=turned, tokenizer=tokenizers, model=model)
    with pytest.raises(UserError, match="it translates from de to en; give it text of these languages"):
        train(recipe, [f"training.start_from={start}"], run=tmp_path / "run")


def test_an_exported_model_is_no_start(tmp_path: Path) -> None:
    start = saved(exported(practised_bundle()), tmp_path / "start")
    with pytest.raises(UserError, match="an exported model cannot be trained; give the one it was made of"):
        train(tiny_recipe(tmp_path), [f"training.start_from={start}"], run=tmp_path / "run")
    with pytest.raises(UserError, match="no model here"):
        train(tiny_recipe(tmp_path), ["training.start_from=nowhere"], run=tmp_path / "run")
    with pytest.raises(UserError, match="source_embeddings: cannot be had with start_from"):
        train(tiny_recipe(tmp_path), ["training.start_from=a", "training.source_embeddings=b"], run=tmp_path / "run")
