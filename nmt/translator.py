"""Text to text: n lines in, n lines out."""

import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from pydantic import ValidationError
from torch import Tensor

from nmt.align import AlignedPair, Alignment, by_step, to_words
from nmt.bundle import Bundle, load_bundle
from nmt.data.batch import Batch, make_batch, source_tensors
from nmt.errors import UserError
from nmt.guides import Guide, Line, guided_lines
from nmt.memory import enough_memory
from nmt.model.ensemble import Ensemble
from nmt.model.fast.products import goes_fast
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.recipe import contradictions
from nmt.recipe.search import SearchOptions
from nmt.recipe_file import explain
from nmt.search.processors import BlockedNgrams, ForcedPrefixes
from nmt.search.sampling import Sampling, sample
from nmt.search.search import scored_as_asked, search
from nmt.search.types import Hypothesis, SearchSettings
from nmt.threads import map_on_cores
from nmt.tokenizer import BOS, EOS, PAD, UNK, TokenizerPair
from nmt.unknown import read_dictionary, replacements

T = TypeVar("T")
Ids = Sequence[int]

_LOWER = "--beam or the batch size (--batch-size, search.batch_size)"


@dataclass(frozen=True)
class Translation:
    """One translation of a line.

    Attributes:
        text: the translation, on one line; empty for a blank line.
        score: what the n best are ordered by: the log-probability divided by the length penalty.
        log_prob: natural logarithm of the translation's probability.
        ids: ids of its pieces, without begin and end.
        prepared: the text as the pieces spell it, before the steps of the target's preparation are undone.
    """

    text: str
    score: float = 0.0
    log_prob: float = 0.0
    ids: tuple[int, ...] = ()
    prepared: str = ""


class WithoutAttention(UserError):
    """Alignments were asked for, and the model has no attention."""


