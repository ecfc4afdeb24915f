"""Text to text: n lines in, n lines out."""

import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from nmt.bundle import Bundle, load_bundle
from nmt.data.batch import make_batch, source_tensors
from nmt.errors import UserError
from nmt.memory import enough_memory
from nmt.model.fast.products import goes_fast
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe import SearchOptions
from nmt.search.beam import beam_search
from nmt.search.greedy import greedy_search
from nmt.search.types import Hypothesis, SearchSettings
from nmt.threads import map_on_cores
from nmt.tokenizer import BOS, EOS, PAD, TokenizerPair

_LOWER = "--beam or the batch size (--batch-size, search.batch_size)"


@dataclass(frozen=True)
class Translation:
    """One translation of a line.

    Attributes:
        text: the translation, on one line; empty for a blank line.
        score: what the n best are ordered by: the log-probability divided by the length penalty.
        log_prob: natural logarithm of the translation's probability.
        ids: ids of its pieces, without begin and end.
    """

    text: str
    score: float = 0.0
    log_prob: float = 0.0
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Alignment:
    """The attention of one translation.

    Attributes:
        source: pieces of the source, the end included.
        target: pieces of the translation, the end included.
        weights: how much each target piece looked at each source piece; a row sums to one.
    """

    source: list[str]
    target: list[str]
    weights: Float[Tensor, "tgt src"]


