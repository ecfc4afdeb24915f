"""What an evaluation of summaries holds. That its scores are rouge-score's: see promise 5 and `summaries`."""

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nmt.data.corpus import load_texts
from nmt.errors import UserError
from nmt.evaluation.evaluate import evaluate_translator, make_validation
from nmt.evaluation.summaries import EvaluatedSummaries, evaluate_summaries
from nmt.preparation import Preparation
from nmt.recipe.data import DataOptions
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.summaries.documents import Documents, documents
from nmt.summaries.rates import rates
from nmt.summaries.rouge import monitored, rouge
from nmt.translation import Translation
from nmt.translator import Translator
from tests.fixtures_text import SOURCES, TARGETS, practised_bundle, tokenizer, write_lines

OPTIONS = SummarizationEvaluation(type="summarization")
SOURCE_LINES = [*SOURCES[:3], SOURCES[3], SOURCES[3], "", *SOURCES[4:7]]
REFERENCE_LINES = [*TARGETS[:3], TARGETS[3], f"{TARGETS[4]} Ann", "nothing", *TARGETS[4:7]]


@cache
def translator(**search: Any) -> Translator:
    bundle = practised_bundle()
    options = bundle.recipe.search.model_copy(update={"beam_size": 3, **search})
    return Translator(bundle.model, bundle.tokenizers, options)


@cache
def evaluation() -> EvaluatedSummaries:
    return evaluate_summaries(translator(), SOURCE_LINES, REFERENCE_LINES, OPTIONS)


def test_a_document_with_two_references_is_summarized_once() -> None:
    found = evaluation()
    assert found.sources == [*SOURCES[:4], "", *SOURCES[4:7]]
    assert found.documents.references[3] == [TARGETS[3], f"{TARGETS[4]} Ann"]
    assert found.beam.lines == translator()(found.sources)
    assert found.greedy.lines == translator(beam_size=1)(found.sources)
    for searched in (found.beam, found.greedy):
        assert searched.scores.rouge == rouge(searched.lines, found.documents.references, OPTIONS)
        assert searched.scores.rates == rates(searched.lines, found.sources)


def test_perplexity_is_of_every_reference() -> None:
    scored = translator().score(SOURCE_LINES, REFERENCE_LINES)
    expected = math.exp(-sum(log_prob for log_prob, _ in scored) / sum(count for _, count in scored))
    assert evaluation().perplexity == pytest.approx(expected)


def test_references_and_extracts_stand_beside_the_system() -> None:
    found = evaluation()
    assert list(found.extracts) == ["lead-1", "lead-3"]
    assert found.extracts["lead-1"].rates.novel[0] == 0.0
    assert found.reference.rates == rates(REFERENCE_LINES, SOURCE_LINES)
    assert (found.reference.rouge, found.reference.names.recall) == (None, None)
    assert found.reference.names.each > 0


def test_lines_end_at_line_ends_or_where_a_separator_is_written() -> None:
    bundle = practised_bundle()
    reads_lines = bundle.tokenizers.source.with_preparation(Preparation(line_separator="<eou>"))
    of_dialogues = Translator(bundle.model, replace(bundle.tokenizers, source=reads_lines), bundle.recipe.search)
    dialogues = ["\n".join(SOURCES[at : at + 4]) for at in range(3)]
    found, written = (
        evaluate_summaries(of_dialogues, [each.replace("\n", end) for each in dialogues], TARGETS[:3], OPTIONS)
        for end in ("\n", " <eou> ")
    )
    assert list(found.extracts) == ["lead-1", "lead-3", "longest-3"]
    assert (written.extracts, written.beam.scores) == (found.extracts, found.beam.scores)


def test_all_of_it_is_plain_data() -> None:
    saved = json.loads(json.dumps(evaluation().as_dict(), allow_nan=False))
    assert set(saved) == {"beam", "greedy", "extracts", "reference", "perplexity"}
    assert {"rouge1", "intervals", "signatures", "novel", "repeated", "names", "beam_size"} <= set(saved["beam"])
    assert saved["beam"]["signatures"]["rouge"].startswith("nrefs:var|refs:best|lines:8|")
    assert set(saved["extracts"]["lead-3"]) == set(saved["beam"]) - {"beam_size"}
    assert "rouge1" not in saved["reference"]


def test_the_table_has_a_row_for_each() -> None:
    found = evaluation()
    rows = {line[:12].strip(): line[12:].split() for line in found.table("test").splitlines()}
    header = rows["test"]
    for name, measured in (("greedy", found.greedy.scores), ("beam 3", found.beam.scores), *found.extracts.items()):
        assert measured.rouge is not None
        scores = [f"{measured.rouge.f1[kind]:.2f}" for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")]
        assert rows[name][:4] == scores
        assert rows[name][-1] == f"{measured.names.recall:.1f}"
        assert len(rows[name]) == len(header) - 6  # six titles are of two words
    assert rows["reference"][:4] == ["-"] * 4
    assert f"{found.reference.rates.words:.1f}" in rows["reference"]
    assert "sources cut" not in found.table("test")
    cut = evaluate_translator(translator(max_source_length=1), SOURCES[:3], TARGETS[:3], OPTIONS)
    longer = sum(len(source.split()) > 1 for source in SOURCES[:3])
    assert f"{longer} sources cut to what the model reads" in cut.table("test")
    assert cut.as_dict()["cut_sources"] == longer > 0


def test_files_hold_all_references() -> None:
    ((name, lines),) = evaluation().references().items()
    assert name == "references.jsonl"
    assert [json.loads(line) for line in lines] == documents(SOURCE_LINES, REFERENCE_LINES).references
    assert list(evaluation().searches()) == ["greedy", "beam"]


def test_a_validation_summarizes_each_document_once() -> None:
    found = make_validation(SOURCE_LINES, REFERENCE_LINES, tokenizer(), OPTIONS)
    assert (found.name, found.found, found.sources) == ("rouge", "summary", evaluation().sources)
    assert found.references[3] == TARGETS[3]
    summaries = [Translation(line) for line in evaluation().greedy.lines]
    expected = monitored(evaluation().greedy.lines, evaluation().documents.references, OPTIONS)
    assert found.score(summaries) == pytest.approx(expected)


@pytest.mark.parametrize("sources", [[], ["one"]])
def test_what_cannot_be_evaluated_is_refused(sources: list[str]) -> None:
    with pytest.raises(UserError, match=r"the set is empty|2 summaries cannot be those of 1 documents"):
        evaluate_translator(translator(), sources, ["one", "two"] if sources else [], OPTIONS)


def test_summaries_that_rouge_does_not_see_are_refused_before_a_training() -> None:
    with pytest.raises(UserError, match="letters a to z and digits alone, and no reference summary has any"):
        make_validation(["один", "два"], ["один", "два…"], tokenizer(), OPTIONS)
    assert make_validation(["один", "два"], ["один", "два 2"], tokenizer(), OPTIONS).name == "rouge"


def test_lists_of_summaries_are_references_of_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [{"source": ["One.", "Two."], "target": ["first", "second"]}, {"source": ["Three."], "target": ["third"]}]
    path = write_lines(tmp_path / "data.jsonl", [json.dumps(row) for row in rows])
    found = documents(*load_texts(DataOptions(path=str(path)), "train"))
    assert found == Documents(["One. Two.", "Three."], [["first", "second"], ["third"]])
