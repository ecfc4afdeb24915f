"""A tokenized corpus: ids beside the text, memory-mapped, tokenized once and cached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
from datasets import Dataset
from datasets.fingerprint import Hasher

from nmt.tokenizer import UNK, TokenizerPair

Ids = list[int]

_SMALL = 20_000  # rows that one process tokenizes faster than several start


@dataclass(frozen=True)
class EncodedCorpus:
    """Sentence pairs with their ids.

    Attributes:
        dataset: columns `source`, `target`, `src_ids`, `tgt_ids`; ids are without begin and end, and not cut.
        src_lengths: pieces of each source, once cut, the end included.
        tgt_lengths: pieces of each target, once cut, the end included.
        vocab_size: ids from this one on are words of the pair alone; see `nmt.tokenizer.SourceIds`.
        limits: pieces that each side is cut to, the end not counted; None: it is not cut.
        blank: how many pairs were left out because a side is blank.
        too_long: how many were left out because a side has too many pieces.
    """

    dataset: Dataset
    src_lengths: npt.NDArray[np.int32]
    tgt_lengths: npt.NDArray[np.int32]
    vocab_size: int
    limits: tuple[int | None, int | None] = (None, None)
    blank: int = 0
    too_long: int = 0

    def __len__(self) -> int:
        """Number of sentence pairs."""
        return len(self.src_lengths)

    def cut(self, source: int | None, target: int | None) -> "EncodedCorpus":
        """Of each side the first pieces only, so many without the end; None: all. To cut less again is not possible."""
        sides = ((self.src_lengths, source), (self.tgt_lengths, target))
        src, tgt = (lengths if limit is None else np.minimum(lengths, limit + 1) for lengths, limit in sides)
        return replace(self, src_lengths=src, tgt_lengths=tgt, limits=(source, target))

    @property
    def cut_pairs(self) -> int:
        """How many pairs have a side that is cut."""
        src, tgt = _lengths(self.dataset)
        return int(((src > self.src_lengths) | (tgt > self.tgt_lengths)).sum())

    def cut_ids(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> tuple[list[Ids], list[Ids]]:
        """The ids of some pairs, cut; a target's word that stood only in what is cut off its source is unknown."""
        source, target = self.limits
        kept = [ids[:source] for ids in sources]
        known = (max(self.vocab_size, max(ids, default=0) + 1) for ids in kept)
        cut = (ids[:target] for ids in targets)
        return kept, [
            [index if index < size else UNK for index in ids] if max(ids, default=0) >= size else ids
            for ids, size in zip(cut, known, strict=True)
        ]

    def usable(self, max_length: int) -> "EncodedCorpus":
        """Without the pairs that training cannot use: blank ones, and those of more than `max_length` pieces."""
        shorter, longer = np.minimum(self.src_lengths, self.tgt_lengths), np.maximum(self.src_lengths, self.tgt_lengths)
        blank = (shorter <= 1) | np.asarray(self.dataset.with_format("numpy")["blank"][:], dtype=np.bool_)
        too_long = ~blank & (longer - 1 > max_length)
        kept = np.flatnonzero(~blank & ~too_long)
        return replace(
            self,
            dataset=self.dataset.select(kept),
            src_lengths=self.src_lengths[kept],
            tgt_lengths=self.tgt_lengths[kept],
            blank=int(blank.sum()),
            too_long=int(too_long.sum()),
        )


def encode_corpus(dataset: Dataset, tokenizers: TokenizerPair, workers: int) -> EncodedCorpus:
    """Tokenizes a dataset with the columns `source` and `target`, or takes the result of an earlier run.

    Args:
        dataset: from `nmt.data.corpus.load_split`.
        tokenizers: what encodes the two sides.
        workers: number of processes.
    """
    fingerprint = Hasher.hash((dataset._fingerprint, tokenizers.fingerprint, "ids-1"))
    cache = Path(datasets.config.HF_DATASETS_CACHE) / "nmt"  # never the folder of the data
    cache.mkdir(parents=True, exist_ok=True)
    encoded = dataset.map(
        _Encode(tokenizers),
        batched=True,
        num_proc=workers if workers > 1 and len(dataset) > _SMALL else None,
        cache_file_name=str(cache / f"{fingerprint}.arrow") if dataset.cache_files else None,
        new_fingerprint=fingerprint,
    )
    return EncodedCorpus(encoded, *_lengths(encoded), len(tokenizers.target))


def _lengths(encoded: Dataset) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Pieces of each source and each target before they are cut, the ends included."""
    columns = encoded.with_format("numpy")
    src, tgt = (np.asarray(columns[column][:], dtype=np.int32) for column in ("src_length", "tgt_length"))
    return src, tgt


class _Encode:
    """The function that `datasets` maps over batches of rows."""

    def __init__(self, tokenizers: TokenizerPair) -> None:
        self.tokenizers = tokenizers

    def __call__(self, rows: Mapping[str, Sequence[str | None]]) -> dict[str, list[Any]]:
        sources, targets = ([text or "" for text in rows[side]] for side in ("source", "target"))
        read = self.tokenizers.encode_sources(sources)
        src_ids = [source.ids for source in read]
        tgt_ids = self.tokenizers.encode_targets(targets, read)
        return {
            "source": sources,
            "target": targets,
            "src_ids": src_ids,
            "tgt_ids": tgt_ids,
            "src_length": [len(ids) + 1 for ids in src_ids],
            "tgt_length": [len(ids) + 1 for ids in tgt_ids],
            "blank": [not a.strip() or not b.strip() for a, b in zip(sources, targets, strict=True)],
        }
