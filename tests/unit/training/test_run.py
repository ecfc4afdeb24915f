"""A training from recipe to result, in this process."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import Translator, load_recipe, train
from nmt.bundle import load_bundle
from nmt.data.batch import Batch, make_batch
from nmt.data.corpus import load_texts
from nmt.data.numbers import number_corpus
from nmt.errors import UserError
from nmt.forced import log_probs
from nmt.tokenizer import PAD
from nmt.training.checkpoint import WholeCheckpoints, mean_weights, network_weights
from nmt.training.console import Console
from nmt.training.loss import sequence_loss
from nmt.training.minimum_risk import MinimumRisk
from nmt.training.task import TranslationTask
from tests.training_runs import last_weights, tiny_recipe, weights_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with averaging, sampling, dropout and every kind of smoothing."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = tiny_recipe(
        folder,
        data={"subword_sampling": 0.3},
        model={"dropout": 0.2, "tie_output": True, "share_embeddings": True},
        training={"label_smoothing": 0.1, "average": 2, "monitor": "perplexity", "patience": 3},
        evaluation={"samples": 1},
    )
    return train(recipe, ["trainer.max_epochs=3"], run=folder / "run")


def test_the_folder_holds_all_that_a_person_looks_for(finished: Path) -> None:
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert {
        "recipe.yaml",
        "log.txt",
        "curves.jsonl",
        "results.json",
        "checkpoints/last.ckpt",
        "model/model.safetensors",
        "model/recipe.yaml",
        "model/source.model",
        "hypotheses/test.beam.txt",
        "hypotheses/test.greedy.txt",
        "hypotheses/test.beam.pieces.txt",
        "hypotheses/test.reference.txt",
        "attention/1.png",
    } <= names
    assert any(name.startswith("tensorboard/events") for name in names)
    assert load_recipe(finished / "recipe.yaml").recipe.trainer.max_epochs == 3
    assert len(list((finished / "checkpoints").glob("epoch*.ckpt"))) == 2


def test_results_hold_scores_speed_hashes_and_versions(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for search in ("beam", "greedy"):
        assert {"bleu", "chrf", "ter", "exact_match", "signatures"} <= results["test"][search].keys()
        assert "tok:13a" in results["test"][search]["signatures"]["bleu"]
    assert results["test"]["perplexity"] > 1
    assert results["train"]["epochs"] == 3
    assert results["train"]["seconds"] > 0
    assert results["train"]["target_tokens_per_second"] > 0
    assert results["train"]["peak_memory_bytes"] > 2**27  # torch alone takes more
    assert results["hashes"].keys() == {"train", "validation", "test", "tokenizers"}
    assert results["versions"]["torch"] == torch.__version__


def test_the_model_is_the_mean_of_the_best_checkpoints(finished: Path) -> None:
    checkpoints = sorted((finished / "checkpoints").glob("epoch*.ckpt"))
    states = [torch.load(path, weights_only=True)["state_dict"] for path in checkpoints]
    for name, value in weights_of(finished).items():
        expected = (states[0][f"model.{name}"] + states[1][f"model.{name}"]) / 2
        torch.testing.assert_close(value, expected)
    averaged = mean_weights([network_weights(path) for path in checkpoints])
    torch.testing.assert_close(averaged["decoder.combine.weight"], weights_of(finished)["decoder.combine.weight"])


def test_the_run_translates_through_the_python_interface(finished: Path) -> None:
    translate = Translator.load(finished)
    hypotheses = (finished / "hypotheses" / "test.beam.txt").read_text(encoding="utf-8").split("\n")[:-1]
    sources = _test_sources()
    assert translate(sources) == hypotheses
    assert translate(sources[0]) == hypotheses[0]
    assert load_bundle(finished).recipe == load_recipe(finished / "recipe.yaml").recipe


def _test_sources() -> list[str]:
    from nmt.data.numbers import number_corpus

    return [row["de"] for row in number_corpus("test")[:15]]


def test_a_folder_with_a_run_is_not_overwritten(finished: Path) -> None:
    with pytest.raises(UserError, match=r"here is a finished run; choose another folder"):
        train(tiny_recipe(finished.parent), run=finished)


def test_a_folder_with_something_else_is_not_written_to(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="this folder holds other files; give a new one"):
        train(recipe, run=tmp_path)
    with pytest.raises(UserError, match="cannot be made: "):
        train(recipe, run=recipe / "below")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_finished_run_is_not_resumed(finished: Path) -> None:
    with pytest.raises(UserError, match="this run has finished"):
        train(tiny_recipe(finished.parent), run=finished, resume=True)


def test_resuming_needs_a_checkpoint_and_the_same_recipe(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        train(tiny_recipe(tmp_path), run=tmp_path / "nothing", resume=True)
    unfinished = tmp_path / "unfinished"
    (unfinished / "checkpoints").mkdir(parents=True)
    (unfinished / "checkpoints" / "last.ckpt").touch()
    (unfinished / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    with pytest.raises(UserError, match="here is a run already; add --resume"):
        train(finished / "recipe.yaml", run=unfinished)
    with pytest.raises(UserError, match=r"model.hidden_size is 48 in the recipe, but the run was started with 24"):
        train(
            finished / "recipe.yaml",
            ["model.hidden_size=48", "trainer.max_epochs=9"],
            run=unfinished,
            resume=True,
        )


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TranslationTask.training_step

    def poisoned(self: TranslationTask, batch: object, batch_idx: int) -> torch.Tensor:
        if self.trainer.current_epoch == 1 and batch_idx == 2:
            with torch.no_grad():
                self.model.tgt_embedding.weight.fill_(math.nan)
        return original(self, batch, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(TranslationTask, "training_step", poisoned)
    with pytest.raises(UserError, match=r"the loss is nan at step 10, epoch 2, in a batch of 32 sentences") as error:
        train(tiny_recipe(tmp_path), run=tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert str(last) in str(error.value)
    state = torch.load(last, weights_only=True)
    assert state["global_step"] == 7
    assert all(value.isfinite().all() for value in state["state_dict"].values())
    assert not (tmp_path / "run" / "results.json").exists()


def test_out_of_memory_names_the_batch_and_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate too much")

    monkeypatch.setattr("nmt.training.objective.sequence_loss", exhausted)
    message = r"out of memory with a batch of 32 sentences, source \d+ and target \d+ pieces; lower training.batch_size"
    with pytest.raises(UserError, match=message):
        train(tiny_recipe(tmp_path), run=tmp_path / "run")


def test_weights_spoilt_by_the_last_step_stop_before_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: TranslationTask) -> None:
        with torch.no_grad():
            self.model.tgt_embedding.weight.fill_(math.nan)

    monkeypatch.setattr(TranslationTask, "on_validation_epoch_start", spoil)
    with pytest.raises(UserError, match=r"the validation loss is nan after step 7; there was no checkpoint yet"):
        train(tiny_recipe(tmp_path), run=tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


def test_out_of_memory_in_the_validation_names_its_own_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate too much")

    monkeypatch.setattr("nmt.batched_search.search", exhausted)
    with pytest.raises(UserError, match=r"out of memory with a batch of 25 sentences, source \d+ pieces, beam 1"):
        train(tiny_recipe(tmp_path), run=tmp_path / "run")


def test_under_a_launcher_the_folder_must_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(UserError, match="give the run's folder, the same for all: --run DIR"):
        train(tiny_recipe(tmp_path))


def test_a_network_for_which_there_is_no_memory_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"out of memory with a network of this size; lower model\.hidden_size"):
        train(tiny_recipe(tmp_path, model={"hidden_size": 4_000_000, "embedding_size": 8}))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.bare
def test_the_time_of_a_step_is_counted_before_its_speed_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[int, float]] = []
    original = Console.on_train_batch_end

    def noted(self: Console, trainer: Any, pl_module: Any, *rest: Any) -> None:
        counted.append((pl_module.progress.target_tokens, pl_module.progress.training_seconds))
        original(self, trainer, pl_module, *rest)

    monkeypatch.setattr(Console, "on_train_batch_end", noted)
    options: dict[str, Any] = {"data": {"train": "train[:64]", "test": None}, "trainer": {"max_steps": 3}}
    train(tiny_recipe(tmp_path, **options), run=tmp_path / "run")
    tokens, seconds = zip((0, 0.0), *counted, strict=True)
    assert list(tokens) == sorted(set(tokens))
    assert list(seconds) == sorted(set(seconds))


@pytest.mark.bare
def test_the_planned_steps_are_those_that_are_made(tmp_path: Path) -> None:
    options = {"training": {"batch_size": 30}, "trainer": {"accumulate_grad_batches": 4, "max_epochs": 3}}
    run = train(tiny_recipe(tmp_path, **options, data={"test": None}), run=tmp_path / "run")
    assert json.loads((run / "results.json").read_text())["train"]["steps"] == 3 * 2  # 7 batches an epoch
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 6


@pytest.mark.bare
def test_a_schedule_of_epochs_changes_the_rate_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches an epoch has: here, of tokens, not always as many."""
    original = TranslationTask.on_before_optimizer_step
    rates: dict[int, set[float]] = {}

    def noted(self: TranslationTask, optimizer: torch.optim.Optimizer) -> None:
        rates.setdefault(self.current_epoch, set()).add(optimizer.param_groups[0]["lr"])
        original(self, optimizer)

    monkeypatch.setattr(TranslationTask, "on_before_optimizer_step", noted)
    training = {"batch_size": 300, "batch_unit": "tokens", "learning_rate": 0.5, "optimizer": {"type": "sgd"}}
    schedule = {"type": "halving", "start": 2, "every": 2}
    options: dict[str, Any] = {"training": {**training, "schedule": schedule}, "trainer": {"max_epochs": 6}}
    train(tiny_recipe(tmp_path, **options, data={"test": None}), run=tmp_path / "run")
    assert rates == {0: {0.5}, 1: {0.5}, 2: {0.25}, 3: {0.25}, 4: {0.125}, 5: {0.125}}


