"""Every recipe of the repository is trained for three updates on a few lines of text, through the real command.

Only sizes shrink: the text has the layout and the columns that the recipe reads, and all else is the recipe's own.
"""

import json
import shutil
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.cli import main
from nmt.data.corpus import BUILTIN_NUMBERS
from nmt.data.numbers import number_corpus
from nmt.recipe.data import DataOptions
from nmt.recipe.evaluation import EvaluationOptions, TranslationEvaluation, of_translations
from nmt.recipe.recipe import Recipe
from nmt.recipe_file import load_recipe
from tests.training_runs import run_installed_nmt

ROOT = Path(__file__).parents[2]
RECIPES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "recipes").rglob("*.yaml"))
LINES = {"train": 60, "validation": 6, "test": 6}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipes in a folder of their own, for tokenizers are kept beside their specifications."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("recipes", "tokenizers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.model"))
    return folder


@pytest.mark.bare
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains(copy: Path, tmp_path: Path, name: str) -> None:
    recipe = load_recipe(copy / name).recipe
    overrides = [*small_text(recipe.data, tmp_path), *small_network(recipe), *short_training(recipe)]
    assert main(["train", str(copy / name), *overrides, "--run", str(tmp_path / "run")]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["train"]["steps"] == 3
    scores = sacrebleu_scores if isinstance(recipe.evaluation, TranslationEvaluation) else rouge_scores
    for metric, score in scores(tmp_path / "run" / "hypotheses", recipe.evaluation).items():
        assert results["test"]["beam"][metric] == pytest.approx(score)
    of_these = [figure for figure in recipe.published if figure.languages in (None, list(recipe.data.languages))]
    assert [figure["system"] for figure in results["published"]] == [figure.system for figure in of_these]
    for figure in results["published"]:
        assert figure["own"] == figure_of(results, figure["of"])


def test_the_installed_command_trains_a_recipe(copy: Path, tmp_path: Path) -> None:
    name = copy / "recipes" / "de-en.yaml"
    recipe = load_recipe(name).recipe
    overrides = [*small_text(recipe.data, tmp_path), *small_network(recipe), *short_training(recipe)]
    done = run_installed_nmt("train", name, *overrides, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (results,) = tmp_path.glob("runs/de-en/*/results.json")
    assert json.loads(results.read_text(encoding="utf-8"))["train"]["steps"] == 3


def rouge_scores(hypotheses: Path, _: EvaluationOptions) -> dict[str, float]:
    """Of the files that a run leaves, by the library."""
    lines, references = (
        (hypotheses / f"test.{name}").read_text(encoding="utf-8").splitlines()
        for name in ("beam.txt", "references.jsonl")
    )
    assert len(lines) == LINES["test"]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    found = [scorer.score_multi(json.loads(several), line) for line, several in zip(lines, references, strict=True)]
    return {kind: 100 * sum(each[kind].fmeasure for each in found) / len(found) for kind in found[0]}


def sacrebleu_scores(hypotheses: Path, options: EvaluationOptions) -> dict[str, float]:
    """Of the files that a run leaves, by the library; so early BLEU is 0, but chrF is above it in many runs."""
    options = of_translations(options)
    lines, references = (
        (hypotheses / f"test.{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("beam", "reference")
    )
    assert len(lines) == LINES["test"]
    bleu = BLEU(tokenize=options.bleu_tokenize, lowercase=options.lowercase)
    chrf = CHRF(lowercase=options.lowercase)
    return {name: metric.corpus_score(lines, [references]).score for name, metric in (("bleu", bleu), ("chrf", chrf))}


def figure_of(results: dict[str, Any], key: str | None) -> Any:
    """What results.json holds at a dotted key, which must be there."""
    return None if key is None else reduce(getitem, key.split("."), results)


def test_every_published_figure_is_compared_or_said_to_be_for_reference() -> None:
    for name in RECIPES:
        for figure in load_recipe(ROOT / name).recipe.published:
            assert figure.of is not None or figure.band is None, name
            assert figure.band is None or figure.band[0] <= figure.value <= figure.band[1], (name, figure.system)


def small_text(data: DataOptions, folder: Path) -> list[str]:
    """Writes each split of the recipe as JSON lines with its columns; overrides that name them."""
    if data.path == BUILTIN_NUMBERS:
        return [f"data.{split}={split}[:{lines}]" for split, lines in LINES.items()] + ["data.workers=1"]
    for split in LINES:
        name = getattr(data, split).partition("[")[0]
        rows = (columns(data, row["de"], row["en"]) for row in pairs(split))
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return [f"data.path={folder}/{{split}}.jsonl", "data.workers=1"]


def pairs(split: str) -> list[dict[str, str]]:
    """Sentence pairs; outside the training text one of known words alone and one with an unknown word."""
    if split == "train":
        return numbers(split)[: LINES[split]]
    unknown = {"de": "unbekannt", "en": "unknown"}
    return [numbers("train")[0], unknown, *numbers(split)[: LINES[split] - 2]]


@cache
def numbers(split: str) -> list[dict[str, str]]:
    """Sentence pairs of the embedded corpus."""
    return number_corpus(split)


def columns(data: DataOptions, source: str, target: str) -> dict[str, Any]:
    """A row with the recipe's columns, nested ones too."""
    row: dict[str, Any] = {}
    for column, text in ((data.source, source), (data.target, target)):
        *groups, last = column.split(".")
        group = row
        for name in groups:
            group = group.setdefault(name, {})
        group[last] = text
    return row


def small_network(recipe: Recipe) -> Iterator[str]:
    """Overrides for small vocabularies and layers, with as many layers and of the same proportions."""
    model = recipe.model
    yield "tokenizer.vocab_size=" + str(min(recipe.tokenizer.vocab_size, 380))
    yield from ("model.hidden_size=8", "model.embedding_size=6")
    if model.encoder.hidden_size is not None:
        yield f"model.encoder.hidden_size={8 * model.encoder.hidden_size // model.hidden_size}"
    if hasattr(model.attention, "size"):
        yield "model.attention.size=8"


def short_training(recipe: Recipe) -> Iterator[str]:
    """Overrides for three updates on a CPU, and short translations."""
    yield from ("training.batch_size=20", "training.batch_unit=sentences", "trainer.max_steps=3")
    yield "trainer.accelerator=cpu"
    if isinstance(recipe.trainer.val_check_interval, int):
        yield "trainer.val_check_interval=3"
    if recipe.training.phases:  # an update for each of the last two, and one for all that follows
        phases = [phase.model_copy(update={"epochs": 1}).model_dump() for phase in recipe.training.phases[-2:]]
        yield from (f"training.phases={json.dumps(phases)}", "trainer.limit_train_batches=1")
    yield from ("search.max_length_ratio=1.0", "search.max_length_extra=2", "evaluation.samples=0")
