"""The LightningModule: one training step, one validation step, and what is logged of them."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau

from nmt.data.batch import Batch
from nmt.evaluation.evaluate import make_validation
from nmt.memory import enough_memory, peak_memory
from nmt.model.coverage import switch_coverage
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.recipe import Recipe
from nmt.recipe.schedule import HalvingSchedule
from nmt.recipe.training import Phase
from nmt.tokenizer import TokenizerPair
from nmt.training.loss import Loss, validation_sums
from nmt.training.objective import make_objective
from nmt.training.optim import make_optimizer, make_scheduler, scale_gradients
from nmt.translation import Translation
from nmt.translator import Translator


class NonFiniteLoss(Exception):
    """The loss is infinite or not a number; nothing sensible can be learned from there."""


@dataclass
class Progress:
    """What a run has done so far; kept in checkpoints, so that a resumed run goes on counting.

    Attributes:
        seconds: time of the training, validations included.
        training_seconds: time of the training steps alone.
        target_tokens: target tokens trained on, over all processes.
        peak_memory_bytes: the most memory that the run's first process had, before and after it was resumed; None where
            the system does not say.
    """

    seconds: float = 0.0
    training_seconds: float = 0.0
    target_tokens: int = 0
    peak_memory_bytes: int | None = None

    def note_memory(self, device: torch.device) -> None:
        """Takes in the most memory that this process has had; `device` is where it trains."""
        peaks = (self.peak_memory_bytes, peak_memory(device))
        self.peak_memory_bytes = max((peak for peak in peaks if peak is not None), default=None)


class TranslationTask(pl.LightningModule):
    """Wraps the network for the Trainer.

    Gradients are summed over the terms of the objective (tokens or sentences), over accumulated batches and over
    processes, and divided by the number of terms of them all just before the step; so neither accumulation nor the
    number of processes changes the update.
    """

    def __init__(
        self,
        model: Seq2Seq,
        tokenizers: TokenizerPair,
        recipe: Recipe,
        planned_steps: int,
        validation_sources: Sequence[str],
        validation_references: Sequence[str],
    ) -> None:
        """`planned_steps` are the optimizer steps of the whole training, for the schedule and the time left."""
        super().__init__()
        self.model = model
        self.planned_steps = planned_steps
        self.recipe = recipe
        self.progress = Progress()
        self.validation = make_validation(
            validation_sources, validation_references, tokenizers.target, recipe.evaluation
        )
        """What of the validation set is searched and scored."""
        self.hypotheses: list[Translation] = []
        """Of the last validation, in order."""
        self.last_batch = ""
        """Shape of the last training batch, for the message when memory runs out."""
        self.last_loss = math.nan
        """Negative log-likelihood per target token of the last optimizer step."""
        greedy = recipe.searched.model_copy(update={"beam_size": 1})
        self._translator = Translator(model, tokenizers, greedy)
        self._objective = make_objective(recipe, tokenizers.target)
        without_coverage = recipe.training.model_copy(update={"coverage_loss": 0.0})
        self._uncovered = make_objective(recipe.model_copy(update={"training": without_coverage}), tokenizers.target)
        self._has_coverage = recipe.model.has_coverage or recipe.training.coverage_loss > 0
        self._accumulated = torch.zeros(4, dtype=torch.float64)  # what `_sums` gives, since the last optimizer step
        self._validated = torch.zeros(4, dtype=torch.float64)  # what `validation_sums` gives, of this validation
        self._plateau: ReduceLROnPlateau | None = None
        self._resumed_plateau: dict[str, Any] | None = None  # its memory in the checkpoint that was loaded
        self._gradient_factor = 1.0
        self._clock = time.perf_counter()

    # -- training -------------------------------------------------------------------------------------------------

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """A batch knows how to move itself."""
        return batch.to(device)

    def on_train_start(self) -> None:
        """Starts the clock."""
        self._clock = time.perf_counter()

    @property
    def phase(self) -> Phase | None:
        """The early phase that the training is in; None in the last one."""
        return self.recipe.training.phase(self.current_epoch)

    @property
    def _covering(self) -> bool:
        """Whether coverage, where there is any, has a part in this phase."""
        return self.phase is None or self.phase.coverage

    def on_train_epoch_start(self) -> None:
        """A phase may begin; a run that is resumed within an epoch has the switch in its checkpoint."""
        switch_coverage(self.model, self._covering)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The objective, summed over the batch."""
        self.last_batch = batch.describe()
        # Seeding each step by its number makes a resumed run repeat dropout and samples of an uninterrupted one.
        torch.manual_seed(_step_seed(self.recipe.training.seed, self.trainer, batch_idx))
        objective = self._objective if self._covering else self._uncovered
        loss = objective(self.model, batch, self.global_step)
        self._accumulated += _sums(loss)
        return loss.objective

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Finds what turns the summed gradient into the mean over all terms that went into it."""
        nll, tokens, objective, terms = self._all_reduce(self._accumulated).tolist()
        self._accumulated.zero_()
        if not math.isfinite(nll + objective):
            raise NonFiniteLoss(
                f"the loss is {nll + objective} at step {self.global_step + 1}, epoch {self.current_epoch + 1}, "
                f"in a batch of {self.last_batch}"
            )
        # Lightning divides by the number of accumulated batches, DDP by that of processes: both are taken back.
        self._gradient_factor = self.trainer.accumulate_grad_batches * self.trainer.world_size / terms
        self.last_loss = nll / tokens
        self.progress.target_tokens += int(tokens)
        self.log("train/loss", self.last_loss, rank_zero_only=True)
        self.log("train/objective", objective / terms, rank_zero_only=True)
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"], rank_zero_only=True)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Makes the gradient the mean, and clips its norm; both at once, and so once through the memory."""
        scale_gradients(self.model.parameters(), self._gradient_factor, gradient_clip_val)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Makes the step, and counts its time before a callback shows it: `on_train_batch_end` is theirs first."""
        super().optimizer_step(*args, **kwargs)
        self._tick(training=True)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Counts the time of batches that make no step yet, and of what follows a step."""
        self._tick(training=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The recipe's optimizer and schedule."""
        optimizer = make_optimizer(self.recipe.training, self.model.parameters())
        scheduler = make_scheduler(self.recipe.training, optimizer, self.planned_steps)
        if isinstance(scheduler, ReduceLROnPlateau):
            self._plateau = scheduler
            return optimizer
        schedule = self.recipe.training.schedule
        by_epoch = isinstance(schedule, HalvingSchedule) and schedule.unit == "epochs"
        interval = "epoch" if by_epoch else "step"
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    # -- validation -----------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Forgets the validation before."""
        self._validated.zero_()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The negative log-likelihood without smoothing, and what coverage and pointer do."""
        with enough_memory(f"a batch of {batch.describe()}", "search.batch_size"):
            self._validated += validation_sums(self.model, batch).cpu().double()

    def on_validation_epoch_end(self) -> None:
        """Perplexity and the other scores of the whole set, the same on every process."""
        nll, tokens, covered, made = self._all_reduce(self._validated).tolist()
        if not math.isfinite(nll):  # the last step spoilt the weights: nothing can be translated
            raise NonFiniteLoss(f"the validation loss is {nll} after step {self.global_step}")
        self.hypotheses = self._translate_validation_set()
        scores = {
            "perplexity": math.exp(min(nll / tokens, 700.0)),
            self.validation.name: self.validation.score(self.hypotheses),
            **({"coverage_loss": covered / tokens} if self._has_coverage else {}),
            **({"p_gen": made / tokens} if self.model.pointer is not None else {}),
        }
        for name, value in scores.items():
            self.log(f"validation/{name}", value, rank_zero_only=False, sync_dist=False)
        if self._plateau is not None and not self.trainer.sanity_checking:
            self._plateau.step(scores[self.recipe.training.monitor])
        self._tick(training=False)

    def _translate_validation_set(self) -> list[Translation]:
        """Greedy translations of all lines; each process translates its share."""
        rank, processes = self.global_rank, self.trainer.world_size
        mine = [found[0] for found in self._translator.translate(self.validation.sources[rank::processes])]
        if processes == 1:
            return mine
        shares: list[list[Translation]] = [[] for _ in range(processes)]
        torch.distributed.all_gather_object(shares, mine)
        found = [Translation("")] * len(self.validation.sources)
        for share, translations in enumerate(shares):
            found[share::processes] = translations
        return found

    # -- both -----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what Lightning does not know of."""
        self.progress.note_memory(self.device)
        checkpoint["nmt"] = {
            "progress": vars(self.progress).copy(),
            "plateau": self._plateau.state_dict() if self._plateau else None,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it back."""
        self.progress = Progress(**checkpoint["nmt"]["progress"])
        self._resumed_plateau = checkpoint["nmt"]["plateau"]

    def on_fit_start(self) -> None:
        """Restores the plateau's memory, which exists only once the optimizers do."""
        if self._plateau is not None and self._resumed_plateau is not None:
            self._plateau.load_state_dict(self._resumed_plateau)

    def _all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.trainer.world_size == 1:
            return values
        total = self.trainer.strategy.reduce(values.to(self.device), reduce_op="sum")
        assert isinstance(total, torch.Tensor)
        return total

    def _tick(self, training: bool) -> None:
        now = time.perf_counter()
        self.progress.seconds += now - self._clock
        if training:
            self.progress.training_seconds += now - self._clock
        self._clock = now


def _sums(loss: Loss) -> torch.Tensor:
    """Negative log-likelihood and number of tokens, objective and number of terms, in float64 on the CPU."""
    return torch.stack([loss.nll, loss.tokens, loss.objective.detach(), loss.terms]).cpu().double()


def _step_seed(seed: int, trainer: pl.Trainer, batch_idx: int) -> int:
    """A seed for one batch of one process, different from those of all others."""
    place = (seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx
    return (place * trainer.world_size + trainer.global_rank) % 2**63
