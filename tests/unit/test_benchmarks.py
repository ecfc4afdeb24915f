"""The benchmarks count operations as torch does, and read the peers' logs. No time is asserted."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import changes, document, eight_bits, full_size, growth, levers, long_documents, quality
from benchmarks.bench import WORK, fractions
from benchmarks.machine import Probe
from benchmarks.operations import costs
from benchmarks.peers import joeynmt, opennmt
from benchmarks.peers.compare import rows
from benchmarks.process import ROOT
from benchmarks.report import spread, table
from nmt.data.batch import Batch, make_batch
from nmt.model.build import build_model
from nmt.model.fast.products import readable_steps
from nmt.recipe.model import EncoderOptions, ModelOptions
from nmt.recipe_file import load_recipe
from nmt.training import loss
from nmt.translator import Translator
from tests.fixtures_text import KINDS, SOURCES, practised_bundle
from tests.helpers import ATTENTIONS, UNFED

VOCAB, SENTENCES, SOURCE, TARGET = 11, 3, 4, 6


def batch() -> Batch:
    """Sentences of one length each, so that nothing is padding."""
    return make_batch([[5] * (SOURCE - 1)] * SENTENCES, [[6] * (TARGET - 1)] * SENTENCES)


def _matrix_times_vector(matrix: Any, *_: Any, **__: Any) -> int:
    """Torch's counter knows products of matrices only."""
    return int(2 * matrix[0] * matrix[1])


