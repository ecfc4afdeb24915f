"""A tokenized corpus: ids beside the text, memory-mapped, tokenized once and cached."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from datasets import Dataset
from datasets.fingerprint import Hasher

from nmt.data.batch import Batch, BatchPlan, idle_batch, make_batch
from nmt.tokenizer import TokenizerPair

_SMALL = 20_000  # rows that one process tokenizes faster than several start


@dataclass(frozen=True)
class EncodedCorpus:
    """Sentence pairs with their ids.

    Attributes:
        dataset: columns `source`, `target`, `src_ids`, `tgt_ids`; ids are without begin and end.
        src_lengths: pieces of each source, the end included.
        tgt_lengths: pieces of each target, the end included.
        blank: how many pairs were left out because a side is blank.
        too_long: how many were left out because a side has too many pieces.
    """

    dataset: Dataset
    src_lengths: npt.NDArray[np.int32]
    tgt_lengths: npt.NDArray[np.int32]
    blank: int = 0
    too_long: int = 0

    def __len__(self) -> int:
        """Number of sentence pairs."""
        return len(self.src_lengths)

    def usable(self, max_length: int) -> "EncodedCorpus":
        """Without the pairs that training cannot use: blank ones, and those of more than `max_length` pieces."""
        pairs = np.minimum(self.src_lengths, self.tgt_lengths), np.maximum(self.src_lengths, self.tgt_lengths)
        blank = (pairs[0] <= 1) | self._white_space()
        too_long = ~blank & (pairs[1] - 1 > max_length)
        kept = np.flatnonzero(~blank & ~too_long)
        return replace(
            self,
            dataset=self.dataset.select(kept),
            src_lengths=self.src_lengths[kept],
            tgt_lengths=self.tgt_lengths[kept],
            blank=int(blank.sum()),
            too_long=int(too_long.sum()),
        )

    def _white_space(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.dataset.with_format("numpy")["blank"][:], dtype=np.bool_)


def encode_corpus(dataset: Dataset, tokenizers: TokenizerPair, workers: int) -> EncodedCorpus:
    """Tokenizes a dataset with the columns `source` and `target`, or takes the result of an earlier run.

    Args:
        dataset: from `nmt.data.corpus.load_split`.
        tokenizers: what encodes the two sides.
        workers: number of processes.
    """
    encoded = dataset.map(
        _Encode(tokenizers),
        batched=True,
        num_proc=workers if workers > 1 and len(dataset) > _SMALL else None,
        new_fingerprint=Hasher.hash((dataset._fingerprint, tokenizers.fingerprint, "ids-1")),
    )
    lengths = encoded.with_format("numpy")
    src_lengths, tgt_lengths = (
        np.asarray(lengths[column][:], dtype=np.int32) for column in ("src_length", "tgt_length")
    )
    return EncodedCorpus(encoded, src_lengths, tgt_lengths)


class _Encode:
    """The function that `datasets` maps over batches of rows."""

    def __init__(self, tokenizers: TokenizerPair) -> None:
        self.tokenizers = tokenizers

    def __call__(self, rows: Mapping[str, Sequence[str | None]]) -> dict[str, list[Any]]:
        sources, targets = ([text or "" for text in rows[side]] for side in ("source", "target"))
        src_ids = self.tokenizers.source.encode(sources)
        tgt_ids = self.tokenizers.target.encode(targets)
        return {
            "source": sources,
            "target": targets,
            "src_ids": src_ids,
            "tgt_ids": tgt_ids,
            "src_length": [len(ids) + 1 for ids in src_ids],
            "tgt_length": [len(ids) + 1 for ids in tgt_ids],
            "blank": [not a.strip() or not b.strip() for a, b in zip(sources, targets, strict=True)],
        }


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
            return make_batch(rows["src_ids"], rows["tgt_ids"])
        random = np.random.default_rng((self.plan.seed, self.epoch, self.position, self.plan.rank))
        return make_batch(
            self.tokenizers.source.sample(rows["source"], self.subword_sampling, random),
            self.tokenizers.target.sample(rows["target"], self.subword_sampling, random),
        )

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on where a checkpoint of the same epoch stopped."""
        self.position = state["position"] if state["epoch"] == self.epoch else 0
