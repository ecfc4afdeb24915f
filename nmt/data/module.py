"""The LightningDataModule: hands the encoded corpora to Lightning, and nothing else."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl

from nmt.data.batch import Batch, BatchPlan, make_batch
from nmt.data.encoded import BatchLoader, EncodedCorpus
from nmt.recipe import Recipe
from nmt.tokenizer import TokenizerPair


class TranslationData(pl.LightningDataModule):
    """Training batches by the plan of the epoch; validation batches in a fixed order, every line once."""

    def __init__(
        self,
        recipe: Recipe,
        tokenizers: TokenizerPair,
        training: EncodedCorpus,
        validation: EncodedCorpus,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.tokenizers = tokenizers
        self.training = training
        self.validation = validation

    def train_dataloader(self) -> BatchLoader:
        """This process's batches of the current epoch; asked for anew in every epoch."""
        trainer, options = self.trainer, self.recipe.training
        assert trainer is not None
        plan = BatchPlan(
            self.training.src_lengths,
            self.training.tgt_lengths,
            options.batch_size,
            options.batch_unit,
            options.seed,
            trainer.global_rank,
            trainer.world_size,
        )
        sampling = self.recipe.data.subword_sampling
        return BatchLoader(self.training, plan, trainer.current_epoch, self.tokenizers, sampling)

    def val_dataloader(self) -> "ValidationLoader":
        """This process's share of the validation set."""
        assert self.trainer is not None
        return ValidationLoader(
            self.validation,
            self.recipe.search.batch_size,
            self.trainer.global_rank,
            self.trainer.world_size,
        )


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
            yield make_batch(rows["src_ids"], rows["tgt_ids"])
