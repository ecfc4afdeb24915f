"""Links between words: written and read in the usual formats, and compared with those of people."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.errors import UserError
from nmt.text import read_lines

Link = tuple[int, int]
"""A source word and a target word, by their places from 0."""

_PHARAOH = re.compile(r"(\d+)([-p?])(\d+)")
_RWTH = re.compile(r"SENT:\s*(\d+)|([SP])\s+(\d+)\s+(\d+)")
_NAACL = re.compile(r"(\d+)\s+(\d+)\s+(\d+)(?:\s+([SP]))?(?:\s+[\d.]+)?\s*")


@dataclass(frozen=True)
class GoldLinks:
    """The links of a sentence pair as people set them (Och and Ney 2003, section 5).

    Attributes:
        sure: those that must be found.
        possible: those that may be found, the sure ones among them.
    """

    sure: frozenset[Link]
    possible: frozenset[Link]


@dataclass(frozen=True)
class AlignmentErrors:
    """How well links were found, over a whole set; between 0 and 1.

    Attributes:
        aer: alignment error rate; lower is better.
        precision: share of the links found that are possible.
        recall: share of the sure links that were found.
    """

    aer: float
    precision: float
    recall: float

    def __str__(self) -> str:
        """All three in one line."""
        return f"alignment error rate {self.aer:.4f}, precision {self.precision:.4f}, recall {self.recall:.4f}"


def alignment_errors(found: Sequence[Iterable[Link]], gold: Sequence[GoldLinks]) -> AlignmentErrors:
    """Alignment error rate of Och and Ney 2003, section 5: 1 - (|A & S| + |A & P|) / (|A| + |S|).

    Args:
        found: A, the links of each sentence pair.
        gold: S and P of each.

    Raises:
        UserError: if no link is sure.
    """
    links = sure = found_sure = found_possible = 0
    for ours, wanted in zip(map(frozenset, found), gold, strict=True):
        links += len(ours)
        sure += len(wanted.sure)
        found_sure += len(ours & wanted.sure)
        found_possible += len(ours & wanted.possible)
    if not sure:
        raise UserError("the alignment error rate needs sure links, and there is none")
    return AlignmentErrors(
        1 - (found_sure + found_possible) / (links + sure), found_possible / max(links, 1), found_sure / sure
    )


def pharaoh(links: Iterable[Link]) -> str:
    """The links of a sentence pair on one line, in the format of Pharaoh: `0-0 1-2`, source first, from 0."""
    return " ".join(f"{source}-{target}" for source, target in links)


def read_gold(path: Path, sizes: Sequence[tuple[int, int]]) -> list[GoldLinks]:
    """Reads links that people have set, in one of three formats.

    Pharaoh: a line for each sentence pair, of links `1-2` (sure) and `1p2` or `1?2` (possible), counted from 0.

    NAACL: a line for each link, `sentence source target`, counted from 1, with `S` (sure, as without it) or `P`
    (possible) and perhaps a confidence after it, which is left aside; a link to word 0 is one to no word, and left
    aside, too.

    RWTH: `SENT: sentence`, then for each of its links `S source target` or `P source target`, all counted from 0.

    Args:
        path: the file.
        sizes: how many words source and target of each sentence pair have.

    Raises:
        UserError: if it cannot be read, a line is no such links, or they are not those of these sentences.
    """
    lines = list(read_lines(path))
    by_link = next((line for line in lines if line.strip()), "").split(maxsplit=1)[:1]
    first = by_link[0] if by_link else ""
    read = _read_naacl if first.isdecimal() else _read_rwth if first.startswith("SENT:") else _read_pharaoh
    gold = [(set[Link](), set[Link]()) for _ in sizes]  # sure and possible
    for number, (pair, source, target, is_sure) in read(path, lines):
        if pair >= len(sizes):
            raise UserError(f"{path}:{number}: links of sentence pair {pair + 1}, but there are {len(sizes)}")
        words = sizes[pair]
        if source >= words[0] or target >= words[1]:
            raise UserError(
                f"{path}:{number}: a link of source word {source} and target word {target}, counted from 0, but "
                f"sentence pair {pair + 1} has {words[0]} and {words[1]} words"
            )
        gold[pair][0 if is_sure else 1].add((source, target))
    if read is _read_pharaoh and len(lines) != len(sizes):
        raise UserError(f"{path} has {len(lines)} lines, but there are {len(sizes)} sentence pairs")
    return [GoldLinks(frozenset(sure), frozenset(sure | possible)) for sure, possible in gold]


_Read = Iterable[tuple[int, tuple[int, int, int, bool]]]
"""Number of the line; sentence pair, source word and target word from 0; whether the link is sure."""


def _read_pharaoh(path: Path, lines: Sequence[str]) -> _Read:
    for number, line in enumerate(lines, start=1):
        for text in line.split():
            match = _PHARAOH.fullmatch(text)
            if match is None:
                raise UserError(f"{path}:{number}: {text!r} is no link; expected 1-2 (sure), 1p2 or 1?2 (possible)")
            yield number, (number - 1, int(match[1]), int(match[3]), match[2] == "-")


def _read_rwth(path: Path, lines: Sequence[str]) -> _Read:
    sentence = 0
    for number, line in enumerate(lines, start=1):
        match = _RWTH.fullmatch(line.strip())
        if match is None and line.strip():
            raise UserError(f"{path}:{number}: expected SENT: and a number, or S or P and a link, all from 0")
        if match and match[1]:
            sentence = int(match[1])
        elif match:
            yield number, (sentence, int(match[3]), int(match[4]), match[2] == "S")


def _read_naacl(path: Path, lines: Sequence[str]) -> _Read:
    for number, line in enumerate(lines, start=1):
        match = _NAACL.fullmatch(line.strip())
        if match is None or int(match[1]) == 0:
            raise UserError(f"{path}:{number}: expected a link, sentence source target from 1, perhaps with S or P")
        sentence, source, target = (int(match[group]) for group in (1, 2, 3))
        if source and target:
            yield number, (sentence - 1, source - 1, target - 1, match[4] != "P")
