"""Promise 5: our scores are those of the sacrebleu command, or of rouge-score, on the written files."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from nmt import train
from nmt.curves import CURVES_FILE, read_curves
from nmt.data.numbers import number_corpus
from nmt.metrics import Scores, score
from nmt.preparation import Preparation
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.text import read_lines, write_text
from tests.fixtures_text import SOURCES, TARGETS, practised_bundle, saved, write_lines
from tests.training_runs import run_nmt, tiny_recipe

pytestmark = pytest.mark.bare

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
    ours = score(HYPOTHESES, list(read_lines(references)), TranslationEvaluation.model_validate(fields))
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
            assert score(*lines, TranslationEvaluation()).as_dict().items() <= results[split][search].items()


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


# -- summaries: the library in the place of the command ------------------------------------------------------------


def write_dialogues(folder: Path) -> Path:
    """A data set of little dialogues; of two of three in a row the test set has a second summary."""
    rows = [
        {"dialogue": f"Ann: {one['en']}.\nBob: {two['en']}", "summary": f"{one['en']}. {two['en']}"}
        for one, two in pairwise(number_corpus("train")[:80])
    ]
    second = [{**row, "summary": ". ".join(row["summary"].split(". ")[::-1])} for row in rows[60:]]
    several = [row for number, pair in enumerate(zip(rows[60:], second, strict=True)) for row in pair[: 1 + number % 3]]
    folder.mkdir()
    for split, chosen in (("train", rows[:50]), ("validation", rows[50:60]), ("test", several)):
        write_lines(folder / f"{split}.jsonl", [json.dumps(row) for row in chosen])
    return folder


def rouge_score(hypotheses: Path, references: Path) -> dict[str, float]:
    """F1 by the library alone, a sentence on each line."""
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
    found = []
    for line, several in zip(read_lines(hypotheses), read_lines(references), strict=True):
        summary, wanted = line.replace(". ", ".\n"), [text.replace(". ", ".\n") for text in json.loads(several)]
        found.append(scorer.score_multi(wanted, summary))
    return {kind: 100 * mean(scores[kind].fmeasure for scores in found) for kind in found[0]}


def test_summaries_have_the_scores_of_rouge_score(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tmp_path,
        data={
            "path": str(write_dialogues(tmp_path / "data")),
            **{"source": "dialogue", "target": "summary", "train": "train", "validation": "validation", "test": "test"},
        },
        tokenizer={"type": "word", "vocab_size": 120, "joint": True},
        model={"embedding_size": 24, "hidden_size": 48, "pointer": True},
        training={"batch_size": 5, "learning_rate": 0.02},
        trainer={"max_epochs": 3},
        evaluation={"type": "summarization"},
    )
    run = train(recipe, run=tmp_path / "run")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    for split, documents in (("validation", 10), ("test", 19)):
        references = run / "hypotheses" / f"{split}.references.jsonl"
        assert len(list(read_lines(references))) == documents
        for search in ("beam", "greedy"):
            expected = rouge_score(run / "hypotheses" / f"{split}.{search}.txt", references)
            assert {kind: results[split][search][kind] for kind in expected} == pytest.approx(expected)
            assert 0 < expected["rouge1"] < 100
    assert sum(len(json.loads(several)) for several in read_lines(run / "hypotheses" / "test.references.jsonl")) == 31
    three = [results["validation"]["greedy"][kind] for kind in ("rouge1", "rouge2", "rougeL")]
    best = max(score for _, score in read_curves(run / CURVES_FILE)["rouge"])
    assert best == pytest.approx(sum(three) / 3, rel=1e-6)
    output = tmp_path / "hypotheses.txt"
    done = run_nmt("evaluate", "--model", run, "--output", output, "--json", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == (run / "hypotheses" / "test.beam.txt").read_bytes()
    printed = json.loads(done.stdout)
    assert printed["perplexity"] == pytest.approx(results["test"]["perplexity"], rel=1e-4)
    assert {name: printed[name] for name in set(results["test"]) - {"perplexity"}} == {
        name: found for name, found in results["test"].items() if name != "perplexity"
    }
    assert printed["hashes"]["text"] == results["hashes"]["test"]
