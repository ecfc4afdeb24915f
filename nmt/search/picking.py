"""Which of a sentence's continuations go on: the best, or one at random."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GROUP = 64  # neighbours of which `_top` looks at the maximum first
_FEWEST_GROUPS = 64  # for fewer the detour takes longer than it saves


@runtime_checkable
class Picking(Protocol):
    """Picks some of the continuations of each sentence."""

    def __call__(
        self, sums: Float[Tensor, "batch all"]
    ) -> tuple[Float[Tensor, "batch best"], Int[Tensor, "batch best"]]:
        """The sums of log-probabilities of those picked, the first to be chosen first, and where they stand.

        Args:
            sums: of all continuations; -inf for one that may not come.
        """
        ...

    def part(self, sentences: slice) -> "Picking":
        """The same for some of the sentences."""
        ...


@dataclass(frozen=True)
class Best:
    """Picks the most probable.

    Attributes:
        count: how many of each sentence.
    """

    count: int

    def __call__(
        self, sums: Float[Tensor, "batch all"]
    ) -> tuple[Float[Tensor, "batch best"], Int[Tensor, "batch best"]]:
        """See `Picking`; fewer if there are no more words."""
        return _top(sums, self.count)

    def part(self, sentences: slice) -> "Best":
        """See `Picking`."""
        return self


@dataclass(frozen=True)
class Drawn:
    """Picks one at random; for searches of one hypothesis for each sentence.

    Attributes:
        numbers: of each sentence, from [0, 1).
        temperature: by which log-probabilities are divided first; the smaller, the surer the best one is drawn.
        top_k: draw among so many of the most probable continuations; None for all.
    """

    numbers: Float[Tensor, " batch"]
    temperature: float = 1.0
    top_k: int | None = None

    def __call__(self, sums: Float[Tensor, "batch all"]) -> tuple[Float[Tensor, "batch 1"], Int[Tensor, "batch 1"]]:
        """See `Picking`; by the inverse of the cumulated probabilities."""
        kept, places = (sums, None) if self.top_k is None else _top(sums, self.top_k)
        shares = (kept / self.temperature).softmax(dim=1).cumsum(dim=1)
        # The first whose cumulated share is above the number: never one that may not come, whose share is 0.
        drawn = torch.searchsorted(shares, self.numbers.to(shares.dtype)[:, None] * shares[:, -1:], right=True)
        drawn = drawn if places is None else places.gather(1, drawn)
        return sums.gather(1, drawn), drawn

    def part(self, sentences: slice) -> "Drawn":
        """See `Picking`."""
        return replace(self, numbers=self.numbers[sentences])


def _top(values: Float[Tensor, "rows any"], k: int) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """The same as `values.topk(k)`: the k largest lie in the k groups whose maxima are largest, so few are sorted."""
    groups = values.shape[1] // _GROUP
    if groups < max(2 * k, _FEWEST_GROUPS):
        best, columns = values.topk(min(k, values.shape[1]))
        return best, columns
    grouped = values[:, : groups * _GROUP].view(len(values), groups, _GROUP)
    chosen = grouped.amax(dim=2).topk(k).indices
    inside = torch.arange(_GROUP, device=values.device)
    columns = (chosen[:, :, None] * _GROUP + inside).flatten(1)
    rest = torch.arange(groups * _GROUP, values.shape[1], device=values.device)
    columns = torch.cat([columns, rest.expand(len(values), -1)], dim=1)
    best, places = values.gather(1, columns).topk(k)
    return best, columns.gather(1, places)
