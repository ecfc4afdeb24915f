"""Dropout, the same with one mask for all steps of a sentence, and none."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from nmt.model.fast.dropout import dropout, kept


class Dropout(nn.Module):
    """Drops values; with `variational` the same ones at all steps of a sentence (Gal and Ghahramani 2016)."""

    def __init__(self, probability: float, variational: bool = False) -> None:
        super().__init__()
        self.probability = probability
        self.variational = variational

    def forward(self, values: Float[Tensor, "batch *steps units"]) -> Float[Tensor, "batch *steps units"]:
        """The values, some of them 0 and the others larger, in training; otherwise as they are."""
        if not (self.variational and values.ndim == 3):
            return dropout(values, self.probability, self.training)
        if not self.training or not self.probability:
            return values
        return values * kept(values[:, :1], self.probability)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switches dropout off, and back on if it was on."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
