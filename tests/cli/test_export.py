"""`nmt export` on a small trained model, through the real command, and what comes of it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nmt import Translator, train
from nmt.batched_search import search_settings
from nmt.bundle import FORMAT_VERSION, Bundle, load_bundle, save_bundle
from nmt.data.numbers import number_corpus
from nmt.errors import UserError
from nmt.export import export
from nmt.model.int8 import Int8Linear, Int8LSTMCell
from nmt.model.shortlist import Shortlist
from tests.bare import bare
from tests.fixtures_text import make_bundle, saved
from tests.helpers import ATTENTIONS
from tests.training_runs import nmt_command, run_installed_nmt, run_nmt, tiny_recipe

TEXTS = [row["de"] for row in number_corpus("test")[:15]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    recipe = tiny_recipe(folder, trainer={"max_epochs": 12}, model={"init": {"type": "xavier"}, "hidden_size": 48})
    with bare():
        return train(recipe, run=folder / "runs" / "tiny" / "one")


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    folder = run.parents[2] / "small"
    done = run_installed_nmt("export", folder, "--shortlist", "8", cwd=run.parents[2])
    assert done.returncode == 0, done.stderr
    assert f"nmt translate --model {folder}" in done.stdout
    assert " pieces for a sentence, " in done.stdout
    assert "speed: " in done.stdout
    return folder


def test_the_bundle_holds_whole_numbers_and_a_shortlist(exported: Path) -> None:
    weights = load_file(exported / "model.safetensors")
    assert weights["decoder.cell.cells.0.gates.weight"].dtype == torch.int8
    assert weights["output.words.weight"].dtype == torch.int8
    assert weights["encoder.readers.0.network.weight_ih_l0"].dtype == torch.float32
    assert weights["output.shortlist.by_word"].shape == (120, 8 + 1)  # the word itself, for the vocabulary is joint
    model = load_bundle(exported).model
    assert isinstance(model.output.words, Int8Linear)
    assert isinstance(model.decoder.cell.cells[0], Int8LSTMCell)  # type: ignore[attr-defined]
    assert isinstance(model.output.shortlist, Shortlist)


def test_the_results_have_both_models(run: Path, exported: Path) -> None:
    results = json.loads((exported / "results.json").read_text(encoding="utf-8"))
    trained = json.loads((run / "results.json").read_text(encoding="utf-8"))["test"]
    assert results["before"] == trained
    evaluated = json.loads(run_nmt("evaluate", "--json", "--model", exported, cwd=run).stdout)
    assert {**results["after"], "published": [], "hashes": evaluated["hashes"]} == evaluated
    assert results["shortlist"]["candidates"] == 8
    assert 0.5 < results["shortlist"]["recall"] <= 1
    assert 8 < results["shortlist"]["mean"] <= 120
    assert results["times_as_fast"].keys() == {"beam", "greedy"}
    assert results["mib"]["after"] < results["mib"]["before"]
    assert results["after"]["beam"]["bleu"] > results["before"]["beam"]["bleu"] - 5
    assert results["after"]["perplexity"] == pytest.approx(trained["perplexity"], rel=0.05)


def test_it_translates_like_any_other_bundle(run: Path, exported: Path) -> None:
    source = "".join(text + "\n" for text in TEXTS)
    path = run.parents[2] / "lines.txt"
    path.write_text(source, encoding="utf-8")
    with path.open() as stdin:
        command = nmt_command("translate", "--model", exported, "--scores")
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=True)
    lines = [line.split("\t")[1] for line in done.stdout.splitlines()]
    before, after = Translator.load(run), Translator.load(exported)
    assert lines == after(TEXTS)
    assert sum(one == other for one, other in zip(before(TEXTS), lines, strict=True)) >= 10


def test_reading_what_was_written_gives_the_same_numbers(run: Path, tmp_path: Path) -> None:
    bundle = load_bundle(run)
    made = export(bundle, bundle.recipe.data, int8=True, candidates=4)
    save_bundle(made.bundle, tmp_path / "one")
    read = load_bundle(tmp_path / "one")
    states = made.bundle.model.state_dict(), read.model.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    ours, theirs = (Translator.from_bundle(each).translate(TEXTS) for each in (made.bundle, read))
    assert ours == theirs
    assert not bundle.is_exported  # it stays as it is
    assert bundle.model.output.shortlist is None


@pytest.mark.parametrize(("int8", "candidates"), [(True, 0), (False, 8)])
def test_each_part_can_be_had_by_itself(int8: bool, candidates: int, run: Path, tmp_path: Path) -> None:
    bundle = load_bundle(run)
    made = export(bundle, bundle.recipe.data, int8, candidates)
    save_bundle(made.bundle, tmp_path / "one")
    model = load_bundle(tmp_path / "one").model
    assert isinstance(model.output.words, Int8Linear) is int8
    assert (model.output.shortlist is not None) is bool(candidates)
    assert (made.shortlist is not None) is bool(candidates)
    assert Translator.load(tmp_path / "one")(TEXTS) == Translator.from_bundle(made.bundle)(TEXTS)


def test_a_summarizer_is_evaluated_by_rouge_before_and_after() -> None:
    data = {"validation": "validation[:3]", "test": "test[:3]"}
    bundle = make_bundle(data=data, evaluation={"type": "summarization"})
    made = export(bundle, bundle.recipe.data, int8=True, candidates=0)
    for evaluation in (made.before, made.after):
        assert evaluation.as_dict()["beam"]["rouge1"] >= 0
    assert made.table().count("ROUGE: F1, nrefs:1|refs:best|lines:3|") == 2


def test_no_word_comes_that_is_not_on_the_shortlist(exported: Path) -> None:
    bundle = load_bundle(exported)
    translator = Translator.from_bundle(bundle, beam_size=4)
    shortlist = bundle.model.output.shortlist
    assert shortlist is not None
    always = set(shortlist.always.tolist())
    sources = bundle.tokenizers.source.encode(TEXTS)
    for source, found in zip(sources, translator.translate(TEXTS, n_best=4), strict=True):
        candidates = always | {word for row in shortlist.by_word[[*source, 3]].tolist() for word in row}
        for translation in found:
            assert set(translation.ids) <= candidates
    assert search_settings(translator.options).eos in always


def test_what_cannot_be_exported_is_said_in_one_line(run: Path, exported: Path, tmp_path: Path) -> None:
    wrong = {
        ("export", str(exported), "--model", str(run)): f"{exported}: is there already",
        ("export", "new", "--model", str(exported)): "this model was exported before; give the run",
        ("export", "new", "--model", str(run), "--weights", "float32", "--shortlist", "0"): "nothing to export",
        ("export", "new", "--model", str(run), "--shortlist", "-1"): "-1 is not a whole number from 0 up",
        ("export", "new", "--model", str(tmp_path)): "no model here",
        ("export", "new", "--model", str(run), "--data", "nowhere"): "nowhere",
        ("export", "new/deep", "--model", str(run), "--data", "no.a", "--data", "no.b"): "there is no file no.a",
        ("export", "..", "--model", str(run)): "..: is there already",
        ("export", str(run / "log.txt" / "new"), "--model", str(run)): "cannot be written",
    }
    for arguments, message in wrong.items():
        done = run_nmt(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_an_exported_model_stays_on_the_cpu(exported: Path) -> None:
    with pytest.raises(UserError, match="--device cuda: an exported model runs on the cpu"):
        Translator.load(exported, "cuda")


def test_damaged_parts_are_one_clear_line(exported: Path, tmp_path: Path) -> None:
    bundle = load_bundle(exported)
    assert isinstance(bundle.model.output.words, Int8Linear)
    bundle.model.output.words.scale[3] = torch.nan
    save_bundle(Bundle(bundle.model, bundle.recipe, bundle.tokenizers), tmp_path / "one")
    with pytest.raises(UserError, match=r"output\.words\.scale hold values that are no numbers"):
        load_bundle(tmp_path / "one")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "output.shortlist.by_word",
            lambda words: words + 10**6,
            "shortlist holds words that are not in the vocabulary",
        ),
        ("output.shortlist.by_word", lambda words: words[:50], "shortlist does not fit"),
        ("output.shortlist.by_word", lambda words: words[0], "shortlist does not fit"),
        ("output.shortlist.by_word", lambda words: words.float(), "shortlist does not fit"),
        ("output.shortlist.always", lambda words: words - 7, "shortlist holds words"),
        ("output.shortlist.always", lambda words: words[words != 3], "or not the end"),
        ("output.words.limit", torch.zeros_like, "scales of output.words are not positive"),
        ("output.words.scale", torch.neg, "scales of output.words are not positive"),
        ("output.words.weight", lambda weight: weight.float(), "of type torch.float32"),
    ],
)
def test_numbers_that_are_impossible_are_refused(
    name: str, change: Callable[[torch.Tensor], torch.Tensor], message: str, exported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    shutil.copytree(exported, folder)
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        header = file.metadata()
    weights = load_file(folder / "model.safetensors")
    weights[name] = change(weights[name]).contiguous()
    save_file(weights, folder / "model.safetensors", metadata=header)
    with pytest.raises(UserError, match=message):
        load_bundle(folder)


def test_a_layer_that_is_never_of_8_bits_is_refused_as_such(tmp_path: Path) -> None:
    """The vector v of the additive score, in a file that nmt has not written."""
    bundle = make_bundle(model=ATTENTIONS["additive"])
    folder = saved(bundle, tmp_path / "one")
    weights = load_file(folder / "model.safetensors")
    vector = Int8Linear.of(weights.pop("decoder.attention.score.score.weight"), None, limit=1.0)
    weights |= {f"decoder.attention.score.score.{name}": tensor for name, tensor in vector.state_dict().items()}
    header = {"format": str(FORMAT_VERSION), "tokenizers": bundle.tokenizers.fingerprint}
    save_file(weights, folder / "model.safetensors", metadata=header)
    with pytest.raises(UserError, match=r"do not fit; the first difference is decoder\.attention\.score\.score\.bias"):
        load_bundle(folder)