class Translator:
    """A model in use.

    Example:
        >>> translate = Translator.load("runs/de-en/2026-01-01_12-00-00")  # doctest: +SKIP
        >>> translate(["Ein Hund rennt."])  # doctest: +SKIP
        ['A dog is running.']
    """

    def __init__(
        self,
        model: Seq2Seq | Ensemble,
        tokenizers: TokenizerPair,
        options: SearchOptions,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Wraps a network, wherever it lies and whatever its mode.

        Args:
            model: the network, or several that translate together.
            tokenizers: those that it was trained with.
            options: how to search; the recipe's `search`.
            warn: takes a warning about the text; by default it goes to stderr.
        """
        self.model = model
        self.tokenizers = tokenizers
        self.options = options
        self._warn = warn or _warn_on_stderr
        dictionary = options.dictionary if options.replace_unknown else None
        self._dictionary = {} if dictionary is None else read_dictionary(Path(dictionary).expanduser())

    @classmethod
    def load(cls, path: str | Path | Sequence[str | Path], device: str = "auto", **search: Any) -> "Translator":
        """Loads a bundle or a finished run, or several, which translate together as an ensemble.

        Args:
            path: folder of the bundle or of the run, or a list of such folders.
            device: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: a GPU where there is one.
            **search: fields of the recipe's `search` to change, `beam_size=10`.

        Raises:
            UserError: if it is no bundle of ours, is damaged, or is of another format, or several cannot
                translate together.
        """
        paths = [path] if isinstance(path, str | Path) else path
        return cls.from_bundles([load_bundle(Path(each)) for each in paths], device, **search)

    @classmethod
    def from_bundle(cls, bundle: Bundle, device: str = "auto", **search: Any) -> "Translator":
        """Takes a bundle that is loaded already; otherwise as `load`."""
        return cls.from_bundles([bundle], device, **search)

    @classmethod
    def from_bundles(cls, bundles: Sequence[Bundle], device: str = "auto", **search: Any) -> "Translator":
        """Takes bundles that are loaded already, of which the first says how to search; otherwise as `load`."""
        first = bundles[0]
        model = first.model if len(bundles) == 1 else _ensemble(bundles)
        if first.is_exported:
            if device not in ("auto", "cpu"):
                raise UserError(f"--device {device}: an exported model runs on the cpu; take the one it was made of")
            device = "cpu"
        model = model.to(choose_device(device))
        try:
            options = SearchOptions.model_validate({**first.recipe.search.model_dump(), **search})
        except ValidationError as error:
            raise UserError(explain(error, "search")) from None
        for key, need in contradictions({"model": first.recipe.model, "search": options}):
            raise UserError(f"{'.'.join(key)}: {need}")
        return cls(model, first.tokenizers, options)

    @overload
    def __call__(self, lines: str) -> str: ...  # type: ignore[overload-overlap]  # a text is a sequence of texts too

    @overload
    def __call__(self, lines: Sequence[str]) -> list[str]: ...

    def __call__(self, lines: str | Sequence[str]) -> str | list[str]:
        """Translates a line into a line, or lines into as many lines."""
        if isinstance(lines, str):
            return self.translate([lines])[0][0].text
        return [found[0].text for found in self.translate(lines)]

    def translate(
        self,
        lines: Sequence[str],
        n_best: int = 1,
        guides: Sequence[Guide] | None = None,
        sampling: Sampling | None = None,
    ) -> list[list[Translation]]:
        """The `n_best` best translations of every line, best first; one empty one for a blank line.

        Lines of similar length are translated together; the result does not depend on that.

        Args:
            lines: the text.
            n_best: translations of each line.
            guides: what each translation must hold; None for nothing.
            sampling: draws `n_best` translations of each line at random instead, in the order drawn.

        Raises:
            TypeError: if the lines are one string.
            UserError: if the beam is smaller than `n_best`; widening it could change the best translation. If the
                model cannot follow the guides, or a translation would have to be longer than it may be.
        """
        if isinstance(lines, str):  # a sequence, too, of its letters
            raise TypeError("translate takes a list of lines; for a single one call the translator itself")
        if not 1 <= n_best <= self.options.beam_size and sampling is None:
            raise UserError(
                f"the {n_best} best translations need a beam of {n_best} (--beam), not {self.options.beam_size}"
            )
        found = [[Translation("")] for _ in lines]
        wanted = [line for line in self._lines(lines, guides, sampling) if line.source]
        # The longest ones first, so that no core is left with a long batch when the others have nothing more to do.
        batches = self._batches(sorted(wanted, key=lambda line: -len(line.source)))
        with evaluating(self.model), closing(self._search_all(batches, n_best, sampling)) as searched:
            # Closed before the network is no longer evaluated: no search goes on then.
            for batch, hypotheses in zip(batches, searched, strict=True):
                for line, best in zip(batch, hypotheses, strict=True):
                    found[line.number] = self._translations(best)
        if self.options.replace_unknown:
            self._replace_unknown(lines, found)
        return found

    def stream(
        self,
        blocks: Iterable[Sequence[str]],
        n_best: int = 1,
        guides: Iterator[Guide] | None = None,
        sampling: Sampling | None = None,
    ) -> Iterator[tuple[str, list[Translation]]]:
        """Translates block by block, giving each line with its translations as soon as its block is done.

        Raises:
            UserError: if there is not one guide for each line; and as `translate`.
        """
        for block in blocks:
            guided = None if guides is None else list(islice(guides, len(block)))
            yield from zip(block, self.translate(block, n_best, guided, sampling), strict=True)
            sampling = sampling and replace(sampling, first=sampling.first + len(block))
        if guides is not None and next(guides, None) is not None:
            raise UserError("there are guides for more lines than there are to translate")

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[float, int]]:
        """Log-probability (natural) of each given translation, and its number of tokens, the end included.

        Raises:
            UserError: if there is not one translation for each source.
        """
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources cannot be scored with {len(targets)} translations")
        pairs = list(zip(self._encode(sources), self.tokenizers.target.encode(targets), strict=True))
        log_probs = self._force(pairs, self._log_probs)
        return [(log_prob, len(target) + 1) for log_prob, (_, target) in zip(log_probs, pairs, strict=True)]

    def align(self, source: str, translation: Translation) -> Alignment | None:
        """The attention of a translation, by forced decoding; None if the model has no attention."""
        (ids,) = self._encode([source], warn=lambda _: None)  # it has been said when the line was translated
        try:
            return self._align([(ids, translation.ids)])[0]
        except WithoutAttention:
            return None

    def align_all(self, sources: Sequence[str], targets: Sequence[str]) -> list[AlignedPair]:
        """The attention of each given translation over its source, by forced decoding: of the pieces, and of the words.

        Pairs of similar length are stepped through together; the result does not depend on that.

        Raises:
            UserError: if there is not one translation for each source, or the model has no attention.
        """
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources cannot be aligned with {len(targets)} translations")
        pairs = zip(self._encode(sources), self.tokenizers.target.encode(targets), strict=True)
        aligned = zip(sources, targets, self._align(list(pairs)), strict=True)
        return [AlignedPair(pieces, self._of_words(source, target, pieces)) for source, target, pieces in aligned]

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

    def _lines(self, lines: Sequence[str], guides: Sequence[Guide] | None, sampling: Sampling | None) -> list[Line]:
        """The lines in ids, with what their translations must hold."""
        if guides is not None and not self.model.predicts_all_words:
            raise UserError(
                "an exported model's shortlist need not hold the words asked for; take the run it is made of"
            )
        found = guided_lines(self._encode(lines), guides, self.tokenizers.target, search_settings(self.options))
        if sampling is not None and any(line.phrases for line in found):
            raise UserError("phrases that must occur are searched for; leave out --sample")
        return found

    def _batches(self, lines: Sequence[Line]) -> list[Sequence[Line]]:
        """Lines that are translated together: as many as asked for, or fewer, so that every core has its share."""
        size = self.options.batch_size
        if self._uses_cores():
            size = min(size, max(math.ceil(len(lines) / torch.get_num_threads()), 1))
        return [lines[start : start + size] for start in range(0, len(lines), size)]

    def _uses_cores(self) -> bool:
        """Whether batches are searched side by side, each on one core, and not one after the other on all."""
        return goes_fast(next(self.model.parameters()))

    def _search_all(
        self, batches: Sequence[Sequence[Line]], n_best: int, sampling: Sampling | None
    ) -> Generator[list[list[Hypothesis]], None, None]:
        find = partial(self._search, n_best=n_best, sampling=sampling)
        yield from map_on_cores(find, batches) if self._uses_cores() else map(find, batches)

    def _search(self, lines: Sequence[Line], n_best: int, sampling: Sampling | None) -> list[list[Hypothesis]]:
        src_ids, src_lengths = (tensor.to(self.device) for tensor in source_tensors([line.source for line in lines]))
        settings = search_settings(self.options, n_best)
        if any(line.prefix for line in lines):
            prefixes = ForcedPrefixes([line.prefix for line in lines], self.device)
            settings = replace(settings, processors=(*settings.processors, prefixes))
        batch = f"a batch of {src_ids.shape[0]} sentences, source {src_ids.shape[1]} pieces, beam {settings.beam_size}"
        with enough_memory(batch, _LOWER):
            if sampling is None:
                phrases = [line.phrases for line in lines]
                found = search(self.model, src_ids, src_lengths, settings, phrases if any(phrases) else None)
            else:
                model, numbers = scored_as_asked(self.model, settings), [sampling.first + line.number for line in lines]
                found = sample(model, src_ids, src_lengths, settings, n_best, numbers, sampling)
        if not all(hypotheses and math.isfinite(hypotheses[0].log_prob) for hypotheses in found):
            raise UserError("the model predicts values that are no numbers; train it again")
        return found

    def _translations(self, hypotheses: Sequence[Hypothesis]) -> list[Translation]:
        target = self.tokenizers.target
        spelled = target.spell([hypothesis.tokens for hypothesis in hypotheses])
        return [
            Translation(
                target.preparation.restore(text), hypothesis.score, hypothesis.log_prob, tuple(hypothesis.tokens), text
            )
            for text, hypothesis in zip(spelled, hypotheses, strict=True)
        ]

    def _force(self, pairs: Sequence[tuple[Ids, Ids]], run: Callable[[Batch], list[T]]) -> list[T]:
        """What `run` gives for each pair of source and target, those with targets of similar length together."""
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1]))
        found: dict[int, T] = {}
        for start in range(0, len(order), self.options.batch_size):
            indices = order[start : start + self.options.batch_size]
            sources, targets = zip(*(pairs[index] for index in indices), strict=True)
            batch = make_batch(sources, targets).to(self.device)
            memory = enough_memory(f"a batch of {batch.describe()}", _LOWER)
            with evaluating(self.model), torch.inference_mode(), memory:
                found.update(zip(indices, run(batch), strict=True))
        return [found[index] for index in range(len(pairs))]

    def _log_probs(self, batch: Batch) -> list[float]:
        """Log-probability of each target given its source."""
        real = batch.tgt_out != PAD
        tokens = self.model.log_probs(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
        sentences = real.nonzero()[:, 0].cpu()
        sums = torch.zeros(len(batch), dtype=torch.float64).index_add(0, sentences, tokens.cpu().double())
        return [float(log_prob) for log_prob in sums]

    def _attention(self, batch: Batch) -> list[Tensor]:
        """The attention of each pair, without padding."""
        weights = self.model.weights(batch.src_ids, batch.src_lengths, batch.tgt_in)
        if weights is None:
            raise WithoutAttention("this model has no attention (model.attention), so it aligns nothing")
        steps = (batch.tgt_out != PAD).sum(dim=1).tolist()
        sizes = zip(weights.float().cpu(), steps, batch.src_lengths.tolist(), strict=True)
        return [sentence[:tgt, :src].clone() for sentence, tgt, src in sizes]

    def _align(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[Alignment]:
        """The attention of each target over its source, with the pieces that it belongs to."""
        source, target = self.tokenizers.source, self.tokenizers.target
        tokens = [by_step(ids, BOS, EOS, self.options.alignment) for _, ids in pairs]
        return [
            Alignment(source.pieces([*ids, EOS]), target.pieces(steps), weights)
            for (ids, _), steps, weights in zip(pairs, tokens, self._force(pairs, self._attention), strict=True)
        ]

    def _of_words(self, source: str, target: str, pieces: Alignment) -> Alignment:
        """The alignment of the words of a pair, from that of its pieces."""
        words = source.split(), target.split()
        no_source, no_target = map(len, words)  # the place of what belongs to no word
        columns = self.tokenizers.source.words(source)[: len(pieces.source) - 1]  # a long line was cut
        steps = by_step(self.tokenizers.target.words(target), no_target, no_target, self.options.alignment)
        return to_words(pieces, *words, [*columns, no_source], steps)

    def _replace_unknown(self, lines: Sequence[str], found: list[list[Translation]]) -> None:
        """Puts source words, or what the dictionary has for them, in the place of unknown words."""
        places = [(line, best) for line, many in enumerate(found) for best, one in enumerate(many) if UNK in one.ids]
        sources = self._encode([lines[line] for line, _ in places], warn=lambda _: None)  # said when it was translated
        pairs = [(source, found[line][best].ids) for source, (line, best) in zip(sources, places, strict=True)]
        attention = self._force(pairs, self._attention)
        for (line, best), (source, ids), weights in zip(places, pairs, attention, strict=True):
            written = self.tokenizers.source.written(lines[line])[: len(source)]
            words = replacements(ids, weights, written, self._dictionary, self.options.alignment)
            prepared = self.tokenizers.target.fill(ids, words)
            text = self.tokenizers.target.preparation.restore(prepared)
            found[line][best] = replace(found[line][best], text=text, prepared=prepared)


@contextmanager
def evaluating(model: Seq2Seq | Ensemble) -> Iterator[None]:
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
        banned=(PAD, BOS, UNK) if options.forbid_unknown else (PAD, BOS),
        beam_size=options.beam_size,
        n_best=n_best,
        length_penalty=options.length_penalty,
        max_length_ratio=options.max_length_ratio,
        max_length_extra=options.max_length_extra,
        min_length_ratio=options.min_length_ratio,
        processors=() if options.block_ngrams is None else (BlockedNgrams(options.block_ngrams),),
        coverage_penalty=options.coverage_penalty,
        diversity_groups=options.diversity_groups if options.beam_size > 1 else 1,  # of a recipe's, searched greedily
        diversity_penalty=options.diversity_penalty,
    )


def _ensemble(bundles: Sequence[Bundle]) -> Ensemble:
    """The networks of some bundles as one.

    Raises:
        UserError: if they do not share their tokenizers, or one was exported.
    """
    for number, bundle in enumerate(bundles, start=1):
        if bundle.is_exported:
            raise UserError(f"--model: model {number} is an exported one; an ensemble takes the runs they are made of")
        if bundle.tokenizers.fingerprint != bundles[0].tokenizers.fingerprint:
            raise UserError(f"--model: models 1 and {number} have different tokenizers; an ensemble needs the same")
    return Ensemble([bundle.model for bundle in bundles])


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
