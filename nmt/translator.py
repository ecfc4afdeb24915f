"""Text to text: n lines in, n lines out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import torch

from nmt.align import AlignedPair, Alignment
from nmt.batched_search import search_lines, search_settings
from nmt.bundle import Bundle, load_bundle
from nmt.errors import UserError
from nmt.forced import WithoutAttention, align_pieces, align_words, attention, log_probs
from nmt.guides import Guide, Line, guided_lines
from nmt.loading import make_network, search_options
from nmt.model.ensemble import Network
from nmt.recipe.search import SearchOptions
from nmt.search.sampling import Sampling
from nmt.search.types import SearchSettings
from nmt.tokenizer import UNK, SourceIds, TokenizerPair
from nmt.translation import Translation, spelled
from nmt.unknown import filled, read_dictionary


class Translator:
    """A model in use.

    Example:
        >>> translate = Translator.load("runs/de-en/2026-01-01_12-00-00")  # doctest: +SKIP
        >>> translate(["Ein Hund rennt."])  # doctest: +SKIP
        ['A dog is running.']
    """

    def __init__(
        self,
        model: Network,
        tokenizers: TokenizerPair,
        options: SearchOptions,
    ) -> None:
        """Wraps a network, wherever it lies and whatever its mode.

        Args:
            model: the network, or several that translate together.
            tokenizers: those that it was trained with.
            options: how to search; the recipe's `searched`.
        """
        self.model = model
        self.tokenizers = tokenizers
        self.options = options
        self.cut_lines = 0
        """Lines translated, scored or aligned so far of which only the first pieces were read, as `options` say."""
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
        network = make_network(bundles, device)
        return cls(network, bundles[0].tokenizers, search_options(bundles[0], search))

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
        if n_best < 1:
            raise UserError(f"n_best {n_best}: expected at least 1")
        if n_best > self.options.beam_size and sampling is None:
            raise UserError(
                f"the {n_best} best translations need a beam of {n_best} (--beam), not {self.options.beam_size}"
            )
        found = [[Translation("")] for _ in lines]
        sources = self._read(lines)
        settings = search_settings(self.options, n_best, self.tokenizers.only_read)
        wanted = [line for line in self._guided(sources, guides, settings, sampling) if line.source]
        hypotheses = search_lines(self.model, wanted, settings, self.options.batch_size, sampling)
        for line, best in zip(wanted, hypotheses, strict=True):
            found[line.number] = spelled(best, sources[line.number], self.tokenizers.target)
        if self.options.replace_unknown:
            self._replace_unknown(lines, [source.ids for source in sources], found)
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
            raise UserError("there are prefixes or phrases for more lines than there are to translate")

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[float, int]]:
        """Log-probability (natural) of each given translation, and its number of tokens, the end included.

        Raises:
            UserError: if there is not one translation for each source.
        """
        read, given = self._pairs(sources, targets, "scored")
        pairs = [(source.ids, target) for source, target in zip(read, given, strict=True)]
        found = log_probs(self.model, pairs, self.options.batch_size)
        return [(log_prob, len(target) + 1) for log_prob, target in zip(found, given, strict=True)]

    def align(self, source: str, translation: Translation) -> Alignment | None:
        """The attention of a translation, by forced decoding; None if the model has no attention."""
        read = self._encode([source])  # it was counted when it was translated
        try:
            return align_pieces(self.model, read, [translation.ids], self.tokenizers, self.options)[0]
        except WithoutAttention:
            return None

    def align_all(self, sources: Sequence[str], targets: Sequence[str]) -> list[AlignedPair]:
        """The attention of each given translation over its source, by forced decoding: of the pieces, and of the words.

        Pairs of similar length are stepped through together; the result does not depend on that.

        Raises:
            UserError: if there is not one translation for each source, or the model has no attention.
        """
        aligned = align_pieces(self.model, *self._pairs(sources, targets, "aligned"), self.tokenizers, self.options)
        return [
            AlignedPair(pieces, align_words(source, target, pieces, self.tokenizers, self.options))
            for source, target, pieces in zip(sources, targets, aligned, strict=True)
        ]

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.model.parameters()).device

    def _encode(self, lines: Sequence[str]) -> list[SourceIds]:
        """Ids of each line; none for a blank one; of a long one the first."""
        sources = self.tokenizers.encode_sources([line if line.strip() else "" for line in lines])
        return [source.cut(self.options.max_source_length) for source in sources]

    def _read(self, lines: Sequence[str]) -> list[SourceIds]:
        """The same; those that are cut are counted."""
        sources = self._encode(lines)
        self.cut_lines += sum(source.unread > 0 for source in sources)
        return sources

    def _pairs(
        self, sources: Sequence[str], targets: Sequence[str], done: str
    ) -> tuple[list[SourceIds], list[list[int]]]:
        """Ids of the sources, and of their given translations; `done` says what is to be done with them."""
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources cannot be {done} with {len(targets)} translations")
        read = self._read(sources)
        return read, self.tokenizers.encode_targets(targets, read)

    def _guided(
        self,
        sources: Sequence[SourceIds],
        guides: Sequence[Guide] | None,
        settings: SearchSettings,
        sampling: Sampling | None,
    ) -> list[Line]:
        """The lines with what their translations must hold."""
        if guides is not None and not self.model.predicts_all_words:
            raise UserError(
                "an exported model's shortlist need not hold the words asked for; take the run it is made of"
            )
        found = guided_lines(sources, guides, self.tokenizers.target, settings)
        if sampling is not None and any(line.phrases for line in found):
            raise UserError("phrases that must occur are searched for; leave out --sample")
        return found

    def _replace_unknown(
        self, lines: Sequence[str], sources: Sequence[Sequence[int]], found: list[list[Translation]]
    ) -> None:
        """Puts source words, or what the dictionary has for them, in the place of unknown words."""
        places = [(line, best) for line, many in enumerate(found) for best, one in enumerate(many) if UNK in one.ids]
        pairs = [(sources[line], found[line][best].ids) for line, best in places]
        looked = attention(self.model, pairs, self.options.batch_size)
        for (line, best), weights in zip(places, looked, strict=True):
            found[line][best] = filled(
                found[line][best], lines[line], weights, self.tokenizers, self._dictionary, self.options.alignment
            )
