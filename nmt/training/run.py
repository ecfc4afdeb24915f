"""A training from recipe to result: load, fit, test, write."""

import logging
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from nmt.bundle import Bundle, read_tokenizers, write_tokenizers
from nmt.curves import CURVES_FILE
from nmt.data.corpus import load_split, text_hash
from nmt.data.encoded import EncodedCorpus, encode_corpus
from nmt.data.module import TranslationData
from nmt.data.prepare import prepare_tokenizers
from nmt.errors import StoppedError, UserError
from nmt.memory import enough_memory, keep_freed_memory
from nmt.model.build import build_model
from nmt.model.fast.decoder import slow_part
from nmt.recipe.recipe import Recipe
from nmt.recipe.section import first_difference
from nmt.recipe_file import LoadedRecipe, dump_recipe, load_recipe
from nmt.runs import RUN_VARIABLE, TOKENIZERS_FOLDER, forget_empty_run, make_run, new_run, unfinished_run
from nmt.text import write_text
from nmt.tokenizer import TokenizerPair
from nmt.training.checkpoint import WholeCheckpoints, load_checkpoint
from nmt.training.console import Console, RunLog
from nmt.training.curve_log import CurveLog
from nmt.training.finish import finish
from nmt.training.interrupt import Interrupted, StopOnRequest
from nmt.training.phases import BestCheckpoints, Patience
from nmt.training.pretrained import load_start, set_pretrained
from nmt.training.task import NonFiniteLoss, TranslationTask

_CHANGEABLE = {"trainer", "search", "evaluation", "published"}  # sections that may differ when a run is resumed


@dataclass(frozen=True)
class _Corpora:
    """What a training reads."""

    tokenizers: TokenizerPair
    training: EncodedCorpus
    validation: EncodedCorpus
    text: str
    """A hash of all text of both."""


