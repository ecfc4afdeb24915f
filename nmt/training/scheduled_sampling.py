"""Scheduled sampling: the network learns to go on from its own words (Bengio et al. 2015)."""

import math
from dataclasses import dataclass, replace
from typing import assert_never

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.data.batch import Batch
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.objective import Decay, ExponentialDecay, InverseSigmoidDecay, LinearDecay
from nmt.search.picking import Drawn
from nmt.search.types import Choice
from nmt.tokenizer import BOS, EOS, PAD
from nmt.training.drawing import drawing
from nmt.training.loss import Loss, sequence_loss


@dataclass(frozen=True)
class ScheduledSampling:
    """Every word predicted from words before it of which ever more are the network's own."""

    decay: Decay
    label_smoothing: float
    coverage_loss: float = 0.0

    def __call__(self, model: Seq2Seq, batch: Batch, step: int) -> Loss:
        """See `nmt.training.objective.Objective`.

        The drawn words are constants to the gradient, as in the paper, so they are found first; then the network reads
        them as it reads reference words.
        """
        read = mixed_words(model, batch, share_of_reference(self.decay, step))
        return sequence_loss(model, replace(batch, tgt_in=read), self.label_smoothing, self.coverage_loss)


def share_of_reference(decay: Decay, step: int) -> float:
    """The probability epsilon_i with which a word that is read at step i is the reference's: section 2.4."""
    match decay:
        case LinearDecay(slope=slope, offset=offset, minimum=minimum):
            return max(minimum, offset - slope * step)
        case ExponentialDecay(base=base):
            return base**step
        case InverseSigmoidDecay(speed=speed):
            vanishing = speed * math.exp(-step / speed)  # k / (k + exp(i / k)) without an exponential that overflows
            return vanishing / (vanishing + 1.0)
        case _:
            assert_never(decay)


def mixed_words(model: Seq2Seq, batch: Batch, share: float) -> Int[Tensor, "batch tgt"]:
    """What the decoder reads: for each word but the first a coin decides between the reference's and its own.

    Its own is drawn from its distribution after the words that it has read: section 2.4. As in search, dropout is off,
    and begin and padding never come.

    Args:
        model: the network.
        batch: the sentence pairs.
        share: the probability of the reference's word.
    """
    if share >= 1.0:
        return batch.tgt_in
    device = batch.tgt_in.device
    sums = torch.zeros(len(batch), 1, device=device)
    with drawing(model):
        state = model.start(batch.src_ids, batch.src_lengths)
        words = [batch.tgt_in[:, 0]]
        for reference in batch.tgt_in[:, 1:].unbind(1):
            coins, numbers = torch.rand(2, len(batch), device=device)
            step = model.step(words[-1], state, Choice(sums, Drawn(numbers), EOS, (PAD, BOS)))
            state = step.state
            words.append(torch.where(coins < share, reference, step.best.tokens[:, 0]))
    return torch.stack(words, dim=1)
