"""What every toolkit that is compared can do, ours and the peers alike."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nmt.recipe.decoder import LuongWiring
from nmt.recipe.recipe import Recipe


@dataclass(frozen=True)
class Work:
    """The work that all toolkits do.

    Attributes:
        recipe: what is trained.
        recipe_path: its file.
        overrides: fields of it that were changed on the command line.
        folder: where data, models and logs of the comparison lie; git ignores it.
        sources: the test set.
        references: its translations.
    """

    recipe: Recipe
    recipe_path: Path
    overrides: Sequence[str]
    folder: Path
    sources: Sequence[str]
    references: Sequence[str]

    @property
    def data(self) -> Path:
        """The folder of the text as the peers read it, made by `benchmarks.peers.data`."""
        return self.folder / "data"

    @property
    def feeds_input(self) -> bool:
        """Whether the attentional vector of a step goes into the next one."""
        decoder = self.recipe.model.decoder
        return isinstance(decoder, LuongWiring) and decoder.input_feeding


@dataclass(frozen=True)
class Search:
    """One way to translate the test set.

    Attributes:
        beam_size: 1 for greedy search.
        batch_size: sentences translated together.
        lines: how many of the test set, from its beginning.
    """

    beam_size: int
    batch_size: int
    lines: int

    @property
    def name(self) -> str:
        """In words."""
        search = f"beam {self.beam_size}" if self.beam_size > 1 else "greedy"
        return f"{search}, " + (f"batches of {self.batch_size}" if self.batch_size > 1 else "one line at a time")


@dataclass(frozen=True)
class Speed:
    """A short training.

    Attributes:
        rates: target tokens per second of each block of updates but the first.
        peak_mib: see `benchmarks.process.Finished`.
        largest_mib: see there.
    """

    rates: list[float]
    peak_mib: float
    largest_mib: float


@dataclass(frozen=True)
class Translated:
    """A translation of the test set, or the beginning of it.

    Attributes:
        seconds: without loading.
        bleu: of the translations, so that a fast and wrong one would be seen.
        words: of all translations together, so that a fast and short one would be seen.
        peak_mib: see `benchmarks.process.Finished`.
        largest_mib: see there.
    """

    seconds: float
    bleu: float
    words: int
    peak_mib: float
    largest_mib: float


class Toolkit(Protocol):
    """A toolkit on the common work."""

    @property
    def name(self) -> str:
        """As it is called in tables."""
        ...

    def version(self) -> str:
        """Its version, and torch's."""
        ...

    def set_up(self) -> None:
        """Installs it, if it is not there."""
        ...

    def train(self, updates: int) -> None:
        """Trains the model that `translate` uses, unless it is there from an earlier call."""
        ...

    def speed(self, updates: int, block: int) -> Speed:
        """Trains so many updates from the beginning and forgets the result."""
        ...

    def translate(self, search: Search) -> Translated:
        """Translates the test set."""
        ...


def count_words(lines: Iterable[str]) -> int:
    """Words between spaces."""
    return sum(len(line.split()) for line in lines)


def first_number(pattern: str, log: str) -> float:
    """The number in the first group of the first match.

    Raises:
        ValueError: if nothing matches: the log is not as this version of the peer writes it.
    """
    found = re.search(pattern, log)
    if found is None:
        raise ValueError(f"no {pattern!r} in the log:\n{log[-2000:]}")
    return float(found[1])
