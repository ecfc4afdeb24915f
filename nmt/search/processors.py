"""Processors: what the hypotheses so far say about the next token."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.types import Bias, Choice, Histories


@dataclass(frozen=True)
class BlockedNgrams:
    """No run of `size` tokens comes twice in a translation: Paulus et al. 2018, section 2.5, with trigrams.

    Attributes:
        size: tokens of a run; at least 1.
    """

    size: int

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """Bans what would end a run that has been."""
        tokens = histories.tokens
        if tokens.shape[2] < self.size:
            return choice
        runs = tokens.unfold(2, self.size, 1)
        last = tokens[:, :, tokens.shape[2] - self.size + 1 :]
        found = (runs[:, :, :, :-1] == last[:, :, None]).all(dim=3)
        sentences, hypotheses, starts = found.nonzero(as_tuple=True)
        banned = runs[sentences, hypotheses, starts, -1]
        values = torch.full_like(banned, -torch.inf, dtype=choice.sums.dtype)
        return replace(choice, bias=(*choice.bias, Bias(sentences, hypotheses, banned, values)))


class ForcedPrefixes:
    """Translations that begin with given tokens, whose probability counts like that of any others.

    One that is longer than its translation may be is cut. What processors before this one say of a forced token does
    not count.
    """

    def __init__(self, prefixes: Sequence[Sequence[int]], device: torch.device) -> None:
        """Takes the tokens, without begin, for every sentence of the batch; none for one that begins as it likes."""
        longest = max(map(len, prefixes), default=0)
        rows = [[*prefix, *[-1] * (longest - len(prefix))] for prefix in prefixes]
        self.tokens: Int[Tensor, "batch length"] = torch.tensor(rows, dtype=torch.long, device=device)

    def __call__(self, histories: Histories, choice: Choice) -> Choice:
        """Forces the next token of the prefixes that are not yet written."""
        place = histories.tokens.shape[2] - 1
        if place >= self.tokens.shape[1]:
            return choice
        forced = self.tokens[histories.sentences, place]
        if choice.forced is not None:  # the end, where a translation may be no longer
            forced = torch.where(choice.forced < 0, forced, choice.forced)
        bias = tuple(bias.only(forced[bias.sentences] < 0) for bias in choice.bias)
        return replace(choice, forced=forced, bias=bias)
