"""The output layer, and what the search and the scoring of given translations ask of it."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.fast.layers import Linear
from nmt.model.int8 import Int8Linear
from nmt.model.shortlist import Candidates, Shortlist
from nmt.search.scoring import best_continuations
from nmt.search.types import Choice, Continuations

_LOGITS_AT_ONCE = {"cpu": 2**23 - 2**16, "cuda": 2**27}  # on a CPU just under 32 MiB, which the process then keeps


class OutputLayer(nn.Module):
    """From the decoder's output to a logit for each word of the vocabulary.

    With a tied matrix (Press and Wolf 2017) of another width than the output, a linear layer comes between.

    Attributes:
        project: that layer.
        words: the layer whose outputs are the logits.
        shortlist: chooses the words to predict by those of the source; None for all of them.
    """

    def __init__(self, hidden_size: int, vocab_size: int, tied: nn.Embedding | None) -> None:
        super().__init__()
        self.project: Linear | Int8Linear | None = None
        self.words: Linear | Int8Linear = Linear(hidden_size, vocab_size)
        self.shortlist: Shortlist | None = None
        if tied is not None:
            if tied.embedding_dim != hidden_size:
                self.project = Linear(hidden_size, tied.embedding_dim, bias=False)
            self.words = Linear(tied.embedding_dim, vocab_size)
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

    def best(self, output: Float[Tensor, "rows hid"], candidates: Candidates, choice: Choice) -> Continuations:
        """The best continuations of each sentence, whose rows follow each other; see `best_continuations`."""
        width = choice.sums.shape[1]
        choice = candidates.columns(choice)
        found = []
        for rows, logits in self._parts(output, candidates, width):
            sentences = slice(rows.start // width, rows.stop // width)
            if candidates.penalty is not None:
                logits.view(-1, width, logits.shape[1]).add_(candidates.penalty[sentences, None])
            found.append(best_continuations(logits, choice.part(sentences)))
        sums, parents, columns = (
            torch.cat(parts) for parts in zip(*((part.sums, part.parents, part.tokens) for part in found), strict=True)
        )
        return Continuations(sums, parents, columns if candidates.words is None else candidates.words[columns])

    def log_probs(self, output: Float[Tensor, "rows hid"], targets: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """The log-probability of a given word for each row among all of the vocabulary, at least in float32."""
        found = []
        for rows, logits in self._parts(output, Candidates(self.words)):
            log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
            found.append(log_probs.gather(1, targets[rows, None])[:, 0])
        return torch.cat(found)

    def _parts(
        self, output: Float[Tensor, "rows hid"], candidates: Candidates, width: int = 1
    ) -> Iterator[tuple[slice, Float[Tensor, "some words"]]]:
        """The logits of some rows at a time, a multiple of `width`; those of all could fill the memory."""
        output = self.before_words(output)
        words = len(candidates.layer.bias)
        step = width * max(_LOGITS_AT_ONCE.get(output.device.type, 2**23) // (words * width), 1)
        for begin in range(0, len(output), step):
            rows = slice(begin, min(begin + step, len(output)))
            yield rows, candidates.layer(output[rows])


def _select(layer: Linear | Int8Linear, rows: Int[Tensor, " chosen"]) -> Linear | Int8Linear:
    """A layer with some of the outputs."""
    if isinstance(layer, Int8Linear):
        return layer.select(rows)
    chosen = Linear(layer.in_features, len(rows), device="meta")
    chosen.weight = nn.Parameter(layer.weight[rows], requires_grad=False)
    chosen.bias = nn.Parameter(layer.bias[rows], requires_grad=False)
    return chosen
