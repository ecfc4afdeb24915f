"""Forced decoding: a model steps through given translations. How probable they are, and what they look at."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from nmt.align import Alignment, by_step, to_words
from nmt.batching import in_batches
from nmt.data.batch import Batch, make_batch
from nmt.errors import UserError
from nmt.memory import SMALLER_BATCHES, enough_memory
from nmt.model.dropout import evaluating
from nmt.model.ensemble import Network
from nmt.recipe.search import AlignedTo, SearchOptions
from nmt.tokenizer import BOS, EOS, PAD, SourceIds, TokenizerPair

T = TypeVar("T")
Ids = Sequence[int]
Pair = tuple[Ids, Ids]
"""Pieces of a source and of its translation, without begin and end."""


class WithoutAttention(UserError):
    """Alignments were asked for, and the model has no attention."""


def log_probs(model: Network, pairs: Sequence[Pair], batch_size: int) -> list[float]:
    """The log-probability (natural) of each translation given its source, the end included."""

    def sums(batch: Batch) -> list[float]:
        real = batch.tgt_out != PAD
        tokens = model.log_probs(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
        sentences = real.nonzero()[:, 0].cpu()
        found = torch.zeros(len(batch), dtype=torch.float64).index_add(0, sentences, tokens.cpu().double())
        return [float(log_prob) for log_prob in found]

    return _step_through(model, pairs, batch_size, sums)


def attention(model: Network, pairs: Sequence[Pair], batch_size: int) -> list[Tensor]:
    """The attention of each translation over its source, the ends included.

    Raises:
        WithoutAttention: if the model has none.
    """

    def without_padding(batch: Batch) -> list[Tensor]:
        weights = model.weights(batch.src_ids, batch.src_lengths, batch.tgt_in)
        if weights is None:
            raise WithoutAttention("this model has no attention (model.attention), so it aligns nothing")
        steps = (batch.tgt_out != PAD).sum(dim=1).tolist()
        sizes = zip(weights.float().cpu(), steps, batch.src_lengths.tolist(), strict=True)
        return [sentence[:tgt, :src].clone() for sentence, tgt, src in sizes]

    return _step_through(model, pairs, batch_size, without_padding)


def copied(model: Network, pairs: Sequence[Pair], batch_size: int) -> list[Tensor | None]:
    """What part of the probability of each token of each translation is copying, the end included.

    None if the model does not copy.
    """

    def shares(batch: Batch) -> list[Tensor | None]:
        real = batch.tgt_out != PAD
        found = model.copied(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
        if found is None:
            return [None] * len(batch)
        return [part.clone() for part in torch.split(found.float().cpu(), real.sum(dim=1).tolist())]

    return _step_through(model, pairs, batch_size, shares)


def _step_through(model: Network, pairs: Sequence[Pair], batch_size: int, run: Callable[[Batch], list[T]]) -> list[T]:
    """What `run` gives for each pair, those with translations of similar length together."""
    device = next(model.parameters()).device

    def run_some(some: Sequence[Pair]) -> list[T]:
        sources, targets = zip(*some, strict=True)
        batch = make_batch(sources, targets).to(device)
        with torch.inference_mode(), enough_memory(f"a batch of {batch.describe()}", SMALLER_BATCHES):
            return run(batch)

    with evaluating(model):
        return in_batches(run_some, pairs, batch_size, lambda pair: len(pair[1]))


def align_pieces(
    model: Network,
    sources: Sequence[SourceIds],
    targets: Sequence[Ids],
    tokenizers: TokenizerPair,
    options: SearchOptions,
) -> list[Alignment]:
    """The attention of each translation over its source, with the pieces that it belongs to; raises as `attention`."""
    pairs = [(source.ids, target) for source, target in zip(sources, targets, strict=True)]
    weights, shares = attention(model, pairs, options.batch_size), copied(model, pairs, options.batch_size)
    return [
        Alignment(
            tokenizers.source.pieces([*source.ids, EOS], source.words),
            tokenizers.target.pieces(by_step(target, BOS, EOS, options.alignment), source.words),
            looked,
            None if share is None else _by_row(share.tolist(), options.alignment),
        )
        for source, target, looked, share in zip(sources, targets, weights, shares, strict=True)
    ]


def _by_row(shares: Sequence[float], aligned_to: AlignedTo) -> Tensor:
    """The shares of the tokens that the rows of an alignment belong to; nothing of the begin is copied."""
    *words, end = shares
    return torch.tensor(by_step(words, 0.0, end, aligned_to))


def align_words(
    source: str, target: str, pieces: Alignment, tokenizers: TokenizerPair, options: SearchOptions
) -> Alignment:
    """The alignment of the words of a pair, from that of its pieces."""
    words = source.split(), target.split()
    no_source, no_target = map(len, words)  # the place of what belongs to no word
    columns = tokenizers.source.words(source)[: len(pieces.source) - 1]  # a long line was cut
    steps = by_step(tokenizers.target.words(target), no_target, no_target, options.alignment)
    return to_words(pieces, *words, [*columns, no_source], steps)