class Translator:
    """A model in use.

    Example:
        >>> translate = Translator.load("runs/de-en/2026-01-01_12-00-00")  # doctest: +SKIP
        >>> translate(["Ein Hund rennt."])  # doctest: +SKIP
        ['A dog is running.']
    """

    def __init__(
        self,
        model: Seq2Seq,
        tokenizers: TokenizerPair,
        options: SearchOptions,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Wraps a network, wherever it lies and whatever its mode.

        Args:
            model: the network.
            tokenizers: those that it was trained with.
            options: how to search; the recipe's `search`.
            warn: takes a warning about the text; by default it goes to stderr.
        """
        self.model = model
        self.tokenizers = tokenizers
        self.options = options
        self._warn = warn or _warn_on_stderr

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", **search: Any) -> "Translator":
        """Loads a bundle or a finished run.

        Args:
            path: folder of the bundle or of the run.
            device: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: a GPU where there is one.
            **search: fields of the recipe's `search` to change, `beam_size=10`.

        Raises:
            UserError: if it is no bundle of ours, is damaged, or was written by a later version.
        """
        return cls.from_bundle(load_bundle(Path(path)), device, **search)

    @classmethod
    def from_bundle(cls, bundle: Bundle, device: str = "auto", **search: Any) -> "Translator":
        """Takes a bundle that is loaded already; otherwise as `load`."""
        if bundle.is_exported:
            if device not in ("auto", "cpu"):
                raise UserError(f"--device {device}: an exported model runs on the cpu; take the one it was made of")
            device = "cpu"
        model = bundle.model.to(choose_device(device))
        try:
            options = SearchOptions.model_validate({**bundle.recipe.search.model_dump(), **search})
        except ValidationError as error:
            (first, *_) = error.errors()
            raise UserError(f"search.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        return cls(model, bundle.tokenizers, options)

    @overload
    def __call__(self, lines: str) -> str: ...  # type: ignore[overload-overlap]  # a text is a sequence of texts too

    @overload
    def __call__(self, lines: Sequence[str]) -> list[str]: ...

    def __call__(self, lines: str | Sequence[str]) -> str | list[str]:
        """Translates a line into a line, or lines into as many lines."""
        if isinstance(lines, str):
            return self.translate([lines])[0][0].text
        return [found[0].text for found in self.translate(lines)]

    def translate(self, lines: Sequence[str], n_best: int = 1) -> list[list[Translation]]:
        """The `n_best` best translations of every line, best first; one empty one for a blank line.

        Lines of similar length are translated together; the result does not depend on that.

        Raises:
            TypeError: if the lines are one string.
            UserError: if the beam is smaller than `n_best`; widening it could change the best translation.
        """
        if isinstance(lines, str):  # a sequence, too, of its letters
            raise TypeError("translate takes a list of lines; for a single one call the translator itself")
        if not 1 <= n_best <= self.options.beam_size:
            raise UserError(
                f"the {n_best} best translations need a beam of {n_best} (--beam), not {self.options.beam_size}"
            )
        sources = self._encode(lines)
        found = [[Translation("")] for _ in lines]
        # The longest ones first, so that no core is left with a long batch when the others have nothing more to do.
        order = sorted((index for index, ids in enumerate(sources) if ids), key=lambda index: -len(sources[index]))
        with _evaluating(self.model):
            batches = self._batches(order)
            searched = self._search_all([[sources[index] for index in indices] for indices in batches], n_best)
            with closing(searched):  # no search goes on when the network is no longer evaluated
                for indices, hypotheses in zip(batches, searched, strict=True):
                    for index, best in zip(indices, hypotheses, strict=True):
                        found[index] = self._translations(best)
        return found

    def stream(self, blocks: Iterable[Sequence[str]], n_best: int = 1) -> Iterator[tuple[str, list[Translation]]]:
        """Translates block by block, giving each line with its translations as soon as its block is done."""
        for block in blocks:
            yield from zip(block, self.translate(block, n_best), strict=True)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[float, int]]:
        """Log-probability (natural) of each given translation, and its number of tokens, the end included.

        Raises:
            UserError: if there is not one translation for each source.
        """
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources cannot be scored with {len(targets)} translations")
        pairs = list(zip(self._encode(sources), self.tokenizers.target.encode(targets), strict=True))
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1]))
        scores: list[tuple[float, int]] = [(0.0, 0)] * len(pairs)
        for start in range(0, len(order), self.options.batch_size):
            indices = order[start : start + self.options.batch_size]
            log_probs = self._force([pairs[index] for index in indices])
            for index, log_prob in zip(indices, log_probs, strict=True):
                scores[index] = (log_prob, len(pairs[index][1]) + 1)
        return scores

    def align(self, source: str, translation: Translation) -> Alignment | None:
        """The attention of a translation, by forced decoding; None if the model has no attention."""
        (ids,) = self._encode([source], warn=lambda _: None)  # it has been said when the line was translated
        target = [*translation.ids]
        batch = make_batch([ids], [target]).to(self.device)
        with _evaluating(self.model), torch.inference_mode(), enough_memory(f"a batch of {batch.describe()}", _LOWER):
            _, weights = self.model(batch.src_ids, batch.src_lengths, batch.tgt_in)
        if weights is None:
            return None
        return Alignment(
            self.tokenizers.source.pieces([*ids, EOS]),
            self.tokenizers.target.pieces([*target, EOS]),
            weights[0].float().cpu(),
        )

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.model.parameters()).device

    def _encode(self, lines: Sequence[str], warn: Callable[[str], None] | None = None) -> list[list[int]]:
        """Ids of each line; none for a blank one; cut where a line is far too long."""
        limit = self.options.max_source_length
        sources = self.tokenizers.source.encode([line if line.strip() else "" for line in lines])
        for line, ids in zip(lines, sources, strict=True):
            if len(ids) > limit:
                (warn or self._warn)(f"a line of {len(ids)} pieces was cut to {limit}: {line[:60]!r}...")
                del ids[limit:]
        return sources

    def _batches(self, order: Sequence[int]) -> list[Sequence[int]]:
        """Lines that are translated together: as many as asked for, or fewer, so that every core has its share."""
        size = self.options.batch_size
        if self._uses_cores():
            size = min(size, max(math.ceil(len(order) / torch.get_num_threads()), 1))
        return [order[start : start + size] for start in range(0, len(order), size)]

    def _uses_cores(self) -> bool:
        """Whether batches are searched side by side, each on one core, and not one after the other on all."""
        return goes_fast(next(self.model.parameters()))

    def _search_all(
        self, batches: Sequence[Sequence[Sequence[int]]], n_best: int
    ) -> Generator[list[list[Hypothesis]], None, None]:
        search = partial(self._search, n_best=n_best)
        yield from map_on_cores(search, batches) if self._uses_cores() else map(search, batches)

    def _search(self, sources: Sequence[Sequence[int]], n_best: int) -> list[list[Hypothesis]]:
        src_ids, src_lengths = (tensor.to(self.device) for tensor in source_tensors(sources))
        settings = search_settings(self.options, n_best)
        batch = f"a batch of {src_ids.shape[0]} sentences, source {src_ids.shape[1]} pieces, beam {settings.beam_size}"
        with enough_memory(batch, _LOWER):
            if settings.beam_size == 1:
                found = [[best] for best in greedy_search(self.model, src_ids, src_lengths, settings)]
            else:
                found = beam_search(self.model, src_ids, src_lengths, settings)
        if not all(hypotheses and math.isfinite(hypotheses[0].log_prob) for hypotheses in found):
            raise UserError("the model predicts values that are no numbers; train it again")
        return found

    def _translations(self, hypotheses: Sequence[Hypothesis]) -> list[Translation]:
        texts = self.tokenizers.target.decode([hypothesis.tokens for hypothesis in hypotheses])
        return [
            Translation(text, hypothesis.score, hypothesis.log_prob, tuple(hypothesis.tokens))
            for text, hypothesis in zip(texts, hypotheses, strict=True)
        ]

    def _force(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        """Log-probability of each target given its source."""
        batch = make_batch([source for source, _ in pairs], [target for _, target in pairs]).to(self.device)
        real = batch.tgt_out != PAD
        with _evaluating(self.model), torch.inference_mode(), enough_memory(f"a batch of {batch.describe()}", _LOWER):
            outputs, _ = self.model(batch.src_ids, batch.src_lengths, batch.tgt_in)
            tokens = self.model.output.log_probs(outputs[real], batch.tgt_out[real]).cpu().double()
        sentences = real.nonzero()[:, 0].cpu()
        sums = torch.zeros(len(pairs), dtype=torch.float64).index_add(0, sentences, tokens)
        return [float(log_prob) for log_prob in sums]


@contextmanager
def _evaluating(model: Seq2Seq) -> Iterator[None]:
    """Switches dropout off, and back on if it was on."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def search_settings(options: SearchOptions, n_best: int = 1) -> SearchSettings:
    """The recipe's `search` in the search's own terms, `n_best` at most its beam; begin and padding never come out."""
    return SearchSettings(
        bos=BOS,
        eos=EOS,
        banned=(PAD, BOS),
        beam_size=options.beam_size,
        n_best=n_best,
        length_penalty=options.length_penalty,
        max_length_ratio=options.max_length_ratio,
        max_length_extra=options.max_length_extra,
        min_length_ratio=options.min_length_ratio,
    )


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one.

    Raises:
        UserError: if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device {name}: choose cpu, cuda, cuda:1, mps or auto")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: {str(error).partition(chr(10))[0]}") from None
    return device


def _warn_on_stderr(message: str) -> None:
    print(f"nmt: warning: {message}", file=sys.stderr)
