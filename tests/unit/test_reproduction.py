"""The page of the reproduction says what the result files say, with whatever subset of them is there."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt import train
from nmt.errors import UserError
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.recipe_file import load_recipe
from nmt.report.collect import comparable, read_runs
from nmt.report.significance import LEVEL, bootstrap
from reproduction import bentrevett, collect, training
from reproduction.__main__ import PAGE
from reproduction.claims import CLAIMS, ROWS, TRAINED, Evidence, verdict
from reproduction.collect import describe, read_set, with_sets
from reproduction.compare import compare, compared_rows
from reproduction.differences import fields
from reproduction.files import FOLDER, REMARKS, ROOT, name_of, read_results
from reproduction.page import page
from reproduction.rows import rows_table
from reproduction.searches import PAIRS, SEARCHES, measure
from reproduction.significance import LONG, Difference, count, difference, read, resample, written
from reproduction.summaries import PAGE as SUMMARIES_PAGE
from reproduction.summaries import SUMMARIES, by_documents, summarizes, with_measured
from reproduction.training import missing
from tests.finished_runs import REFERENCES, finished_run, worse
from tests.training_runs import tiny_recipe
from tests.unit.report.test_summaries import summaries, summarizing_run

RECIPES = ROOT / "recipes" / "multi30k"
OPTIONS = TranslationEvaluation()


def result(row: str, bleu: float, seed: int = 1, target: str = "en", **more: Any) -> dict[str, Any]:
    """What `collect` writes, made up."""
    beam = {"bleu": bleu, "chrf": bleu + 10, "signatures": {"bleu": "made|up", "chrf": "made|up"}}
    test = {
        "beam": beam,
        "greedy": {**beam, "bleu": bleu - 1},
        "perplexity": 7.0,
        "bleu_by_source_length": {"0-6": {"bleu": bleu + 1, "lines": 3}, "30-39": {"bleu": bleu - 9, "lines": 1}},
    }
    names = {"row": row, "recipe": f"recipes/multi30k/{row}.yaml"}
    numbers = {"parameters": 1234567, "seconds": 600.0 + seed, "epochs": 3, "steps": 9, "target_tokens_per_second": 5.0}
    sides = {"source": "de" if target != "de" else "en", "target": target, "seed": seed}
    return {**names, "changed": {}, **sides, **numbers, "commit": "0123456789ab", "test": test, **more}


def write(folder: Path, results: Iterable[dict[str, Any]], remarks: str = "") -> Path:
    for each in results:
        (folder / f"{name_of(each)}.json").write_text(json.dumps(each), encoding="utf-8")
    (folder / REMARKS).write_text(remarks, encoding="utf-8")
    return folder


def counted(row: str, wrong: Sequence[int], sources: Sequence[int] = (9, 20), **more: Any) -> dict[str, Any]:
    """A result with counts: of each source length ten lines, in so many of which half the words are wrong."""
    lines = [
        f"{'4 3 2 1' if at < many else '8 7 6 5'} 8 8 {words}"
        for many, words in zip(wrong, sources, strict=True)
        for at in range(10)
    ]
    return result(row, 30.0, hashes={"test": "one"}, counts=lines, **more)


def row_of(text: str, first: str) -> list[str]:
    """The cells of the first row of a table that begins so."""
    (line, *_) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def section(text: str, title: str) -> str:
    return text.partition(f"### {title}\n")[2].partition("\n#")[0]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_files_hold_no_text_and_no_path_of_a_machine() -> None:
    for path in FOLDER.rglob("*.json"):
        content = path.read_text(encoding="utf-8")
        assert len(content) < 100_000
        assert '"/' not in content


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "not yet trained"),
        ([(30, 29, 0.01)], "holds"),
        ([(30, 29, 0.01), (31, 29, 0.024)], "holds"),
        ([(30, 29, 0.01), (31, 29, 0.025)], "no difference"),
        ([(29, 30, 0.01), (31, 29, 0.01)], "no difference"),
        ([(29, 30, 0.01)], "does not hold"),
        ([(29, 30, 0.01), (29, 30, 0.2)], "no difference"),
        ([(30, 30, 0.001)], "no difference"),  # sacreBLEU gives two equal systems a small p
    ],
)
def test_the_rule(found: list[tuple[float, float, float]], expected: str) -> None:
    assert verdict([Evidence("1", Difference(*each)) for each in found]) == expected


def test_every_compared_row_is_one_that_is_trained() -> None:
    assert {row for pair in compared_rows() for row in pair} <= set(ROWS)
    assert {pair.row for claim in CLAIMS for pair in claim.pairs} - {None} <= set(ROWS)
    assert all((RECIPES / f"{row}.yaml").exists() for row in ROWS)
    assert all(set(rows) <= set(ROWS) for rows in TRAINED.values())
    assert {name for pair in PAIRS for name in pair} <= set(SEARCHES)
    assert len({claim.key for claim in CLAIMS}) == len(CLAIMS)


def test_without_results_every_row_is_missing(tmp_path: Path) -> None:
    text = page(write(tmp_path, []))
    assert text.count("Not yet trained: `encoder-decoder`, `reverse`, ") == 2
    assert "de→en global-dot against global-general" in text
    assert "en→de global-dot" not in text  # not of this direction
    assert row_of(text, "`encoder-decoder`")[1:4] == ["", "", "not yet trained"]
    assert row_of(text, "`reverse`")[1:4] == ["`encoder-decoder`", "`model.encoder.reverse: true`", "not yet trained"]
    assert row_of(text, "`gru`")[1:3] == ["`feed`", "`model.cell.type: gru`"]
    assert "12.60 (Luong et al. 2015, Table 1" in row_of(text.partition("## English to German")[2], "`reverse`")[-1]
    assert "**" not in text.partition("## What the papers say")[2].partition("### ")[2]


def test_a_row_stands_beside_figures_of_its_own_direction() -> None:
    assert "28.30 (bentrevett" in rows_table([], ("de", "en"))
    assert "bentrevett" not in rows_table([], ("en", "de"))
    assert "19.00 (Luong" in rows_table([], ("en", "de"))
    assert "Luong" not in rows_table([], ("de", "en"))


def test_rows_show_the_mean_and_each_seed(tmp_path: Path) -> None:
    text = page(
        write(tmp_path, [result("feed", 30.0), result("feed", 32.0, seed=2), result("reverse", 20.0, target="de")])
    )
    first, second = text.partition("## English to German")[::2]
    cells = row_of(first, "`feed`")
    fed = ["`global-general`", "`model.decoder.input_feeding: true`"]
    assert cells[1:5] == [*fed, "31.00 (30.00, 32.00)", "30.00 (29.00, 31.00)"]
    assert cells[7:10] == ["1,234,567", "10", "5"]
    assert "`feed`" not in first.partition("Not yet trained: ")[2].partition(".")[0]
    assert row_of(second, "`reverse`")[3] == "20.00"
    assert row_of(second, "`feed`")[3] == "not yet trained"
    assert "`made|up`" in text.partition("## Signatures")[2]


def test_what_a_run_has_otherwise_than_its_recipe_is_said(tmp_path: Path) -> None:
    text = page(write(tmp_path, [result("feed", 30.0, changed={"trainer.max_epochs": "7"})]))
    assert "- `feed`, seed 1, was trained with `trainer.max_epochs: 7`." in text


def test_a_recipe_that_has_changed_since_is_noticed(tmp_path: Path) -> None:
    """Of a result that holds what the run was trained with; an older one has what was known in its day."""
    today = fields(load_recipe(RECIPES / "feed.yaml").recipe)
    assert today["model.hidden_size"] == "256"
    assert not [name for name in today if name in ("data.path", "training.seed", "search.dictionary")]
    same, other = (result("feed", 30.0, seed, changed={}, fields=today) for seed in (1, 2))
    other["fields"] = {**today, "model.hidden_size": "512", "data.max_length": "40"}
    text = page(write(tmp_path, [same, other]))
    assert "- `feed`, seed 2, was trained with `data.max_length: 40`, `model.hidden_size: 512`." in text
    assert "- `feed`, seed 1, was trained" not in text


def test_bleu_by_length_is_in_the_order_of_the_lengths(tmp_path: Path) -> None:
    text = page(write(tmp_path, [result("feed", 30.0)]))
    table = section(text, "BLEU by length of the source, German to English")
    assert "| row | 0-6 (3) | 30-39 (1) |" in table
    assert row_of(table, "`feed`")[1:] == ["31.00", "21.00"]


def test_a_claim_shows_its_evidence(tmp_path: Path) -> None:
    results = [counted("dropout", [1, 0]), counted("dropout", [0, 0], seed=2), counted("reverse", [9, 9])]
    found = section(page(write(tmp_path, results)), "Dropout")
    cells = row_of(found, "de→en")[1:]
    assert cells[:3] == ["dropout", "reverse", "14.0 and 12.6"]
    assert re.fullmatch(r"\d+\.\d+ and \d+\.\d+, p 0.001, 1 and 1; 100.00 and \d+\.\d+, p 0.001, 2 and 1", cells[3])
    assert cells[4] == "**holds**"
    assert "Not yet trained and compared: en→de dropout against reverse." in found


def test_by_length_the_gains_are_compared(tmp_path: Path) -> None:
    text = page(write(tmp_path, [counted("bahdanau", [5, 0]), counted("rnnencdec", [5, 10])]))
    found = section(text, "Attention against none, by length of the source")
    *_, ours, judged = row_of(found, "de→en")
    assert re.fullmatch(r"[6-9]\d\.\d\d and 0\.00, p 0.001, 1 and 1", ours)
    assert judged == "**holds**"


def test_runs_on_other_text_or_scored_otherwise_are_not_compared() -> None:
    one, other = counted("dropout", [1, 0]), counted("reverse", [9, 9])
    assert len(compare([one, other])) == 1
    assert not compare([one, {**other, "hashes": {"test": "another"}}])
    assert not compare([one, {**other, "source": "en", "target": "de"}])
    del other["counts"]
    assert not compare([one, other])
    other = counted("reverse", [9, 9])
    other["test"]["beam"]["signatures"]["bleu"] = "lower-cased"
    assert not compare([one, other])


def test_searches_of_one_model_are_compared(tmp_path: Path) -> None:
    pairs = [{"better": "beam 10", "worse": "beam 50", "bleu": [30.0, 31.0], "p": 0.001}]
    searches = {"bleu": {"beam 10": 30.0, "beam 50": 31.0}, "signature": "made|up"}
    more: dict[str, Any] = {"pairs": pairs, "searches": searches, "unknown_words": 17, "gradients": [0.5, 0.25, 0.125]}
    made_up = result("feed", 30.0, **more)
    made_up["test"]["no_unk"] = {"bleu": 35.0, "lines": 9}
    folder = write(tmp_path, [made_up], remarks="wide-beam: Because of this and that.\n")
    text = page(folder)
    found = section(text, "A beam that is too wide")
    assert row_of(found, "de→en")[1:] == [
        "feed, beam 10",
        "beam 50",
        "",
        "30.00 and 31.00, p 0.001, 1",
        "**does not hold**",
    ]
    assert "Because of this and that." in found
    searched = row_of(section(text, "Every search, German to English"), "`feed`")
    assert searched[3:5] == ["30.00", "31.00"]
    assert searched[-3:] == ["17", "35.00", "9"]
    assert row_of(section(text, "How far back a decoder learns"), "`feed`")[3:5] == ["0.5", "0.25"]


@pytest.mark.parametrize("wrong", [[9, 9], [0, 0]])
def test_what_does_not_hold_needs_a_remark(tmp_path: Path, wrong: list[int]) -> None:
    results = [counted("dropout", wrong), counted("reverse", [0, 0])]
    with pytest.raises(UserError, match=r"remarks.yaml: say why these do not hold everywhere: dropout$"):
        page(write(tmp_path, results))
    assert "As it is.\n" in page(write(tmp_path, results, "dropout: As it is.\n"))


def test_a_remark_on_no_claim_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such claim: dropuot"):
        page(write(tmp_path, [], remarks="dropuot: a slip\n"))


def test_other_protocols_beside_their_bars(tmp_path: Path) -> None:
    scores = result("x", 31.0)["test"]
    lium = result("lium-en-de", 40.5, target="de", sets={"test2017": scores})
    text = page(write(tmp_path, [lium, result("tatoeba", 50.0)])).partition("## By the protocols")[2]
    test2016, test2017 = (line for line in text.splitlines() if line.startswith("| `lium-en-de`"))
    assert "| 39.00 | ≥ 39 | 40.50 | 39.50 | reached |" in test2016
    assert "| 31.25 | ≥ 31.25 | 31.00 | 30.00 | missed |" in test2017
    assert row_of(text, "`lium-en-fr`")[4] == "not yet trained"
    assert row_of(text, "bentrevett/pytorch-seq2seq")[4] == "not yet trained"
    assert row_of(section(text, "Tatoeba"), "de→en")[2:5] == ["50.00", "49.00", "60.00"]
    made_by = {"recipe": "recipes/de-en.yaml", "seed": 7, "commit": "0123456789ab"}
    ours = {"bleu": 41.5, "greedy": 40.0, "signature": "s", "spacy": "3", **made_by}
    (tmp_path / "bentrevett.json").write_text(json.dumps(ours), encoding="utf-8")
    text = page(tmp_path)
    assert "- bentrevett/pytorch-seq2seq: `recipes/de-en.yaml`, seed 7; commit `0123456789ab`." in text
    assert row_of(text, "bentrevett/pytorch-seq2seq")[4:7] == ["41.50", "40.00", "reached"]


def test_another_set_is_what_evaluate_prints(tmp_path: Path) -> None:
    hashes = {"text": "two", "tokenizers": "one"}
    evaluation = {**result("x", 31.0)["test"], "text": "raw", "published": [], "hashes": hashes}
    file = tmp_path / "e.json"
    file.write_text(json.dumps(evaluation), encoding="utf-8")
    name, scores = read_set(f"test2017={file}")
    assert (name, scores["beam"]["bleu"]) == ("test2017", 31.0)
    run = result("x", 31.0, hashes={"test": "one", "tokenizers": "one"})
    assert with_sets(run, [f"test2017={file}"])["sets"]["test2017"] == scores
    assert with_sets(run, []) == run
    with pytest.raises(UserError, match=r"^--set test2017: these are scores of another model"):
        with_sets({**run, "hashes": {"tokenizers": "another"}}, [f"test2017={file}"])
    with pytest.raises(UserError, match="--set test2017: give NAME=FILE"):
        read_set("test2017")


def ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + order]) for at in range(len(words) - order + 1))


def statistics_of(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Matches and n-grams of each order, and the lengths, of tokens between spaces."""
    total = np.zeros(10)
    for tokens, wanted in ((one.split(), other.split()) for one, other in zip(hypotheses, references, strict=True)):
        total[8:] += len(tokens), len(wanted)
        for order in range(1, 5):
            found, known = (ngrams(words, order) for words in (tokens, wanted))
            total[order - 1] += sum((found & known).values())
            total[order + 3] += sum(found.values())
    return total


