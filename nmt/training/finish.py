"""What follows a training: choose the weights, write the bundle, test it, write the results."""

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from nmt.bundle import Bundle, save_bundle
from nmt.data.corpus import load_split, load_texts, text_hash
from nmt.evaluation.evaluate import Evaluation, evaluate_translator
from nmt.plots import LARGEST_PICTURE, draw_alignment
from nmt.published import compare, comparison_table
from nmt.recipe.recipe import Recipe
from nmt.runs import MODEL_FOLDER
from nmt.text import write_text
from nmt.tokenizer import TokenizerPair
from nmt.training.checkpoint import mean_weights, network_weights
from nmt.training.console import RunLog, duration
from nmt.training.task import TranslationTask
from nmt.translator import Translator


def finish(trainer: pl.Trainer, task: TranslationTask, tokenizers: TokenizerPair, folder: Path, log: RunLog) -> None:
    """Writes the bundle, translations of the validation and test sets, heat maps and, last, `results.json`.

    Args:
        trainer: after its `fit`.
        task: what it trained; the network's weights are replaced by those chosen.
        tokenizers: of the run.
        folder: of the run.
        log: where scores are shown.
    """
    recipe = task.recipe
    task.progress.note_memory(trainer.strategy.root_device)
    best = _choose_weights(trainer, task)
    log.say(f"trained {duration(task.progress.seconds)}; the model: {_describe(best, recipe)}")
    save_bundle(Bundle(task.model.cpu().eval(), recipe, tokenizers), folder / MODEL_FOLDER)
    translator = Translator.load(folder / MODEL_FOLDER, str(trainer.strategy.root_device))
    splits = {"validation": recipe.data.validation, "test": recipe.data.test}
    tested = {
        name: _test(translator, recipe, split, name, folder) for name, split in splits.items() if split is not None
    }
    shown = "test" if "test" in tested else "validation"
    texts = {"train": recipe.data.train, **splits}
    scores = {name: evaluation.as_dict() for name, evaluation in tested.items()}
    comparisons = compare(recipe, scores)
    results: dict[str, Any] = {
        **scores,
        "published": [comparison.as_dict() for comparison in comparisons],
        "train": {
            "seconds": task.progress.seconds,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "target_tokens_per_second": task.progress.target_tokens / max(task.progress.training_seconds, 1e-9),
            "peak_memory_bytes": task.progress.peak_memory_bytes,
            "checkpoints": [path.stem for path in best],
        },
        "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
        "hashes": {
            **{name: text_hash(load_split(recipe.data, split)) for name, split in texts.items() if split is not None},
            "tokenizers": tokenizers.fingerprint,
        },
        "versions": _versions(),
    }
    _draw(translator, tested[shown], recipe.evaluation.samples, folder)
    write_text(folder / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    log.say()
    log.say(tested[shown].table(shown))
    if comparisons:
        log.say(comparison_table(comparisons, recipe))
    command = recipe.evaluation.command
    log.say(f"to {command}: nmt {command} --model {folder} < input.txt")


def _choose_weights(trainer: pl.Trainer, task: TranslationTask) -> list[Path]:
    """Takes the mean of the best checkpoints; a last phase too short for a validation keeps its last weights."""
    checkpoint = trainer.checkpoint_callback
    assert isinstance(checkpoint, ModelCheckpoint)
    best = sorted(Path(path) for path in checkpoint.best_k_models)
    if best:
        task.model.load_state_dict(mean_weights([network_weights(path) for path in best]))
    return best


def _describe(best: Sequence[Path], recipe: Recipe) -> str:
    names = ", ".join(path.stem for path in best)
    if len(best) > 1:
        return f"the mean of the best checkpoints {names}"
    when = " in the last phase" if recipe.training.phases else ""
    return f"the best checkpoint, {names}" if best else f"the last weights, for there was no validation{when}"


def _test(translator: Translator, recipe: Recipe, split: str, name: str, folder: Path) -> Evaluation:
    """Evaluates a split, and writes translations and references as they were scored."""
    sources, references = load_texts(recipe.data, split)
    evaluation = evaluate_translator(translator, sources, references, recipe.evaluation)
    hypotheses = folder / "hypotheses"
    for kind, lines in evaluation.references().items():
        _write_lines(hypotheses / f"{name}.{kind}", lines)
    for search, result in evaluation.searches().items():
        _write_lines(hypotheses / f"{name}.{search}.txt", result.lines)
        pieces = (translator.tokenizers.target.pieces(found.ids, found.words) for found in result.translations)
        _write_lines(hypotheses / f"{name}.{search}.pieces.txt", [" ".join(line) for line in pieces])
    return evaluation


def _draw(translator: Translator, evaluation: Evaluation, samples: int, folder: Path) -> None:
    """Attention heat maps of the first sentences, if they are short enough to be looked at."""
    examples = zip(evaluation.sources[:samples], evaluation.beam.translations, strict=False)
    for number, (source, translation) in enumerate(examples, start=1):
        alignment = translator.align(source, translation)
        if alignment is not None and max(alignment.weights.shape) <= LARGEST_PICTURE:
            draw_alignment(alignment, folder / "attention" / f"{number}.png")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_text(path, "".join(line + "\n" for line in lines))


def _versions() -> dict[str, str]:
    scorers = ("sacrebleu", "rouge-score")
    packages = ("nmt", "torch", "pytorch-lightning", "sentencepiece", "sacremoses", *scorers, "datasets")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