def train(
    recipe: str | Path, overrides: Sequence[str] = (), run: str | Path | None = None, resume: bool = False
) -> Path:
    """Trains what the recipe says, tests it, and writes everything into the run's folder.

    Args:
        recipe: the YAML file.
        overrides: `key=value` with dotted keys.
        run: the folder to write; by default `runs/<recipe>/<time>`.
        resume: go on with the unfinished run in that folder, or the newest one of this recipe.

    Returns:
        The run's folder: `recipe.yaml`, `log.txt`, `curves.jsonl`, `checkpoints/`, `tensorboard/`, `model/` (the
        bundle), `hypotheses/`, `attention/` and, once it has finished, `results.json`.

    Raises:
        UserError: if the recipe, the data or the folder are not as they should be, memory runs out, the loss is no
            longer finite, or the training was interrupted; the message says how to go on.
    """
    keep_freed_memory()
    loaded = load_recipe(recipe, overrides)
    folder = _choose_folder(loaded, Path(run) if run else None, resume)
    os.environ[RUN_VARIABLE] = str(folder)
    try:
        _train(loaded, folder, resume)
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a folder that must not be written
        raise UserError(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        del os.environ[RUN_VARIABLE]
        forget_empty_run(folder)
    return folder


def _train(loaded: LoadedRecipe, folder: Path, resume: bool) -> None:
    recipe = loaded.recipe
    first = _is_first()
    log = RunLog(quiet=not first)
    _calm_lightning()
    log.say(f"run {folder}")
    start = None if resume else load_start(recipe)
    corpora = _prepare(loaded, folder, resume, start, log.say)
    tokenizers = corpora.tokenizers
    torch.manual_seed(recipe.training.seed)
    with enough_memory("a network of this size", "model.hidden_size, model.embedding_size or tokenizer.vocab_size"):
        model = build_model(recipe.model, len(tokenizers.source), len(tokenizers.target))
    if not resume:
        set_pretrained(model, tokenizers, recipe, start, log.say)
    log.say(f"model of {sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    data = TranslationData(recipe, tokenizers, corpora.training, corpora.validation, corpora.text)
    validation = corpora.validation.dataset
    for number, phase in enumerate(recipe.training.phases, start=1):
        log.say(f"phase {number}: {phase.describe()}")
    task = TranslationTask(
        model, tokenizers, recipe, data.planned_steps(), validation["source"][:], validation["target"][:]
    )
    if first:  # nothing is written before all that can be wrong with recipe and data has been seen
        write_tokenizers(tokenizers, folder / TOKENIZERS_FOLDER)
        write_text(folder / "recipe.yaml", dump_recipe(recipe))
        log.keep(folder / "log.txt")
    trainer = make_trainer(recipe, folder, log)
    if trainer.strategy.root_device.type == "cpu" and trainer.precision != "32-true":
        log.say(f"precision {trainer.precision} on a CPU takes the readable steps; the fast way is for 32-true")
    elif trainer.strategy.root_device.type == "cpu" and (part := slow_part(model.decoder)):
        log.say(f"{part} has no fast way, so that the decoder takes its readable steps, which are slower")
    _fit(trainer, task, data, folder, resume)
    if trainer.is_global_zero:
        try:
            finish(trainer, task, tokenizers, folder, log)
        except KeyboardInterrupt:
            raise StoppedError(f"stopped before the test was done; to go on: {_go_on(folder)}") from None


def make_trainer(recipe: Recipe, folder: Path, log: RunLog) -> pl.Trainer:
    """Lightning's Trainer as the recipe's `trainer` says, with our callbacks."""
    options = recipe.trainer.model_dump()
    if options["precision"] == "auto":
        on_gpu = options["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        has_bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
        options["precision"] = "bf16-mixed" if has_bf16 else "32-true"
    monitor = f"validation/{recipe.training.monitor}"
    mode = recipe.training.monitor_mode
    callbacks: list[pl.Callback] = [
        Console(log, recipe.evaluation.samples, terminal=sys.stderr.isatty()),
        CurveLog(folder / CURVES_FILE, recipe.trainer.log_every_n_steps),
        BestCheckpoints(
            folder / "checkpoints",
            filename="epoch{epoch:02d}-step{step:07d}",
            auto_insert_metric_name=False,
            monitor=monitor,
            mode=mode,
            save_top_k=recipe.training.average,
        ),
        # After the callback of the best ones, so that its memory is in the checkpoint to resume from.
        ModelCheckpoint(folder / "checkpoints", filename="last", enable_version_counter=False),
        StopOnRequest(folder / "checkpoints" / "last.ckpt"),
    ]
    if recipe.training.patience is not None:
        callbacks.append(Patience(monitor, patience=recipe.training.patience, mode=mode))
    try:
        return pl.Trainer(
            **options,
            callbacks=callbacks,
            logger=TensorBoardLogger(folder, name="", version="tensorboard"),
            default_root_dir=folder,
            plugins=[WholeCheckpoints()],
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, TypeError, ValueError) as error:  # no such device or precision
        raise UserError(f"trainer: {_first_line(error)}") from None


def _choose_folder(loaded: LoadedRecipe, run: Path | None, resume: bool) -> Path:
    """The run's folder; a process started by another takes over that one's."""
    if RUN_VARIABLE in os.environ and "LOCAL_RANK" in os.environ:
        return Path(os.environ[RUN_VARIABLE])
    if (loaded.recipe.trainer.num_nodes > 1 or "LOCAL_RANK" in os.environ) and run is None:
        raise UserError("on several nodes, or under a launcher, give the run's folder, the same for all: --run DIR")
    if run is not None and not _is_first():  # whether it can be used is the first process's to say
        return run
    if resume:
        folder = run or unfinished_run(loaded.name)
        _check_resumable(folder, loaded.recipe)
        return folder
    if run is None:
        return new_run(loaded.name)
    if (run / "results.json").exists():
        raise UserError(f"{run}: here is a finished run; choose another folder")
    if (run / "recipe.yaml").exists():
        raise UserError(f"{run}: here is a run already; add --resume to go on with it, or choose another")
    return make_run(run)


def _is_first() -> bool:
    """Whether this is the process that speaks and writes, of perhaps many."""
    return getattr(rank_zero_only, "rank", 0) == 0


def _check_resumable(folder: Path, recipe: Recipe) -> None:
    if (folder / "results.json").exists():
        raise UserError(f"{folder}: this run has finished; there is nothing to resume")
    if not (folder / "checkpoints" / "last.ckpt").exists():
        raise UserError(f"{folder}: no checkpoint to resume from; start again without --resume")
    started = load_recipe(folder / "recipe.yaml").recipe
    now, before = (each.model_dump(exclude=_CHANGEABLE) for each in (recipe, started))
    if found := first_difference(now, before):
        key, ours, theirs = found
        raise UserError(
            f"{folder}: {key} is {ours!r} in the recipe, but the run was started with {theirs!r}; resume with the same "
            "recipe"
        )
    _check_in_place(folder)


def _check_in_place(folder: Path) -> None:
    """Lightning forgets the best checkpoints of a folder that was moved, and a worse model would be tested."""
    state = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    before = next(Path(found["dirpath"]) for found in state["callbacks"].values() if "dirpath" in found)
    if before != (folder / "checkpoints").resolve():
        raise UserError(f"{folder}: this run was begun in {before.parent}; move it back there to resume it")


def _prepare(
    loaded: LoadedRecipe, folder: Path, resume: bool, start: Bundle | None, say: Callable[[str], None]
) -> _Corpora:
    """Loads, tokenizes and reports; the tokenizers of a resumed run, or another process's, are in the run's folder."""
    recipe = loaded.recipe
    training, validation = (load_split(recipe.data, name) for name in (recipe.data.train, recipe.data.validation))
    if recipe.data.test is not None:
        load_split(recipe.data, recipe.data.test)  # a test set that is missing is better noticed before training
    if resume or not _is_first():
        while not (folder / "recipe.yaml").exists():  # the first process writes it after the tokenizers
            time.sleep(0.2)
        tokenizers = read_tokenizers(folder / TOKENIZERS_FOLDER, recipe)
    else:
        tokenizers = start.tokenizers if start is not None else prepare_tokenizers(loaded, training, say)
    say(f"tokenizing {len(training):,} and {len(validation):,} pairs")
    limits = recipe.data.cut_source, recipe.data.cut_target
    usable = encode_corpus(training, tokenizers, recipe.data.workers).cut(*limits).usable(recipe.data.max_length)
    checked = encode_corpus(validation, tokenizers, recipe.data.workers).cut(recipe.searched.max_source_length, None)
    cut = f"{usable.cut_pairs:,} of them cut, " if limits != (None, None) else ""
    say(
        f"training: {len(usable):,} pairs, {cut}{int(usable.tgt_lengths.sum()):,} target pieces; left out "
        f"{usable.blank:,} blank and {usable.too_long:,} of more than {recipe.data.max_length} pieces; "
        f"validation: {len(checked):,} pairs"
    )
    for name, corpus in (("training", usable), ("validation", checked)):
        if len(corpus) == 0:
            raise UserError(f"data: the {name} split has no usable pair")
    return _Corpora(tokenizers, usable, checked, f"{text_hash(training)} {text_hash(validation)}")


def _fit(trainer: pl.Trainer, task: TranslationTask, data: TranslationData, folder: Path, resume: bool) -> None:
    """Trains, and turns what can go wrong into one line that says how to go on."""
    last = folder / "checkpoints" / "last.ckpt"
    try:
        trainer.fit(task, data, ckpt_path=last if resume else None, weights_only=True if resume else None)
    except RuntimeError as error:
        if "gloo" in str(error) or isinstance(error, torch.distributed.DistBackendError):
            raise UserError("another process of this training has ended; its message says why") from None
        with enough_memory(f"a batch of {task.last_batch}", "training.batch_size or data.max_length"):
            raise error
    except Interrupted:
        raise StoppedError(f"stopped after step {trainer.global_step}, saved; to go on: {_go_on(folder)}") from None
    except SystemExit:  # a second Ctrl-C, which Lightning answers by leaving
        kept = f"; to go on from the last checkpoint: {_go_on(folder)}" if last.exists() else ", before any checkpoint"
        raise StoppedError(f"stopped at once{kept}") from None
    except NonFiniteLoss as error:
        kept = f"the last good checkpoint is {last}" if last.exists() else "there was no checkpoint yet"
        raise UserError(f"{error}; {kept}; lower training.learning_rate or trainer.gradient_clip_val") from None
    except (MisconfigurationException, ValueError) as error:
        if isinstance(error, ValueError) and "val_check_interval" not in str(error):
            raise
        raise UserError(f"trainer: {_first_line(error)}") from None


def _go_on(folder: Path) -> str:
    """The command that resumes a run."""
    return f"nmt train {shlex.quote(str(folder / 'recipe.yaml'))} --run {shlex.quote(str(folder))} --resume"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _calm_lightning() -> None:
    """Keeps Lightning's own messages, which say nothing about the training, from the console."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