@pytest.mark.bare
def test_a_risk_is_the_mean_over_sentences_however_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step on all sentences, in one batch or in several that are accumulated."""

    def reversed_references(_: object, batch: Batch) -> list[list[list[int]]]:
        return [[ids[ids != PAD].tolist()[-2::-1]] for ids in batch.tgt_out]

    def constant(candidates: Sequence[object], _: object) -> list[float]:
        return [0.1, 0.9][: len(candidates)]

    objective = MinimumRisk(1.0, reversed_references, constant)
    monkeypatch.setattr("nmt.training.task.make_objective", lambda *_: objective)
    training = {"optimizer": {"type": "sgd"}, "learning_rate": 1.0}
    data = {"train": "train[:40]", "validation": "validation[:2]", "test": None}
    weights = []
    for size, accumulate in ((40, 1), (9, 5)):
        folder = tmp_path / str(size)
        folder.mkdir()
        trainer = {"max_epochs": 1, "accumulate_grad_batches": accumulate}
        recipe = tiny_recipe(folder, data=data, training={**training, "batch_size": size}, trainer=trainer)
        weights.append(last_weights(train(recipe, run=folder / "run")))
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-4, atol=1e-6)


@pytest.mark.bare
@pytest.mark.parametrize(("size", "accumulate"), [(40, 1), (9, 5)])
def test_the_gradient_is_the_sum_over_tokens_divided_by_sentences(
    size: int, accumulate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step on all sentences, beside the gradients of each sentence alone; the loss shown is per token."""
    original, shown = TranslationTask.on_before_optimizer_step, []

    def noted(self: TranslationTask, optimizer: torch.optim.Optimizer) -> None:
        original(self, optimizer)
        shown.append(self.last_loss)

    monkeypatch.setattr(TranslationTask, "on_before_optimizer_step", noted)
    data = {"train": "train[:40]", "validation": "validation[:2]", "test": None}
    sgd = {"optimizer": {"type": "sgd"}, "learning_rate": 0.5, "normalization": "sentences"}
    once = {"max_epochs": 1, "gradient_clip_val": None}
    start = train(tiny_recipe(tmp_path, data=data, trainer=once), run=tmp_path / "start")
    training = {**sgd, "batch_size": size, "start_from": str(start)}
    trainer = {**once, "accumulate_grad_batches": accumulate}
    found = last_weights(
        train(tiny_recipe(tmp_path, data=data, training=training, trainer=trainer), run=tmp_path / "a")
    )

    bundle = load_bundle(start)
    model, (source, target) = bundle.model.requires_grad_(), (bundle.tokenizers.source, bundle.tokenizers.target)
    nll, tokens = 0.0, 0
    for row in number_corpus("train")[:40]:
        loss = sequence_loss(model, make_batch(source.encode([row["de"]]), target.encode([row["en"]])))
        torch.autograd.backward(loss.objective)
        nll += loss.nll.item()
        tokens += int(loss.tokens)
    assert shown[-1] == pytest.approx(nll / tokens, rel=1e-5)
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        torch.testing.assert_close(found[f"model.{name}"], weight - 0.5 * weight.grad / 40, rtol=1e-4, atol=1e-6)


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "last.ckpt")

    monkeypatch.setattr(WholeCheckpoints, "save_checkpoint", full)
    with pytest.raises(UserError, match=r"^last\.ckpt: No space left on device$"):
        train(tiny_recipe(tmp_path), run=tmp_path / "run")


