"""From an encoded corpus to batches: for training by the plan of an epoch, for validation in a fixed order."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.data.batch import Batch, BatchPlan, idle_batch, make_batch
from nmt.data.encoded import EncodedCorpus
from nmt.tokenizer import TokenizerPair


@dataclass
class BatchLoader:
    """The training batches of one epoch; remembers how far it came, so that a run can be resumed.

    Attributes:
        corpus: the sentence pairs.
        plan: which of them form which batch.
        epoch: which epoch of the plan.
        tokenizers: needed for subword sampling only.
        subword_sampling: alpha of the sampling; None: the most probable segmentation, as stored.
        position: number of batches already given.
    """

    corpus: EncodedCorpus
    plan: BatchPlan
    epoch: int
    tokenizers: TokenizerPair
    subword_sampling: float | None = None
    position: int = 0

    def __post_init__(self) -> None:
        """Makes the plan of the epoch."""
        self._batches = self.plan.epoch(self.epoch)

    def __len__(self) -> int:
        """Number of batches of the epoch, those already given included."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """Gives the batches from the position on."""
        while self.position < len(self._batches):
            indices = self._batches[self.position]
            self.position += 1
            yield self._collate(self.corpus.dataset[indices]) if len(indices) else idle_batch()

    def _collate(self, rows: Mapping[str, Any]) -> Batch:
        if self.subword_sampling is None:
            return make_batch(*self.corpus.cut_ids(rows["src_ids"], rows["tgt_ids"]))
        random = np.random.default_rng((self.plan.seed, self.epoch, self.position, self.plan.rank))
        sampled = (
            self.tokenizers.source.sample(rows["source"], self.subword_sampling, random),
            self.tokenizers.target.sample(rows["target"], self.subword_sampling, random),
        )
        return make_batch(*self.corpus.cut_ids(*sampled))

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where a checkpoint of the same epoch stopped."""
        self.position = state["position"] if state["epoch"] == self.epoch else 0


@dataclass(frozen=True)
class ValidationLoader:
    """Batches of similar length; the processes together see every line once."""

    corpus: EncodedCorpus
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Number of batches, the same for every process."""
        return math.ceil(len(self.corpus) / (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[Batch]:
        """Gives the batches; a process may have no line left for the last one and then gives fewer."""
        order = np.lexsort((self.corpus.src_lengths, self.corpus.tgt_lengths))
        mine = order[self.rank :: self.world_size]
        for start in range(0, len(mine), self.batch_size):
            rows = self.corpus.dataset[mine[start : start + self.batch_size]]
            yield make_batch(*self.corpus.cut_ids(rows["src_ids"], rows["tgt_ids"]))
