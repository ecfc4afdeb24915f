"""The LightningDataModule: hands the encoded corpora to Lightning, and nothing else."""

import math
from dataclasses import replace
from itertools import accumulate, pairwise

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
        epoch, corpus = self.trainer.current_epoch, self._cut(self.trainer.current_epoch)
        plan = self._plan(corpus, self.trainer.global_rank, self.trainer.world_size)
        return BatchLoader(corpus, plan, epoch, self.tokenizers, self.recipe.data.subword_sampling)

    def planned_steps(self) -> int:
        """Optimizer steps of the whole training, if every epoch has as many batches as the first of its phase.

        Lightning's own estimate would load the batches too early: a resumed run would lose its place in them.

        Raises:
            UserError: if nothing of it is left after the early phases.
        """
        options, early = self.recipe.trainer, self.recipe.training.early_epochs
        ends = list(accumulate((phase.epochs for phase in self.recipe.training.phases), initial=0))
        before = sum((end - start) * self._steps(start) for start, end in pairwise(ends))
        limits = [options.max_steps] if options.max_steps >= 0 else []
        if options.max_epochs is not None:
            limits.append(before + (options.max_epochs - early) * self._steps(early))
        if min(limits) <= before and early:
            raise UserError(f"training.phases: they take {before:,} steps; the training's {min(limits):,} must be more")
        return min(limits)

    def _steps(self, epoch: int) -> int:
        """Optimizer steps of an epoch."""
        batches, options = len(self._plan(self._cut(epoch)).epoch(epoch)), self.recipe.trainer
        return math.ceil(min(batches, options.limit_train_batches or batches) / options.accumulate_grad_batches)

    def _cut(self, epoch: int) -> EncodedCorpus:
        """The training pairs as an epoch has them."""
        phase, data = self.recipe.training.phase(epoch), self.recipe.data
        if phase is None:
            return self.training
        return self.training.cut(phase.cut_source or data.cut_source, phase.cut_target or data.cut_target)

    def _plan(self, corpus: EncodedCorpus, rank: int = 0, world_size: int = 1) -> BatchPlan:
        options = self.recipe.training
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