def counted(options: ModelOptions) -> int:
    """What torch counts in a forward pass."""
    model = build_model(options, VOCAB, VOCAB).double()  # of an LSTM in float32 torch counts nothing
    given = batch()
    mapping = {torch.ops.aten.mv: _matrix_times_vector}
    with readable_steps(), FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        outputs, _ = model(given.src_ids, given.src_lengths, given.tgt_in)
        logits: Tensor = model.output(outputs)
    assert logits.shape == (SENTENCES, TARGET, VOCAB)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("attention", list(ATTENTIONS))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bridge": "copy"},
        {"layers": 2, "encoder": EncoderOptions(layers=2)},
        {"encoder": EncoderOptions(bidirectional=False)},
        {"tie_output": True},
        {"tie_output": True, "embedding_size": 6},
        UNFED,
    ],
    ids=str,
)
def test_the_formula_counts_what_torch_counts(attention: str, changes: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {"embedding_size": 5, "hidden_size": 6}
    options = ModelOptions.model_validate(ATTENTIONS[attention] | sizes | changes)
    expected = costs(options, VOCAB).forward([SOURCE] * SENTENCES, [TARGET] * SENTENCES)
    assert counted(options) == expected


def test_a_search_takes_one_first_step_and_then_one_for_each_hypothesis() -> None:
    found = costs(ModelOptions(), VOCAB)
    first, second = (found.forward([7, 3], lengths) for lengths in ([1, 1], [2, 2]))
    step = second - first
    assert found.forward([7, 3], [1, 1], hypotheses=5) == first
    assert found.forward([7, 3], [4, 4], hypotheses=5) == first + 3 * 5 * step


def test_the_work_is_that_of_the_peers() -> None:
    recipe = load_recipe(WORK).recipe
    with torch.device("meta"):
        model = build_model(recipe.model, recipe.tokenizer.vocab_size, recipe.tokenizer.vocab_size)
    assert sum(parameter.numel() for parameter in model.parameters()) == 12_927_808
    per_token = costs(recipe.model, recipe.tokenizer.vocab_size).forward([12], [12]) / 12
    assert 17e6 < per_token < 18e6


def test_opennmt_log() -> None:
    log = (
        "[2026-01-01 10:00:00,000 INFO] Step 50/  200; acc: 11.2; ppl: 1431.7; xent: 7.3; lr: 0.00100; "
        "sents:    3200; bsz:  990/ 975/64; 1402/1381 tok/s;     35 sec;\n"
        "[2026-01-01 10:00:30,000 INFO] Step 100/  200; acc: 20.4; ppl: 250.3; xent: 5.5; lr: 0.00100; "
        "sents:    3200; bsz: 1010/ 982/64; 1713/ 666 tok/s;     64 sec;\n"
    )
    assert opennmt.training_rates(log) == [1381.0, 666.0]
    log = "[2026-01-01 10:00:00,000 INFO] Total translation time (s): 9.3\nAverage translation time (ms): 9.3\n"
    assert opennmt.translation_seconds(log) == 9.3


def test_joeynmt_log() -> None:
    log = (
        "2026-01-01 10:00:00,000 - INFO - joeynmt.training - Epoch   1, Step:       50, Batch Loss:     6.514021, "
        "Batch Acc: 0.101231, Tokens per Sec:      571, Lr: 0.001000\n"
    )
    assert joeynmt.training_rates(log * 2) == [571.0, 571.0]
    log = "2026-01-01 10:00:00,000 - INFO - joeynmt.prediction - Generation took 36.7512[sec].\n"
    assert joeynmt.translation_seconds(log) == 36.7512


def test_a_log_of_another_kind_is_told() -> None:
    with pytest.raises(ValueError, match="something else"):
        opennmt.translation_seconds("something else")


def test_ratios_are_those_of_each_round() -> None:
    memory = {"peak_mib": 1.0, "largest_mib": 1.0}
    training = [
        {"probe": {}, "nmt": {"rates": [30.0, 40.0, 50.0], **memory}, "peer": {"rates": [20.0], **memory}},
        {"probe": {}, "nmt": {"rates": [30.0], **memory}, "peer": {"rates": [10.0], **memory}},
    ]
    translation = {
        "greedy": [
            {
                "probe": {},
                "nmt": {"seconds": 2.0, "lines": 10, "words": 125, "bleu": 30.0, **memory},
                "nmt, exported": {"seconds": 1.0, "lines": 10, "words": 125, "bleu": 30.0, **memory},
                "peer": {"seconds": 5.0, "lines": 10, "words": 120, "bleu": 31.0, **memory},
            }
        ]
    }
    found = {row[0]: row[1:] for row in rows({"training": training, "translation": translation})}
    assert found["training, target tokens/s: peer"][-2:] == ["2.00 3.00", "2.50"]
    assert found["greedy, lines/s: peer"] == ["2.0", "2.0", "2.0", "1", "31.0", "12.0", "2.50", "2.50", "5.00", "5.00"]


def test_points_of_the_plot() -> None:
    measured = {"parameters": 5_000_000, "bleu": 30.0, "rounds": [{"lines": 10, "seconds": 2.0}]}
    faster = {**measured, "rounds": [{"lines": 10, "seconds": 1.0}]}
    models = {
        "small": {"greedy": [{**each, "exported": False} for each in (measured, faster, measured)]},
        "q": {"beam 5": [{**measured, "exported": True}]},
    }
    searched = {"lines": 10, "bleu": 31.0}
    peers = {"beam 5": [{"probe": {}, "nmt": {"seconds": 2.5, **searched}, "peer": {"seconds": 4.0, **searched}}]}
    results = {"models": models, "peers": peers, "updates": 9}
    found = {kind: [point.name for point in points] for kind, points in quality.points(results).items()}
    assert found == {
        "nmt": ["small, greedy"],
        "nmt, exported": ["q, beam 5"],
        "nmt, 9 updates": ["nmt, 9 updates, beam 5"],
        "peer, 9 updates": ["peer, 9 updates, beam 5"],
    }
    assert quality.rows(results)[1:] == [
        ["peer, 9 updates, beam 5", "", "31.0", "2"],
        ["nmt, 9 updates, beam 5", "", "31.0", "4"],
        ["small, greedy", "5.0", "30.0", "5"],
        ["q, beam 5", "5.0", "30.0", "5"],
    ]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_full_size_models_are_measured_and_learn_alike_in_both_ways(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tiny model: both ways have the same losses, and the table has a row for each."""
    monkeypatch.setattr(full_size, "keep_freed_memory", lambda: None)  # of this process
    work = full_size.batches(4, 3, full_size.TINY[1], 6)
    assert all((batch.src_lengths <= 6 + 1).all() for batch in work)
    runs = []
    for way in ("fast", "readable"):
        measured = full_size.measure(*full_size.TINY, torch.device("cpu"), way, precision, work, 1)
        assert len(measured["probes"]) == 4
        runs.append({**measured, "model": "tiny", "precision": precision, "way": way, "batch_size": 3})
    losses = [[update["loss"] for update in run["updates"]] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    found = full_size.rows({"runs": runs})
    assert [row[0] for row in found[1:]] == [f"tiny, {precision}, {way}, 3 sentences" for way in ("fast", "readable")]


def test_the_measured_tables_of_the_docs_are_those_of_the_files() -> None:
    """Written by the command, and not by hand."""
    page = document.PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- measured: (\w+) -->", page):
        assert all(written in page for written in document.tables(name, document.load(name))), name


def test_fractions_are_taken_of_the_probes_around_a_block() -> None:
    probes = [Probe(threads=1, mm=[rate], onednn=[2 * rate]) for rate in (90.0, 110.0, 310.0)]
    assert fractions([50.0, 105.0], probes) == ["50 %", "25 %"]
    without = [Probe(threads=1, mm=[100.0], onednn=[]) for _ in range(2)]
    assert fractions([50.0], without) == ["50 %", "50 %"]


def test_spread_and_table() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert table([["", "a"], ["first", "10"], ["b"]]).split("\n") == ["        a", "---------", "first  10", "b"]


def test_what_grows_faster_than_its_arithmetic_is_marked() -> None:
    points = list(growth._points([1, 2, 4], [[3.0, 1.0], [1.5], [4.5]], [100, 200, 400]))
    assert [point.seconds for point in points] == [1.0, 1.5, 4.5]
    assert [point.faster for point in points] == [False, False, True]


@pytest.mark.parametrize("what", list(growth.WHAT))
def test_what_is_timed_can_be_done(what: str) -> None:
    sizes = growth.Sizes(source=4, target=6, vocab=20, beam=2, batch=3, hidden=8)
    work, operations = growth.WHAT[what](sizes)
    result = work()
    assert operations > 0
    if what == "search":
        assert isinstance(result, list)
        assert [len(best[0].ids) for best in result] == [5, 5, 5]


@pytest.mark.parametrize("lever", changes.TRAINING, ids=lambda lever: lever.name)
def test_without_a_change_the_training_learns_the_same(lever: changes.Lever) -> None:
    """What stands in its place does the same work; dropout's draws alone are others."""
    sizes = growth.Sizes(source=6, vocab=50, batch=3, hidden=8)

    def last_loss() -> float:
        torch.manual_seed(3)
        work = levers.training_work(sizes, updates=2)
        work()
        work()
        return losses[-1]

    losses: list[float] = []
    noted = loss.sequence_loss

    def note(*arguments: Any) -> Any:
        found = noted(*arguments)
        losses.append(found.nll.item() / int(found.tokens))
        return found

    with levers.without({(loss, "sequence_loss"): note}):
        expected = last_loss()
        with levers.without(lever.instead):
            found = last_loss()
    assert found == pytest.approx(expected, rel=2e-2 if "dropout" in lever.name else 1e-4)


@pytest.mark.bare
@pytest.mark.parametrize("lever", [*changes.SEARCH, *changes.EXPORTED], ids=lambda lever: lever.name)
def test_without_a_change_the_search_finds_the_same(lever: changes.Lever) -> None:
    kind = "exported" if lever in changes.EXPORTED else "trained"
    bundle = KINDS[kind](practised_bundle())
    translate = Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)
    with levers.without(lever.instead):
        found = translate(SOURCES[:20])
    if lever.where == "shortlist.py":
        bundle.model.output.shortlist = None
    assert found == translate(SOURCES[:20])


class Clock:
    """Time that passes only where it is said."""

    now = 0.0

    def spend(self, seconds: float) -> None:
        self.now += seconds


def test_a_gain_is_measured_and_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a change that takes two seconds from each of two calls, in work that then lasts four."""
    clock = Clock()
    monkeypatch.setattr(levers.time, "perf_counter", lambda: clock.now)  # type: ignore[attr-defined]

    class Owner:
        changed = staticmethod(lambda: clock.spend(1))

    lever = changes.Lever("less", "nowhere", {(Owner, "changed"): staticmethod(lambda: clock.spend(3))})

    def work() -> None:
        Owner.changed()
        clock.spend(2)
        Owner.changed()

    gain = levers.measure(work, lever, rounds=3, threads=1)
    assert gain == levers.Gain("less", "nowhere", predicted=2.0, measured=[2.0, 2.0, 2.0])
    assert levers.rows("training", [vars(gain)])[1] == ["less", "`nowhere`", "2.00", "2.00", "2.00", "2.00"]


def test_ways_to_multiply_in_8_bits_give_about_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "INPUTS", 40)
    monkeypatch.setattr(eight_bits, "OUTPUTS", 24)
    values = torch.linspace(-2, 2, 7 * 40).reshape(7, 40)
    with torch.inference_mode():
        first, *others = [way(values) for way in eight_bits.ways().values()]
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=0.1)
    seconds = {"1": {"a": [2.0], "b": [1.0]}, "5": {"a": [3.0, 4.0, 5.0], "b": [16.0, 1.0, 8.0]}}
    assert eight_bits.rows({"seconds": seconds})[1:] == [["b", "2.00", "0.50"]]


def test_long_documents_are_trained_on_as_the_recipe_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a few short ones; each recipe has a row, and words beyond the vocabulary are there to be copied."""
    monkeypatch.setattr(long_documents, "keep_freed_memory", lambda: None)  # of this process
    runs = []
    for name in long_documents.RECIPES:
        recipe = load_recipe(ROOT / "recipes" / "summarization" / f"{name}.yaml", ["model.hidden_size=8"]).recipe
        batch = long_documents.document_batch(3, 60, 9, 50, recipe.model.pointer)
        assert batch.src_ids.shape == (3, 61)
        assert bool((batch.src_ids >= 50).any()) == recipe.model.pointer
        runs.append({"recipe": name, **long_documents.measure(recipe, batch, 50, 2)})
    assert all(len(run["seconds"]) == 2 and run["target_tokens"] == 30 and run["loss"] > 0 for run in runs)
    sizes = [run["parameters"] for run in runs]
    assert sizes == sorted(set(sizes))  # each has more than the one before
    assert [row[0] for row in long_documents.rows({"runs": runs})[1:]] == list(long_documents.RECIPES)
