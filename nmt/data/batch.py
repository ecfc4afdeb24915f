"""Ids to padded tensors, and the plan that says which sentences form which batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor

from nmt.tokenizer import BOS, EOS, PAD


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, right-padded.

    Attributes:
        src_ids: source ids, ended with the end token.
        src_lengths: their lengths, the end included.
        tgt_in: target ids, begun with the begin token.
        tgt_out: the same shifted by one: what is to be predicted, ended with the end token; PAD is no prediction.
    """

    src_ids: Int[Tensor, "batch src"]
    src_lengths: Int[Tensor, " batch"]
    tgt_in: Int[Tensor, "batch tgt"]
    tgt_out: Int[Tensor, "batch tgt"]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__match_args__))

    def __len__(self) -> int:
        """Number of sentence pairs."""
        return len(self.src_ids)

    def describe(self) -> str:
        """Its shape, for messages."""
        sentences, source = self.src_ids.shape
        return f"{sentences} sentences, source {source} and target {self.tgt_out.shape[1]} pieces"


def source_tensors(
    sources: Sequence[Sequence[int]],
) -> tuple[Int[Tensor, "batch src"], Int[Tensor, " batch"]]:
    """Source ids, each ended and right-padded, and their lengths, the end included."""
    lengths = torch.tensor([len(ids) + 1 for ids in sources])
    return _pad([[*ids, EOS] for ids in sources]), lengths


def target_tensors(
    targets: Sequence[Sequence[int]],
) -> tuple[Int[Tensor, "batch tgt"], Int[Tensor, "batch tgt"]]:
    """Target ids, right-padded: what is read, begun with the begin token, and what is predicted, ended with the end."""
    return _pad([[BOS, *ids] for ids in targets]), _pad([[*ids, EOS] for ids in targets])


def make_batch(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Batch:
    """A batch from ids without begin and end."""
    return Batch(*source_tensors(sources), *target_tensors(targets))


def idle_batch() -> Batch:
    """A batch without a token to predict: for a process that has no share of a global batch.

    It has two steps, for some weights are only used by the steps after the first, and all need a gradient.
    """
    return Batch(torch.tensor([[EOS]]), torch.tensor([1]), torch.tensor([[BOS, PAD]]), torch.tensor([[PAD, PAD]]))


def _pad(rows: Sequence[Sequence[int]]) -> Int[Tensor, "batch length"]:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])


@dataclass(frozen=True)
class BatchPlan:
    """Which sentences form which batch, in an epoch, for one of several processes.

    The global batches depend on seed and epoch alone; each is dealt out over the processes. So every sentence is seen
    once per epoch, all processes take the same number of steps, and train alike whatever their number. A
    process gets an empty share of a batch that has fewer sentences than there are processes.

    Attributes:
        src_lengths: pieces of each source, ends included.
        tgt_lengths: pieces of each target, ends included.
        batch_size: of a global batch.
        batch_unit: what it counts: sentences, or padded tokens of the longer side.
        seed: of the shuffling.
        rank: this process.
        world_size: number of processes.
        sort_window: batches whose sentences are sorted by length together.
        shuffle: anew in each epoch, or the sentences once and the batches never.
    """

    src_lengths: npt.NDArray[np.int32]
    tgt_lengths: npt.NDArray[np.int32]
    batch_size: int
    batch_unit: Literal["sentences", "tokens"]
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    sort_window: int = 100
    shuffle: Literal["epoch", "once"] = "epoch"

    def epoch(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """This process's share of every global batch of an epoch, in order, as sentence indices.

        Sentences are shuffled, sorted by length within windows of many batches, cut into batches, and the batches
        are shuffled: random order, yet little padding. They are sorted by the longer side first, and then by the
        difference of the sides, rising and falling in turn, so that neighbours are alike on both sides. Shuffled once,
        every epoch is the same, and the batches of a window rise in length: Bahdanau et al. 2015, appendix B.2.
        """
        once = self.shuffle == "once"
        random = np.random.default_rng((self.seed, 0 if once else epoch))
        order = random.permutation(len(self.src_lengths))
        longer = np.maximum(self.src_lengths, self.tgt_lengths)
        average = 1.0 if self.batch_unit == "sentences" else float(longer.mean()) if len(longer) else 1.0
        window = max(int(self.sort_window * self.batch_size / average), 1)
        batches: list[npt.NDArray[np.int64]] = []
        for start in range(0, len(order), window):
            indices = order[start : start + window]
            length, difference = longer[indices], self.src_lengths[indices] - self.tgt_lengths[indices]
            keys = (np.where(length % 2, difference, -difference), length)  # the last key counts first
            batches += self._cut(indices[np.lexsort(keys)], longer)
        places = range(len(batches)) if once else random.permutation(len(batches))
        return [batches[place][self.rank :: self.world_size] for place in places]

    def _cut(self, indices: npt.NDArray[np.int64], longer: npt.NDArray[np.int32]) -> list[npt.NDArray[np.int64]]:
        """Cuts sorted sentences into batches of at most `batch_size`; a longer sentence is a batch by itself."""
        starts = [0]
        widest = 0
        for place, index in enumerate(indices):
            widest = max(widest, int(longer[index])) if self.batch_unit == "tokens" else 1
            if widest * (place + 1 - starts[-1]) > self.batch_size and place > starts[-1]:
                starts.append(place)
                widest = int(longer[index]) if self.batch_unit == "tokens" else 1
        return np.split(indices, starts[1:])
