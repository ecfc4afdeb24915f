"""Promise 5: our scores are those of the sacrebleu command on the written hypotheses and the untouched references."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt import train
from nmt.curves import CURVES_FILE, read_curves
from nmt.data.numbers import number_corpus
from nmt.metrics import Scores, score
from nmt.preparation import Preparation
from nmt.recipe.evaluation import EvaluationOptions
from nmt.text import read_lines, write_text
from tests.fixtures_text import SOURCES, TARGETS, practised_bundle, saved, write_lines
from tests.training_runs import run_nmt, tiny_recipe

NAMES = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter"}

HYPOTHESES = [
    "Der Hund läuft durch das nasse Gras .",
    "",
    "   zwei  Leerzeichen\tund ein Tabulator  ",
    "EIN MANN SCHLÄFT",
    "a\u2028b\x85c\x0bd\x00e",
    'Er sagte : "Nein , danke " !',
    "1,234.5 & 3-4 = 0 <tag> &quot;",
    "漢字 テスト 🙂",
    "gleich",
]
REFERENCES = [
    "Der Hund rennt durch das nasse Gras.",
    "Nichts",
    "zwei Leerzeichen und ein Tabulator",
    "Ein Mann schläft.",
    "a\u2028b\x85c d",
    'Er sagte: "Nein, danke"!',
    "1,234.5 & 3 - 4 = 0 <tag> &quot;",
    "漢字テスト 🙂",
    "gleich",
]


def sacrebleu(hypotheses: Path, references: Path, *options: str) -> dict[str, tuple[float, str]]:
    """Score and signature of each metric, by the command; the name of the metric stands before the signature."""
    command = [sys.executable, "-m", "sacrebleu", str(references), "-i", str(hypotheses), "-w", "12", "--force"]
    done = subprocess.run(
        [*command, "-m", "bleu", "chrf", "ter", *options], capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(done.stdout)
    return {NAMES[metric["name"]]: (metric["score"], metric["signature"]) for metric in found}


def assert_same(ours: Scores | dict[str, Any], command: dict[str, tuple[float, str]]) -> None:
    fields = ours.as_dict() if isinstance(ours, Scores) else ours
    for name, (value, signature) in command.items():
        assert fields[name] == pytest.approx(value, abs=1e-9)
        assert fields["signatures"][name] == signature


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, []),
        ({"lowercase": True, "bleu_tokenize": "intl"}, ["-lc", "--chrf-lowercase", "-tok", "intl"]),
        ({"bleu_tokenize": "char"}, ["-tok", "char"]),
    ],
)
def test_the_scores_are_those_of_the_command(fields: dict[str, Any], flags: list[str], tmp_path: Path) -> None:
    write_text(tmp_path / "hypotheses.txt", "".join(line + "\n" for line in HYPOTHESES))
    references = write_lines(tmp_path / "references.txt", REFERENCES)
    ours = score(HYPOTHESES, list(read_lines(references)), EvaluationOptions.model_validate(fields))
    assert_same(ours, sacrebleu(tmp_path / "hypotheses.txt", references, *flags))
    assert ours.exact_match == pytest.approx(100 / len(HYPOTHESES))


def test_evaluate_prints_and_writes_what_the_command_scores(tmp_path: Path) -> None:
    model = saved(practised_bundle(), tmp_path / "model")
    sources = [*SOURCES[:12], "", "ein\u2028e Zeile"]
    references = [*TARGETS[:12], "nothing", "a\u2028 line"]
    files = [write_lines(tmp_path / "a.de", sources), write_lines(tmp_path / "a.en", references)]
    written = files[1].read_bytes()
    done = run_nmt(
        *("evaluate", "--model", model, "--source", files[0], "--reference", files[1]),
        *("--output", tmp_path / "hypotheses.txt", "--json", "--device", "cpu"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hypotheses.txt").read_bytes().count(b"\n") == len(sources)
    found = json.loads(done.stdout)["beam"]
    assert 0 < found["bleu"] < 100
    assert_same(found, sacrebleu(tmp_path / "hypotheses.txt", files[1]))
    assert files[1].read_bytes() == written


def test_a_training_ends_with_what_the_command_scores(tmp_path: Path) -> None:
    run = train(tiny_recipe(tmp_path, trainer={"max_epochs": 1}), run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    for split in ("validation", "test"):
        for search in ("beam", "greedy"):
            hypotheses = run / "hypotheses" / f"{split}.{search}.txt"
            references = run / "hypotheses" / f"{split}.reference.txt"
            if split == "test":
                assert_same(results[split][search], sacrebleu(hypotheses, references))
            lines = list(read_lines(hypotheses)), list(read_lines(references))
            assert score(*lines, EvaluationOptions()).as_dict().items() <= results[split][search].items()


WORDS = {"type": "word", "joint": False, "vocab_size": 120, "moses": True, "lowercase": True}
PIECES = {"type": "bpe", "joint": True, "vocab_size": 120, "moses": True, "lowercase": True}


@pytest.mark.parametrize("tokenizer", [WORDS, PIECES], ids=["words", "pieces"])
def test_tokenized_text_is_scored_as_the_files_hold_it(tokenizer: dict[str, Any], tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tmp_path,
        tokenizer=tokenizer,
        model={"embedding_size": 24, "hidden_size": 48, "share_embeddings": tokenizer["joint"]},
        training={"batch_size": 5, "learning_rate": 0.02},
        trainer={"max_epochs": 4},
        evaluation={"text": "tokenized", "bleu_tokenize": "none"},
    )
    run = train(recipe, run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["validation"]["beam"]["bleu"] > 0
    hypotheses = run / "hypotheses"
    moses = Preparation(lowercase=True, moses=True, language="en")
    for split, lines in (("validation", 25), ("test", 15)):
        references = hypotheses / f"{split}.reference.txt"
        raw = [row["en"] for row in number_corpus(split)[:lines]]
        assert list(read_lines(references)) == [moses.prepare(line) for line in raw] != raw
        for search in ("beam", "greedy"):
            written = sacrebleu(hypotheses / f"{split}.{search}.txt", references, "-tok", "none")
            assert_same(results[split][search], written)
        if tokenizer == WORDS:  # which do not hold all that are in the sets
            known = hypotheses / f"{split}.no-unk.txt", hypotheses / f"{split}.no-unk.reference.txt"
            assert_same(results[split]["no_unk"], sacrebleu(*known, "-tok", "none"))
            assert results[split]["no_unk"]["lines"] == len(list(read_lines(known[0]))) < lines
    best = max(score for _, score in read_curves(run / CURVES_FILE)["bleu"])
    assert best == pytest.approx(results["validation"]["greedy"]["bleu"], rel=1e-6)
    output = tmp_path / "hypotheses.txt"
    done = run_nmt("evaluate", "--model", run, "--output", output, "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == (hypotheses / "test.beam.txt").read_bytes()
    assert f"{results['test']['beam']['bleu']:.2f}" in done.stdout
    assert f"BLEU of tokenized text, {results['test']['beam']['signatures']['bleu']}" in done.stdout
