"""What a training minimises."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from nmt.batched_search import search_settings
from nmt.data.batch import Batch
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.evaluation import of_translations
from nmt.recipe.objective import LikelihoodObjective, MinimumRiskObjective, ScheduledSamplingObjective
from nmt.recipe.recipe import Recipe
from nmt.tokenizer import PAD, Tokenizer
from nmt.training.loss import Loss, sequence_loss
from nmt.training.minimum_risk import Bleu, MinimumRisk, Sampler
from nmt.training.scheduled_sampling import ScheduledSampling

Objective = Callable[[Seq2Seq, Batch, int], Loss]
"""The loss of a network on a batch at a step of the training, counted from 0.

What is drawn at random comes from torch's random state, which is seeded for each batch.
"""


@dataclass(frozen=True)
class Likelihood:
    """Every word predicted from the reference words before it."""

    label_smoothing: float
    coverage_loss: float = 0.0

    def __call__(self, model: Seq2Seq, batch: Batch, step: int) -> Loss:
        """See `Objective`."""
        return sequence_loss(model, batch, self.label_smoothing, self.coverage_loss)


@dataclass(frozen=True)
class PerSentence:
    """An objective whose terms are sentences: its mean is over them, however long they are."""

    objective: Objective

    def __call__(self, model: Seq2Seq, batch: Batch, step: int) -> Loss:
        """See `Objective`."""
        sentences = (batch.tgt_out != PAD).any(dim=1)  # a process without a share has a sentence without words
        return replace(self.objective(model, batch, step), terms=sentences.sum())


def make_objective(recipe: Recipe, target: Tokenizer) -> Objective:
    """The objective that the recipe names, per token or per sentence.

    Args:
        recipe: the recipe.
        target: the tokenizer of the target side.
    """
    objective = _of_type(recipe, target)
    return PerSentence(objective) if recipe.training.normalization == "sentences" else objective


def _of_type(recipe: Recipe, target: Tokenizer) -> Objective:
    options, factors = recipe.training.objective, (recipe.training.label_smoothing, recipe.training.coverage_loss)
    match options:
        case LikelihoodObjective():
            return Likelihood(*factors)
        case ScheduledSamplingObjective():
            return ScheduledSampling(options.decay, *factors)
        case MinimumRiskObjective():
            freely = recipe.search.model_copy(update={"beam_size": 1, "block_ngrams": None})
            sampler = Sampler(options.samples, search_settings(freely))
            return MinimumRisk(options.sharpness, sampler, Bleu(target, of_translations(recipe.evaluation)))
        case _:
            assert_never(options)
