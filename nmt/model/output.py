"""The output layer, and what the search and the scoring of given translations ask of it."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nmt.model.fast.layers import Linear
from nmt.model.int8 import Int8Linear
from nmt.model.shortlist import Candidates, Shortlist
from nmt.search.scoring import best_continuations
from nmt.search.types import Choice, Continuations

_LOGITS_AT_ONCE = {"cpu": 2**23 - 2**16, "cuda": 2**27}  # on a CPU just under 32 MiB, which the process then keeps


class OutputLayer(nn.Module):
    """From the decoder's output to a logit for each word of the vocabulary.

    A linear layer comes between where it is asked for (V of See et al. 2017, equation 4), and with a tied matrix (Press
    and Wolf 2017) of another width than the output.

    Attributes:
        project: that layer; None for none.
        words: the layer whose outputs are the logits.
        shortlist: chooses the words to predict by those of the source; None for all of them.
    """

    def __init__(
        self, hidden_size: int, vocab_size: int, tied: nn.Embedding | None, between: int | None = None
    ) -> None:
        """Makes the layers.

        Args:
            hidden_size: width of the decoder's output.
            vocab_size: number of words.
            tied: the embedding whose matrix is the words', if any; its width is that of the layer between.
            between: width of the layer between, which then has a bias; None for none.
        """
        super().__init__()
        width = tied.embedding_dim if tied is not None else between or hidden_size
        self.project: Linear | Int8Linear | None = None
        if between is not None or width != hidden_size:
            self.project = Linear(hidden_size, width, bias=between is not None)
        self.words: Linear | Int8Linear = Linear(width, vocab_size)
        self.shortlist: Shortlist | None = None
        if tied is not None:
            self.words.weight = tied.weight

    def forward(self, output: Float[Tensor, "*any hid"]) -> Float[Tensor, "*any vocab"]:
        """The logits."""
        logits: Tensor = self.words(self.before_words(output))
        return logits

    def before_words(self, output: Float[Tensor, "*any hid"]) -> Float[Tensor, "*any width"]:
        """What is multiplied by the words' matrix."""
        if self.project is not None:
            output = self.project(output)
        return output

    def candidates(self, src_ids: Int[Tensor, "batch src"], src_lengths: Int[Tensor, " batch"]) -> Candidates:
        """The words that may come in the translations of a batch."""
        if self.shortlist is None:
            return Candidates(self.words)
        words, penalty = self.shortlist(src_ids, src_lengths)
        places = {word: column for column, word in enumerate(words.tolist())}
        return Candidates(_select(self.words, words), words, places, penalty)

    def log_probs(self, output: Float[Tensor, "rows hid"], targets: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """The log-probability of a given word for each row among all of the vocabulary, at least in float32.

        The logits of some rows at a time are made, and made again for the gradient: those of all could fill the memory.
        """
        step = _rows_at_once(output, len(self.words.bias))
        parts = zip(torch.split(output, step), torch.split(targets, step), strict=True)
        found = [checkpoint(self._log_probs, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
        return torch.cat(found)

    def _log_probs(self, output: Float[Tensor, "rows hid"], targets: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        logits = self(output)
        log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
        found: Tensor = log_probs.gather(1, targets[:, None])[:, 0]
        return found

    def parts(
        self, output: Float[Tensor, "rows hid"], candidates: Candidates, width: int = 1
    ) -> Iterator[tuple[slice, Float[Tensor, "some words"]]]:
        """The logits of some rows at a time, a multiple of `width`; those of all could fill the memory.

        Args:
            output: the decoder's.
            candidates: the words that may come.
            width: rows of each sentence.
        """
        output = self.before_words(output)
        words = len(candidates.layer.bias)
        step = width * _rows_at_once(output, words * width)
        for begin in range(0, len(output), step):
            rows = slice(begin, min(begin + step, len(output)))
            logits: Tensor = candidates.layer(output[rows])
            if candidates.penalty is not None:
                sentences = slice(rows.start // width, rows.stop // width)
                logits.view(-1, width, logits.shape[1]).add_(candidates.penalty[sentences, None])
            yield rows, logits


def best_of_parts(parts: Iterable[tuple[slice, Float[Tensor, "some words"]]], choice: Choice) -> Continuations:
    """The best continuations of each sentence, whose rows follow each other; see `best_continuations`.

    Args:
        parts: rows, and their logits.
        choice: of all the rows.
    """
    width = choice.sums.shape[1]
    found = [
        best_continuations(logits, choice.part(slice(rows.start // width, rows.stop // width)))
        for rows, logits in parts
    ]
    sums, parents, tokens = (
        torch.cat(each) for each in zip(*((part.sums, part.parents, part.tokens) for part in found), strict=True)
    )
    return Continuations(sums, parents, tokens)


def _rows_at_once(output: Float[Tensor, "rows hid"], logits: int) -> int:
    """How many rows, each of so many logits, may be in the memory together."""
    return max(_LOGITS_AT_ONCE.get(output.device.type, 2**23) // logits, 1)


def _select(layer: Linear | Int8Linear, rows: Int[Tensor, " chosen"]) -> Linear | Int8Linear:
    """A layer with some of the outputs."""
    if isinstance(layer, Int8Linear):
        return layer.select(rows)
    chosen = Linear(layer.in_features, len(rows), device="meta")
    chosen.weight = nn.Parameter(layer.weight[rows], requires_grad=False)
    chosen.bias = nn.Parameter(layer.bias[rows], requires_grad=False)
    return chosen
