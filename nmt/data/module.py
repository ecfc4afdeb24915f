"""The LightningDataModule: hands the encoded corpora to Lightning, and nothing else."""

import math
from dataclasses import replace

import pytorch_lightning as pl

from nmt.data.batch import BatchPlan
from nmt.data.encoded import EncodedCorpus
from nmt.data.loader import BatchLoader, ValidationLoader
from nmt.errors import UserError
from nmt.recipe.recipe import Recipe
from nmt.tokenizer import TokenizerPair


class TranslationData(pl.LightningDataModule):
    """Training batches by the plan of the epoch; validation batches in a fixed order, every line once."""

    def __init__(
        self,
        recipe: Recipe,
        tokenizers: TokenizerPair,
        training: EncodedCorpus,
        validation: EncodedCorpus,
        text: str = "",
    ) -> None:
        """`text` is a hash of all that is trained and validated on: a checkpoint knows by it what it belongs to."""
        super().__init__()
        self.text = text
        self.recipe = recipe
        self.tokenizers = tokenizers
        self.training = training
        self.validation = validation

    def train_dataloader(self) -> BatchLoader:
        """This process's batches of the current epoch; asked for anew in every epoch."""
        assert self.trainer is not None
        plan = self._plan(self.trainer.global_rank, self.trainer.world_size)
        sampling = self.recipe.data.subword_sampling
        return BatchLoader(self.training, plan, self.trainer.current_epoch, self.tokenizers, sampling)

    def planned_steps(self) -> int:
        """Optimizer steps of the whole training, if every epoch has as many batches as the first.

        Lightning's own estimate would load the batches too early: a resumed run would lose its place in them.
        """
        options = self.recipe.trainer
        per_epoch = math.ceil(len(self._plan().epoch(0)) / options.accumulate_grad_batches)
        limits = [options.max_steps] if options.max_steps >= 0 else []
        return min([*limits, *([options.max_epochs * per_epoch] if options.max_epochs is not None else [])])

    def _plan(self, rank: int = 0, world_size: int = 1) -> BatchPlan:
        options, corpus = self.recipe.training, self.training
        lengths = corpus.src_lengths, corpus.tgt_lengths
        batches = BatchPlan(*lengths, options.batch_size, options.batch_unit, options.seed, rank, world_size)
        return replace(batches, sort_window=options.sort_window, shuffle=options.shuffle)

    def val_dataloader(self) -> ValidationLoader:
        """This process's share of the validation set."""
        assert self.trainer is not None
        return ValidationLoader(
            self.validation,
            self.recipe.search.batch_size,
            self.trainer.global_rank,
            self.trainer.world_size,
        )

    def state_dict(self) -> dict[str, str]:
        """What a checkpoint keeps."""
        return {"text": self.text}

    def load_state_dict(self, state_dict: dict[str, str]) -> None:
        """Checks that the run goes on with the text it began with.

        Raises:
            UserError: if it is another.
        """
        if state_dict["text"] != self.text:
            raise UserError(
                "data: the training or validation text has changed since the run was begun; start a new one"
            )
