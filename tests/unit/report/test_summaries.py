"""Reports of runs that summarize: ROUGE with its significance, and what the summaries are made of."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from nmt.curves import append_point
from nmt.evaluation.summaries import EvaluatedSummaries, FoundSummaries, Measured
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.recipe_file import dump_recipe
from nmt.report.build import write_report
from nmt.report.collect import comparable, read_runs
from nmt.report.significance import bootstrap, significance
from nmt.summaries.documents import Documents
from nmt.summaries.extracts import extracts
from nmt.summaries.names import NameFinder, names
from nmt.summaries.rates import rates
from nmt.summaries.rouge import rouge
from nmt.translation import Translation
from tests.fixtures_text import make_recipe, write_lines
from tests.unit.report.test_page import check_page

OPTIONS = SummarizationEvaluation(type="summarization")
NAMES = ("Ann", "Bob", "Carl", "Dora", "Eve", "Finn", "Gus", "Hana", "Ida", "Jon", "Kim", "Lea")
DOCUMENTS = Documents(
    [f"{name}: I am going to the market.\nZoe: Buy {count} apples, please" for count, name in enumerate(NAMES)],
    [
        [f"{name} buys {count} apples.", f"Zoe wants {count} apples."][: 1 + count % 2]
        for count, name in enumerate(NAMES)
    ],
)


def summaries(wrong: int) -> list[str]:
    """Of so many documents a bad one."""
    kept = [f"{name} buys {count} apples." for count, name in enumerate(NAMES)]
    return [f"{name} sleeps." if count < wrong else kept[count] for count, name in enumerate(NAMES)]


def summarizing_run(folder: Path, lines: Sequence[str]) -> Path:
    """The folder of a run that has summarized the documents, without its model."""
    finder = NameFinder(DOCUMENTS.sources)

    def measured(found: Sequence[str]) -> Measured:
        scores = rouge(found, DOCUMENTS.references, OPTIONS)
        return Measured(rates(found, DOCUMENTS.sources), names(found, DOCUMENTS, finder), scores)

    searched = FoundSummaries([Translation(line) for line in lines], list(lines), 1.0, measured(lines))
    beside = {name: measured(found) for name, found in extracts(DOCUMENTS.sources).items()}
    evaluation = EvaluatedSummaries(DOCUMENTS, searched, searched, 4.5, 5, beside, searched.scores)
    for name, content in evaluation.references().items():
        write_lines(folder / "hypotheses" / f"test.{name}", content)
    for search, result in evaluation.searches().items():
        write_lines(folder / "hypotheses" / f"test.{search}.txt", result.lines)
    results = {
        "test": evaluation.as_dict(),
        "train": {"seconds": 75.4, "epochs": 2, "steps": 1250, "target_tokens_per_second": 4321.0},
        "parameters": 123456,
        "hashes": {"test": "one"},
    }
    recipe = make_recipe(evaluation={"type": "summarization"})
    (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    append_point(folder / "curves.jsonl", 10, perplexity=9.0, rouge=12.25)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [summarizing_run(tmp_path / name, summaries(wrong)) for name, wrong in (("a", 4), ("b", 3), ("c", 10))]


def test_differences_are_tested_by_samples_of_the_documents(runs: list[Path]) -> None:
    (shared,) = comparable(read_runs(runs))
    assert [list(several) for several in shared.references] == DOCUMENTS.references
    found = bootstrap(shared, shared.runs[1])
    scorer = RougeScorer(["rouge2"], use_stemmer=True)
    values = np.array(
        [
            [
                100 * scorer.score_multi(several, line)["rouge2"].fmeasure
                for several, line in zip(DOCUMENTS.references, summaries(wrong), strict=True)
            ]
            for wrong in (3, 4, 10)  # the chosen one first
        ]
    )
    draws = np.random.RandomState(12345).randint(0, len(NAMES), (1000, len(NAMES)))
    samples = values[:, draws].mean(axis=2)
    for number, estimate in enumerate(found.estimates["ROUGE-2"]):
        low, high = np.percentile(samples[number], (2.5, 97.5))
        assert estimate.score == pytest.approx(values[number].mean())
        assert (estimate.mean, estimate.margin) == pytest.approx((samples[number].mean(), (high - low) / 2))
        if number == 0:
            assert estimate.p_value is None
            continue
        sizes = np.abs(samples[number] - samples[0])
        beyond = sizes - sizes.mean() > abs(values[number].mean() - values[0].mean())
        assert estimate.p_value == pytest.approx((beyond.sum() + 1) / 1001)
    rows = {row[0]: row for row in significance(shared, shared.runs[1]).tables[0].rows}
    assert str(rows["a"][6]).startswith("= ")
    assert str(rows["c"][6]).startswith("▼ ")


def test_a_report_of_summaries(runs: list[Path], tmp_path: Path) -> None:
    page = write_report(runs[:2], None, tmp_path / "report", say=lambda _: None)
    reader = check_page(page.read_text(encoding="utf-8"))
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    titles = ["Scores", "What the summaries are made of", "Significance", "What differs", "Size and time"]
    titles += ["Learning curves", "Alignments", "Gradient by distance", "Summaries"]
    assert [line[4:] for line in text.splitlines() if line.startswith("### ")] == titles
    assert "BLEU" not in text.replace("sacreBLEU's p", "")
    results = json.loads((runs[0] / "results.json").read_text(encoding="utf-8"))["test"]
    assert results["beam"]["signatures"]["rouge"] in reader.text
    for score in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        assert f"{results['beam'][score]:.2f}" in text
    assert f"| longest-3 | {results['extracts']['longest-3']['rouge1']:.2f} |" in text
    assert "| a | 12.25 | 10 | 9.000 | 10 |" in text
    assert all(reference in text for reference in DOCUMENTS.references[3])  # of a line that is shown
