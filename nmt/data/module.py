"""The LightningDataModule: hands the encoded corpora to Lightning, and nothing else."""

import pytorch_lightning as pl

from nmt.data.batch import BatchPlan
from nmt.data.encoded import EncodedCorpus
from nmt.data.loader import BatchLoader, ValidationLoader
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

    def val_dataloader(self) -> ValidationLoader:
        """This process's share of the validation set."""
        assert self.trainer is not None
        return ValidationLoader(
            self.validation,
            self.recipe.search.batch_size,
            self.trainer.global_rank,
            self.trainer.world_size,
        )