def test_a_corpus_without_a_usable_pair_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the training split has no usable pair"):
        train(tiny_recipe(tmp_path, data={"max_length": 1}), run=tmp_path / "run")


def test_training_pairs_left_out_are_counted(tmp_path: Path) -> None:
    lines = ["ein Hund", "", "eine Katze", "ein langer Satz " * 30, "ein Haus"] * 8
    (tmp_path / "a.de").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    (tmp_path / "a.en").write_text("".join((line or "x") + "\n" for line in lines), encoding="utf-8")
    recipe = tiny_recipe(
        tmp_path,
        data={
            "path": [str(tmp_path / "a.de"), str(tmp_path / "a.en")],
            "train": "train",
            "validation": "train[:5]",
            "test": None,
            "max_length": 30,
        },
        tokenizer={"type": "char"},
        trainer={"max_epochs": 1},
    )
    run = train(recipe, run=tmp_path / "run")
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert "left out 8 blank and 8 of more than 30 pieces; validation: 5 pairs" in log
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert "test" not in results
    assert results["validation"].get("cut_sources") is None
    assert len((run / "hypotheses" / "validation.beam.txt").read_text(encoding="utf-8").split("\n")) == 6


def test_training_pairs_that_are_cut_are_counted_and_so_are_sources_that_are_translated(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, data={"cut_source": 5, "cut_target": 6}, trainer={"max_epochs": 1})
    run = train(recipe, run=tmp_path / "run")
    bundle, data = load_bundle(run), load_recipe(recipe).recipe.data
    encoders = bundle.tokenizers.source.encode, bundle.tokenizers.target.encode
    trained, tested = (
        list(zip(*(encode(text) for encode, text in zip(encoders, load_texts(data, split), strict=True)), strict=True))
        for split in ("train[:200]", "test[:15]")
    )
    cut = sum(len(source) > 5 or len(target) > 6 for source, target in trained)
    assert f"training: 200 pairs, {cut} of them cut, " in (run / "log.txt").read_text(encoding="utf-8")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["test"]["cut_sources"] == sum(len(source) > 5 for source, _ in tested) > 0
    # Perplexity is that of the whole references, after sources that are cut.
    log_prob = sum(log_probs(bundle.model, [(source[:5], target) for source, target in tested], 4))
    tokens = sum(len(target) + 1 for _, target in tested)
    assert math.log(results["test"]["perplexity"]) == pytest.approx(-log_prob / tokens, rel=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.val_check_interval=1000", r"trainer: `val_check_interval` \(1000\) must be less than"),
        ("trainer.devices=[7]", "trainer: "),
        ("trainer.accelerator=mps", "trainer: "),
        ("data.train=tran", "tran"),
    ],
)
def test_what_only_the_machine_or_the_data_can_tell_is_one_line(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        train(tiny_recipe(tmp_path), [override], run=tmp_path / "run")
    assert "\n" not in str(error.value)


def test_a_training_shorter_than_the_first_validation_keeps_its_last_weights(tmp_path: Path) -> None:
    run = train(tiny_recipe(tmp_path), ["trainer.max_steps=3"], run=tmp_path / "run")
    assert "the last weights, for there was no validation" in (run / "log.txt").read_text(encoding="utf-8")
    assert json.loads((run / "results.json").read_text(encoding="utf-8"))["train"]["steps"] == 3


@pytest.mark.bare
def test_bfloat16_trains_like_float32_but_for_rounding(tmp_path: Path) -> None:
    perplexities = []
    for precision in ("32-true", "bf16-mixed"):
        run = train(tiny_recipe(tmp_path), [f"trainer.precision={precision}"], run=tmp_path / precision)
        results = json.loads((run / "results.json").read_text(encoding="utf-8"))
        perplexities.append(results["validation"]["perplexity"])
        is_told = "bf16-mixed on a CPU takes the readable steps" in (run / "log.txt").read_text(encoding="utf-8")
        assert is_told == (precision == "bf16-mixed")
        weights = weights_of(run)
        assert all(weight.dtype == torch.float32 for weight in weights.values())
    assert perplexities[0] == pytest.approx(perplexities[1], rel=0.01)
    assert perplexities[0] != perplexities[1]


def test_what_ends_before_the_training_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tset"):
        train(tiny_recipe(tmp_path), ["data.test=tset"], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
