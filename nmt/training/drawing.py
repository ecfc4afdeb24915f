"""What the objectives draw from the network itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.model.dropout import evaluating
from nmt.model.seq2seq import Seq2Seq


@contextmanager
def drawing(model: Seq2Seq) -> Iterator[None]:
    """Within, words are drawn: by the network as it translates, without dropout, and as constants to the gradient."""
    with evaluating(model), torch.no_grad():
        yield
    # In some versions of torch autocast would keep what it has made of the weights, without a gradient, for training.
    torch.clear_autocast_cache()
