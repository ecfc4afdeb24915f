"""Several networks that translate together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.model.output import best_of_parts
from nmt.model.seq2seq import Seq2Seq, TranslationState
from nmt.search.types import Choice, ModelStep


@dataclass(frozen=True)
class EnsembleState:
    """The state of every member."""

    members: tuple[TranslationState, ...]

    def select(self, sentences: Int[Tensor, " kept"], rows: Int[Tensor, " chosen"]) -> "EnsembleState":
        """See `nmt.search.types.SearchState`."""
        return EnsembleState(tuple(member.select(sentences, rows) for member in self.members))


class Ensemble(nn.Module):
    """Networks of one vocabulary, which predict the arithmetic mean of their probabilities at every step.

    In search a `nmt.search.types.StepModel`. Luong et al. 2015, table 1, has ensembles; Sutskever et al. 2014 average
    in the same place.
    """

    def __init__(self, members: Sequence[Seq2Seq]) -> None:
        """Takes the networks as they are.

        Raises:
            ValueError: if there are none, or one has a shortlist, whose words the others need not have.
        """
        super().__init__()
        if not members or not all(member.predicts_all_words for member in members):
            raise ValueError("an ensemble needs networks that predict the whole vocabulary")
        self.members: Sequence[Seq2Seq] = nn.ModuleList(members)  # type: ignore[assignment]

    @property
    def predicts_all_words(self) -> bool:
        """True; see `Seq2Seq`."""
        return True

    def start(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> EnsembleState:
        """Every member reads the sources."""
        return EnsembleState(tuple(member.start(src_ids, src_lengths) for member in self.members))

    def step(self, tokens: Int[Tensor, " rows"], state: EnsembleState, choice: Choice) -> ModelStep[EnsembleState]:
        """Every member reads one target token per hypothesis; together they predict the next."""
        width = choice.sums.shape[1]
        steps = [member.advance(tokens, own) for member, own in zip(self.members, state.members, strict=True)]
        logits = [member.logits(step, width) for member, step in zip(self.members, steps, strict=True)]
        parts = ((each[0][0], _mean([part for _, part in each])) for each in zip(*logits, strict=True))
        best = best_of_parts(parts, choice)
        after = EnsembleState(tuple(step.state for step in steps))
        return ModelStep(best, after, _mean_weights([step.weights for step in steps]))

    def log_probs(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
        tgt_out: Int[Tensor, "batch tgt"],
        real: Bool[Tensor, "batch tgt"],
    ) -> Float[Tensor, " tokens"]:
        """See `Seq2Seq.log_probs`; of the mean probability."""
        each = [member.log_probs(src_ids, src_lengths, tgt_in, tgt_out, real) for member in self.members]
        return _log_mean(each)

    def copied(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
        tgt_out: Int[Tensor, "batch tgt"],
        real: Bool[Tensor, "batch tgt"],
    ) -> Float[Tensor, " tokens"] | None:
        """See `Seq2Seq.copied`; of the mean probability. A member without a pointer copies nothing."""
        batch = src_ids, src_lengths, tgt_in, tgt_out, real
        parts = torch.stack([member.log_probs(*batch) for member in self.members]).softmax(dim=0)  # of each in the mean
        shares = [member.copied(*batch) for member in self.members]
        known = [part * share for part, share in zip(parts, shares, strict=True) if share is not None]
        return torch.stack(known).sum(dim=0) if known else None

    def weights(
        self,
        src_ids: Int[Tensor, "batch src"],
        src_lengths: Int[Tensor, " batch"],
        tgt_in: Int[Tensor, "batch tgt"],
    ) -> Float[Tensor, "batch tgt src"] | None:
        """See `Seq2Seq.weights`; the mean of those of the members that have an attention."""
        return _mean_weights([member.weights(src_ids, src_lengths, tgt_in) for member in self.members])


Network = Seq2Seq | Ensemble
"""What translates: one network, or several together."""


def _mean(logits: Sequence[Float[Tensor, "rows words"]]) -> Float[Tensor, "rows words"]:
    """The logarithm of the mean probability, at least in float32: logits themselves, as they are normalised."""
    log_probs = [each.to(torch.promote_types(each.dtype, torch.float32)).log_softmax(dim=1) for each in logits]
    return _log_mean(log_probs)


def _log_mean(log_probs: Sequence[Float[Tensor, "*any"]]) -> Float[Tensor, "*any"]:
    """The logarithm of the mean probability; two by two, which is several times as fast as all at once."""
    return reduce(torch.logaddexp, log_probs) - math.log(len(log_probs))


def _mean_weights(each: Sequence[Float[Tensor, "*any src"] | None]) -> Float[Tensor, "*any src"] | None:
    """The mean attention of the members that have one."""
    known = [weights for weights in each if weights is not None]
    return torch.stack(known).mean(dim=0) if known else None
