"""The recipe's `training`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.objective import LikelihoodObjective, MinimumRiskObjective, Objective
from nmt.recipe.optimizer import AdamOptimizer, Optimizer
from nmt.recipe.schedule import ConstantSchedule, Schedule
from nmt.recipe.section import Fraction, NonNegativeFloat, Positive, PositiveFloat, Problem, Section


class Phase(Section):
    """An early part of a training, in which some of it is not yet as the recipe's other fields say."""

    epochs: Positive
    """How many epochs it takes; `trainer.limit_train_batches` says how long one is."""
    cut_source: Positive | None = None
    """Sources are cut to this many pieces. null: as `data.cut_source` says."""
    cut_target: Positive | None = None
    """Targets are cut to this many pieces. null: as `data.cut_target` says."""
    coverage: bool = True
    """false: the attention computes as if it had no coverage, whose weights rest, and there is no coverage loss."""

    def describe(self) -> str:
        """What it is, for a person."""
        cut = ((name, getattr(self, f"cut_{name}")) for name in ("source", "target"))
        changes = [f"{name}s cut to {size}" for name, size in cut if size] + ["without coverage"] * (not self.coverage)
        return ", ".join([f"{self.epochs} epoch{'s' * (self.epochs > 1)}", *changes])


class TrainingOptions(Section):
    """Batches, first weights, objective, optimizer, and which checkpoints to keep."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of initial values, shuffling, dropout and subword sampling."""
    batch_size: Positive = 64
    """Size of a batch, over all processes together: their number changes no more than random draws."""
    batch_unit: Literal["sentences", "tokens"] = "sentences"
    """What `batch_size` counts: sentence pairs, or padded tokens of the longer side."""
    sort_window: Positive = 100
    """So many batches are cut from sentences sorted by length together: the more, the less padding. 1: not sorted."""
    shuffle: Literal["epoch", "once"] = "epoch"
    """epoch: sentences and batches in another order in each epoch. once: sentences before the first one only, each
    window's batches from short to long (with `sort_window: 20` those of Bahdanau et al. 2015, appendix B.2)."""
    start_from: str | None = None
    """A finished run or a bundle whose weights are the initial values. The tokenizers are its own; `tokenizer` and
    `model` (but for dropout and initial values) must be the same."""
    source_embeddings: str | None = None
    """A text file of word vectors (word2vec, GloVe, fastText), the initial embeddings of the source words in it."""
    target_embeddings: str | None = None
    """The same for target words."""
    objective: Objective = LikelihoodObjective()
    """What is learned."""
    normalization: Literal["tokens", "sentences"] = "tokens"
    """What the gradient of a batch, a sum, is divided by: its target tokens, or its sentences (as in
    tensorflow/nmt). `learning_rate` and `trainer.gradient_clip_val` go with it. A risk is always per sentence."""
    optimizer: Optimizer = AdamOptimizer()
    learning_rate: PositiveFloat = 0.001
    """The size of the steps, which `schedule` changes as the training goes on."""
    weight_decay: NonNegativeFloat = 0.0
    """What of the weights is added to their gradients; with adamw, what of them is taken off at each step."""
    schedule: Schedule = ConstantSchedule()
    label_smoothing: Fraction = 0.0
    """Share of the probability spread over the vocabulary (Szegedy et al. 2016)."""
    coverage_loss: NonNegativeFloat = 0.0
    """Factor of the coverage loss, which keeps the attention from what it has looked at before (See et al. 2017,
    equation 13; there 1), whether or not its scores read a coverage. Perplexity goes without it."""
    phases: list[Phase] = Field(default=[])
    """Early phases, one after the other: short texts first, and no coverage yet (See et al. 2017). After them, to its
    end, the training is as all other fields say; only then checkpoints compete, and `patience` counts."""
    monitor: Literal["bleu", "rouge", "perplexity"] = "bleu"
    """What on the validation set decides about the best checkpoint, early stopping and the plateau. bleu: of
    translations. rouge: the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L, of summaries, where it is the default
    (`evaluation.type`). Both of greedy search."""
    patience: Positive | None = None
    """Stop after this many validations without improvement; null: never."""
    average: Positive = 1
    """Test the mean of this many best checkpoints; 1: the best one."""

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        embeddings = {"source_embeddings": self.source_embeddings, "target_embeddings": self.target_embeddings}
        if self.start_from is not None:
            need = "cannot be had with start_from, which has embeddings of its own"
            yield from ((key, need) for key, given in embeddings.items() if given)
        if isinstance(self.objective, MinimumRiskObjective):
            of_likelihoods = {"label_smoothing": self.label_smoothing, "coverage_loss": self.coverage_loss}
            need = "has no part in objective minimum_risk; set it to 0.0"
            yield from ((key, need) for key, given in of_likelihoods.items() if given)

    @property
    def early_epochs(self) -> int:
        """How many epochs the early phases take."""
        return sum(phase.epochs for phase in self.phases)

    def phase(self, epoch: int) -> Phase | None:
        """The early phase that an epoch, counted from 0, belongs to; None once all is as the recipe says."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return None

    @property
    def monitor_mode(self) -> Literal["min", "max"]:
        """Whether the monitored score is better when it is lower or higher."""
        return "min" if self.monitor == "perplexity" else "max"