def bleu_by_hand(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Papineni et al. 2002: the geometric mean of four precisions times the brevity penalty."""
    total = statistics_of(hypotheses, references)
    precisions, (length, wanted) = total[:4] / total[4:8], total[8:]
    return float(100 * math.exp(min(0.0, 1 - wanted / length) + np.log(precisions).mean()))


def test_bentrevetts_score_is_bleu_of_lower_cased_tokens_of_spacy() -> None:
    pytest.importorskip("spacy", reason="spaCy is in the extra `reproduction`")
    hypotheses = ["A man's dog doesn't sleep on the couch.", "Two Men (old) are in a blue-green park, reading", "No"]
    references = [
        "A man's dog does not sleep on the couch.",
        "Two men (old) are in the blue-green park, reading.",
        "No way",
    ]
    tokens = bentrevett.tokenized(hypotheses)
    assert tokens[0] == "a man 's dog does n't sleep on the couch ."
    assert tokens[1] == "two men ( old ) are in a blue - green park , reading"
    found = bentrevett.score(hypotheses, references)
    assert found["bleu"] == pytest.approx(bleu_by_hand(tokens, bentrevett.tokenized(references)), abs=1e-9)
    assert "tok:none|smooth:none" in found["signature"]


def test_bentrevetts_score_knows_no_smoothing() -> None:
    pytest.importorskip("spacy", reason="spaCy is in the extra `reproduction`")
    assert bentrevett.score(["one two three four"], ["one two four three"])["bleu"] == 0.0


def test_the_difference_of_two_runs_is_that_of_the_report(tmp_path: Path) -> None:
    """Which is sacreBLEU's own; the counts have been written and read in between."""
    runs = read_runs([finished_run(tmp_path / "a", worse(3)), finished_run(tmp_path / "b", worse(5))])
    (shared,) = comparable(runs)
    worse_run, better = bootstrap(shared, runs[0]).estimates["BLEU"]
    three, five = (resample(read(written(count(worse(every), REFERENCES, REFERENCES, OPTIONS)))) for every in (3, 5))
    assert better.p_value is not None
    assert difference(five, three) == Difference(better.score, worse_run.score, better.p_value)


def test_of_equal_systems_one_is_better_in_five_of_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a true null: each line's two translations are dealt out to two systems by a coin."""
    monkeypatch.setattr("reproduction.significance.SAMPLES", 200)
    random = np.random.default_rng(1)
    right = random.random((2, 100, 1)) < 0.5
    one, other = np.where(right, [8, 7, 6, 5, 8, 8, 9], [4, 3, 2, 1, 8, 8, 9])
    p_values = []
    for _ in range(400):
        coin = random.random((100, 1)) < 0.5
        p_values.append(difference(resample(np.where(coin, one, other)), resample(np.where(coin, other, one))).p)
    assert 0.02 < np.mean(np.array(p_values) < LEVEL) < 0.08
    assert np.mean(np.array(p_values) < 2 * LEVEL) > 0.07  # one-sided in effect


def test_counts_are_those_of_the_lines() -> None:
    plain = TranslationEvaluation(bleu_tokenize="none")
    counts = count(["a b c a", ""], ["a b d a a", "a"], ["x y", "x"], plain)
    assert counts.tolist() == [[3, 1, 0, 0, 4, 5, 2], [0, 0, 0, 0, 0, 1, 1]]


def test_gains_by_length() -> None:
    """Of long sources one is right and the other wrong in every line; of short ones both are the same."""
    sources = ["a " * LONG, "a " * (LONG - 1)] * len(REFERENCES)
    references = [line for line in REFERENCES for _ in "ab"]
    wrong = [line.replace("the", "a", 1) if at % 2 == 0 else line for at, line in enumerate(references)]
    gain = gain_by_length(references, wrong, references, sources)
    assert gain.better == pytest.approx(100 - bleu_by_hand(wrong[::2], REFERENCES))
    assert gain.worse == 0.0
    assert gain.p == pytest.approx(1 / 1001)
    back = gain_by_length(wrong, references, references, sources)
    assert (back.better, back.worse) == (-gain.better, 0.0)


def test_gains_by_length_that_are_alike_are_chance() -> None:
    sources = ["a " * LONG, "a"] * len(REFERENCES)
    references = [line for line in REFERENCES for _ in "ab"]
    wrong = [line.replace("the", "a", 1) if at // 2 % 2 else line for at, line in enumerate(references)]
    gain = gain_by_length(references, wrong, references, sources)
    assert gain.better == pytest.approx(gain.worse)
    assert gain.p > 0.2


def gain_by_length(ones: list[str], others: list[str], references: list[str], sources: list[str]) -> Difference:
    """As the page compares two runs."""
    plain = TranslationEvaluation(bleu_tokenize="none")
    results = [
        result(row, 30.0, hashes={"test": "one"}, counts=written(count(lines, references, sources, plain)))
        for row, lines in (("global-general", ones), ("dropout", others))
    ]
    (comparison,) = compare(results)
    assert comparison.gain is not None
    return comparison.gain


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of words, many of which the vocabulary does not hold; the second one without attention."""
    folder = tmp_path_factory.mktemp("reproduction")
    common: dict[str, Any] = {
        "tokenizer": {"type": "word", "vocab_size": 40, "joint": False},
        "training": {"learning_rate": 0.02, "average": 1},
        "trainer": {"max_epochs": 8, "check_val_every_n_epoch": 8},
    }
    attentions = {"with": {"attention": {"type": "general"}}, "without": {"attention": {"type": "none"}}}
    return [
        train(tiny_recipe(folder, **common, model=model), run=folder / "runs" / name)
        for name, model in attentions.items()
    ]


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code that measures is committed, whatever is being edited."""
    monkeypatch.setattr(collect, "describe_versions", lambda: {"commit": "abcdefabcdef"})


@pytest.mark.usefixtures("committed")
def test_a_finished_run_becomes_numbers(trained: list[Path], tmp_path: Path) -> None:
    runs = read_runs(trained)
    with pytest.raises(UserError, match="is no recipe of this repository"):
        describe(runs[0], Path(shutil.copy(RECIPES / "encoder-decoder.yaml", tmp_path)), "feed", "HEAD")
    found, other = (describe(run, RECIPES / "feed.yaml", "feed", "HEAD") for run in runs)
    assert found["changed"]["tokenizer.vocab_size"] == "40"
    assert not found["changed"].keys() & {"data.path", "data.source", "training.seed"}
    assert found["fields"]["tokenizer.vocab_size"] == "40"
    assert len(found["commit"]) == 12
    assert found["seconds"] == runs[0].results["train"]["seconds"]
    measured = measure(runs[0], "cpu", lambda _: None)
    assert set(measured["searches"]["bleu"]) == set(SEARCHES)
    assert measured["searches"]["bleu"]["beam 5"] > 0
    assert measured["searches"]["bleu"]["beam 5"] == pytest.approx(found["test"]["beam"]["bleu"])
    assert measured["searches"]["bleu"]["beam 1"] == pytest.approx(found["test"]["greedy"]["bleu"])
    assert measured["unknown_words"] > 0
    assert all(0 < norm < math.inf for norm in measured["gradients"])
    without = measure(runs[1], "cpu", lambda _: None)
    assert not [name for name in without["searches"]["bleu"] if "replaced" in name]
    texts = {line for path in trained for line in (path / "hypotheses" / "test.beam.txt").read_text().splitlines()}
    written = json.dumps([found | measured, other | without])
    assert not [text for text in texts if len(text) > 10 and text in written]


def test_a_model_that_translates_otherwise_is_refused(trained: list[Path], tmp_path: Path) -> None:
    mixed = shutil.copytree(trained[0], tmp_path / "mixed")
    shutil.rmtree(mixed / "model")
    shutil.copytree(trained[1] / "model", mixed / "model")
    with pytest.raises(UserError, match="this is another model or code"):
        measure(read_runs([mixed])[0], "cpu", lambda _: None)


@pytest.mark.usefixtures("committed")
def test_results_are_compared(trained: list[Path]) -> None:
    rows = ("global-general", "dropout")
    results = [
        describe(run, RECIPES / f"{row}.yaml", row, "HEAD") | measure(run, "cpu", lambda _: None)
        for run, row in zip(read_runs(trained), rows, strict=True)
    ]
    (comparison,) = compare(results)
    assert (comparison.better, comparison.worse, comparison.seeds) == (*rows, (1, 1))
    bleu = [comparison.bleu.better, comparison.bleu.worse]
    assert bleu == pytest.approx([each["test"]["beam"]["bleu"] for each in results])


def test_rows_without_a_result_are_missing() -> None:
    assert missing([], ("de", "en"), 1) == list(ROWS)
    assert set(missing([], ("en", "de"), 1)) < set(ROWS)
    known = [result("feed", 30.0), result("gru", 30.0, seed=2), result("rnn", 30.0, target="de")]
    assert missing(known, ("de", "en"), 1) == [row for row in ROWS if row != "feed"]
    assert missing(known, ("de", "en"), 2) == [row for row in ROWS if row != "gru"]
    assert missing(known, ("en", "de"), 1) == [row for row in TRAINED["en", "de"] if row != "rnn"]


def test_rows_are_trained_but_for_those_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(tmp_path, trainer={"max_epochs": 1})
    for row in ("feed", "gru"):
        shutil.copy(recipe, tmp_path / f"{row}.yaml")
    monkeypatch.setattr(training, "RECIPES", tmp_path)
    options = load_recipe(recipe).recipe.data
    direction = options.source, options.target
    taken = tmp_path / "runs" / f"feed.{direction[0]}-{direction[1]}.seed3"
    taken.mkdir(parents=True)
    ((row, run),) = training.train_rows(["feed", "gru"], tmp_path / "runs", direction, 3, ["search.beam_size=2"])
    (finished,) = read_runs([run])
    assert (row, finished.recipe.training.seed, finished.recipe.search.beam_size) == ("gru", 3, 2)
    with pytest.raises(UserError, match="the training failed"):
        list(training.train_rows(["gru"], tmp_path / "more", direction, 3, ["search.beam_size=0"]))


SAVES_ITSELF = """
import sys, time
try:
    print("training", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print("saved")
    sys.exit(130)
"""

WAITS_FOR_IT = """
import sys
from pathlib import Path
from nmt.errors import StoppedError
from reproduction import training
training._command = lambda *_: [sys.executable, "-c", sys.argv[2]]
try:
    next(training.train_rows(["feed"], Path(sys.argv[1]), ("de", "en"), 1, []))
except StoppedError as error:
    print(error)
"""


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_lets_the_training_save_itself(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_IT, str(tmp_path / "runs"), SAVES_ITSELF],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells all processes
    output, errors = process.communicate(timeout=60)
    said = (
        f"{tmp_path}/runs/feed.de-en.seed1: stopped; once it has gone on to its end, `collect` writes its result file"
    )
    assert (output, errors) == (f"saved\n{said}\n", "")


def test_a_commit_that_is_none_is_refused(trained: list[Path]) -> None:
    with pytest.raises(UserError, match="--commit nothing: this repository has no such commit"):
        describe(read_runs(trained[:1])[0], RECIPES / "feed.yaml", "feed", "nothing")


def test_measuring_with_edited_code_is_refused(trained: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "describe_versions", lambda: {"commit": "abcdefabcdef+"})
    with pytest.raises(UserError, match="are not committed"):
        describe(read_runs(trained[:1])[0], RECIPES / "feed.yaml", "feed", "HEAD")


def test_the_summaries_are_up_to_date() -> None:
    written = SUMMARIES_PAGE.read_text(encoding="utf-8")
    assert with_measured(written, read_results(SUMMARIES)) == written, "run `make docs`"


def summarizer(folder: Path, row: str, lines: Sequence[str]) -> dict[str, Any]:
    """The result file of a run without a training."""
    (run,) = read_runs([summarizing_run(folder / row, lines)])
    assert summarizes(run)
    numbers = {"parameters": 1234567, "seconds": 5400.0, "epochs": 3, "steps": 9, "target_tokens_per_second": 5.0}
    about = {"row": row, "recipe": f"recipes/summarization/{row}.yaml", "changed": {}, "seed": 1, "commit": "0123"}
    return {**about, **numbers, "peak_memory_bytes": 2**31, "test": run.scores, **by_documents(run)}


def test_summarizers_stand_beside_extracts_and_what_they_differ_from(tmp_path: Path) -> None:
    rows = {"samsum-pointer": summaries(3), "samsum-attention": summaries(10), "samsum": summaries(3)}
    results = [summarizer(tmp_path, row, lines) for row, lines in rows.items()]
    text = with_measured("before\n<!-- measured -->\nold\n<!-- end -->\nafter", results)
    assert text.startswith("before\n<!-- measured -->\n\n### knkarthick/samsum\n")
    assert text.endswith("<!-- end -->\nafter")
    assert "old" not in text
    assert text.index("`samsum-attention`, seed 1") < text.index("`samsum-pointer`, seed 1")
    cells = row_of(text, "`samsum-pointer`, seed 1")
    assert cells[1:3] == ["`samsum-attention`", "`model.pointer: true`"]
    (shared,) = comparable(read_runs([tmp_path / "samsum-attention", tmp_path / "samsum-pointer"]))
    tested = bootstrap(shared, shared.runs[0]).estimates
    for kind, place in (("ROUGE-1", 0), ("ROUGE-2", 1), ("ROUGE-L", 2)):
        _, better = tested[kind]
        assert cells[3 + place] == f"{better.score:.2f}"
        assert cells[8 + place] == f"{better.p_value:.3f}"
    assert row_of(text, "`samsum-attention`, seed 1")[8:] == ["", "", ""]
    assert row_of(text, "longest-3")[3] == f"{results[0]['test']['extracts']['longest-3']['rouge1']:.2f}"
    made_of = row_of(text.partition("made of")[2], "`samsum-attention`, seed 1")
    found = results[1]["test"]["beam"]["repeated"]
    assert made_of[7:9] == [f"{found[1]:.1f}", f"{found[2]:.1f}"]
    found = results[1]["test"]["beam"]["names"]
    assert made_of[10:] == [f"{found['each']:.1f}", f"{found['right']:.1f}", f"{found['recall']:.1f}"]
    cost = row_of(text.partition("cost")[2], "`samsum`, seed 1")
    assert cost[1:] == ["1,234,567", "3", "9", "90", "5", "2.00", "`0123`"]


def test_rows_of_which_nothing_differs_stand_last(tmp_path: Path) -> None:
    results = [summarizer(tmp_path, row, summaries(3)) for row in ("scitldr", "samsum")]
    text = with_measured("<!-- measured -->\n<!-- end -->", results)
    assert 0 < text.index("### knkarthick/samsum") < text.index("### data/scitldr/")


def test_without_summarizers_the_page_says_so() -> None:
    assert "Not yet trained." in with_measured("<!-- measured -->\n<!-- end -->", [])
