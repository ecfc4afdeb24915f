"""What a person sees of a training: a bar on a terminal, plain lines elsewhere, and a log file."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from tqdm import tqdm

from nmt.text import writing_output
from nmt.training.task import TranslationTask

_SECONDS_BETWEEN_LINES = 30.0


class RunLog:
    """Says lines to the person and writes them, with the time, to the run's log file."""

    def __init__(self, quiet: bool) -> None:
        """All but the first of several processes are quiet."""
        self.quiet = quiet
        self._path: Path | None = None
        self._waiting: list[str] = []

    def say(self, text: str = "") -> None:
        """Shows and records some lines."""
        if self.quiet:
            return
        with writing_output():
            tqdm.write(text)
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        self._waiting += [f"{now}  {line}\n" for line in text.split("\n")]
        if self._path is not None:
            self.keep(self._path)

    def keep(self, path: Path) -> None:
        """Writes what was said so far, and from now on all, to the end of a file."""
        self._path = path
        with path.open("a", encoding="utf-8") as file:
            file.writelines(self._waiting)
        self._waiting.clear()


class Console(pl.Callback):
    """Loss, target tokens per second and time left; after each validation its scores and a few translations."""

    def __init__(self, run_log: RunLog, samples: int, terminal: bool) -> None:
        """Shows `samples` translations after each validation; draws a bar if `terminal`."""
        self.run_log = run_log
        self.samples = samples
        self.terminal = terminal
        self._bar: Any = None
        self._start = (0.0, 0, 0)  # seconds, tokens and steps when this process began
        self._last_line = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins to measure."""
        progress = _task(pl_module).progress
        self._start = (progress.training_seconds, progress.target_tokens, trainer.global_step)
        self._last_line = time.monotonic()
        if self.terminal and not self.run_log.quiet:
            self._bar = tqdm(
                total=_task(pl_module).planned_steps,
                initial=trainer.global_step,
                unit="step",
                dynamic_ncols=True,
                bar_format="{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}",
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar, or says a line now and then."""
        if self.run_log.quiet:
            return
        task = _task(pl_module)
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {trainer.current_epoch + 1} ", refresh=False)
            self._bar.set_postfix_str(
                f"loss {task.last_loss:.3f}, {self._rate(task):,.0f} target tokens/s", refresh=False
            )
            self._bar.update(trainer.global_step - self._bar.n)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.run_log.say(
                f"epoch {trainer.current_epoch + 1}  step {trainer.global_step}  loss {task.last_loss:.3f}  "
                f"{self._rate(task):,.0f} target tokens/s  {self._time_left(trainer, task)} left"
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says scores and samples."""
        if self.run_log.quiet:
            return
        task, scores = _task(pl_module), trainer.callback_metrics
        validation = task.validation
        self.run_log.say(
            f"epoch {trainer.current_epoch + 1}  step {trainer.global_step}  validation: "
            f"perplexity {scores['validation/perplexity']:.3f}  {validation.label} "
            f"{scores[f'validation/{validation.name}']:.2f} (greedy)  "
            f"{_looks(scores)}after {duration(task.progress.seconds)}, {self._rate(task):,.0f} target tokens/s"
        )
        for index in range(min(self.samples, len(task.hypotheses))):
            self.run_log.say(f"  source      {_shown(validation.sources[index])}")
            self.run_log.say(f"  reference   {_shown(validation.references[index])}")
            self.run_log.say(f"  {validation.found:<11} {_shown(task.hypotheses[index].text)}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Removes the bar, and says why a training ended before its last epoch."""
        self._close()
        stopping = trainer.early_stopping_callback
        if isinstance(stopping, EarlyStopping) and stopping.wait_count >= stopping.patience:
            self.run_log.say(f"stopped early: no improvement in {stopping.patience} validations")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Removes the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _rate(self, task: TranslationTask) -> float:
        seconds, tokens, _ = self._start
        return (task.progress.target_tokens - tokens) / max(task.progress.training_seconds - seconds, 1e-9)

    def _time_left(self, trainer: pl.Trainer, task: TranslationTask) -> str:
        seconds, _, steps = self._start
        per_step = (task.progress.training_seconds - seconds) / max(trainer.global_step - steps, 1)
        return duration(per_step * max(task.planned_steps - trainer.global_step, 0))


def _looks(scores: Mapping[str, Any]) -> str:
    """What pointer and coverage do, where there are any."""
    names = {"p_gen": "p_gen", "coverage_loss": "coverage loss"}
    known = ((shown, scores.get(f"validation/{name}")) for name, shown in names.items())
    return "".join(f"{shown} {value:.3f}  " for shown, value in known if value is not None)


def _shown(text: str) -> str:
    """Control characters, which a young model may write, spelled out: a terminal would obey them."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `3 h 05 min`, `4 min 10 s`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _task(module: pl.LightningModule) -> TranslationTask:
    assert isinstance(module, TranslationTask)
    return module
