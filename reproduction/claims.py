"""What the papers say is better than what, and the rule by which our numbers decide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nmt.report.significance import LEVEL
from reproduction.significance import Difference

Verdict = Literal["holds", "no difference", "does not hold", "not yet trained"]

RULE = (
    "An ordering **holds** if what should be better is better and the difference is more than chance (p < "
    f"{LEVEL:g}, paired bootstrap) in every pair of seeds; it **does not hold** if the same is so the other way round; "
    "all else is **no difference** shown. The p is sacreBLEU's, one-sided in effect: of two equal systems one or the "
    "other is better so in 5 % of cases."
)

Direction = tuple[str, str]
"""The languages of source and target."""

ROWS = (
    "encoder-decoder",
    "reverse",
    "dropout",
    "global-location",
    "global-dot",
    "global-general",
    "global-concat",
    "feed",
    "local-m",
    "local-p",
    "bidirectional",
    "gru",
    "rnn",
    "rnnencdec",
    "bahdanau",
)
"""The classical rows, files of recipes/multi30k."""

TRAINED: dict[Direction, tuple[str, ...]] = {
    ("de", "en"): ROWS,
    # Those of Luong et al. 2015, table 1, which is of these languages; the cells; an encoder of both directions.
    ("en", "de"): (
        "encoder-decoder",
        "reverse",
        "dropout",
        "global-location",
        "global-general",
        "feed",
        "local-p",
        "bidirectional",
        "gru",
        "rnn",
    ),
}
"""The rows of each direction, which the page says are missing until they are there."""


@dataclass(frozen=True)
class Pair:
    """Two things of which a paper says that the first is better.

    Attributes:
        better: a row, or a search of `row`.
        worse: the same.
        paper: the paper's figures of both; empty where it was not read there.
        row: whose model searches in both ways; None if two rows are compared.
    """

    better: str
    worse: str
    paper: str = ""
    row: str | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        """Those that it takes."""
        return (self.row,) if self.row else (self.better, self.worse)


@dataclass(frozen=True)
class Claim:
    """An ordering of a paper.

    Attributes:
        key: what it is called in remarks.yaml.
        title: in a few words.
        statement: what the papers say, and where.
        pairs: those that we compare.
        by_length: whether the gain on long sources is compared with that on short ones, instead of the scores.
    """

    key: str
    title: str
    statement: str
    pairs: tuple[Pair, ...]
    by_length: bool = False


@dataclass(frozen=True)
class Evidence:
    """One comparison of two finished runs, or of two searches of one.

    Attributes:
        seeds: of the run, or of both.
        of: BLEU, or gains in BLEU, of what should be better and of what should be worse.
    """

    seeds: str
    of: Difference


def verdict(found: Sequence[Evidence]) -> Verdict:
    """What `RULE` says of the comparisons of one pair."""
    if not found:
        return "not yet trained"
    sure = all(each.of.p < LEVEL for each in found)
    if sure and all(each.of.better > each.of.worse for each in found):
        return "holds"
    if sure and all(each.of.better < each.of.worse for each in found):
        return "does not hold"
    return "no difference"


_ATTENTION = (
    Pair("global-location", "dropout", "16.8 and 14.0"),
    Pair("global-general", "dropout"),
    Pair("bahdanau", "rnnencdec", "26.75 and 17.82"),
)
_SEARCHED = ("feed", "local-p", "bahdanau")


def _of_searches(better: str, worse: str) -> tuple[Pair, ...]:
    return tuple(Pair(better, worse, row=row) for row in _SEARCHED)


CLAIMS = (
    Claim(
        "attention",
        "Attention against none",
        "Better with attention: Bahdanau et al. 2015, table 1 (RNNsearch-50 and RNNencdec-50, WMT14 en-fr); Luong et "
        "al. 2015, table 1 (WMT14 en-de).",
        _ATTENTION,
    ),
    Claim(
        "attention-by-length",
        "Attention against none, by length of the source",
        "Without attention translations become worse as sentences grow, with it they do not: Bahdanau et al. 2015, "
        "figure 2; Luong et al. 2015, figure 6. So attention gains more on long sources than on short ones.",
        tuple(replace(pair, paper="") for pair in _ATTENTION),
        by_length=True,
    ),
    Claim(
        "reversal",
        "The source reversed, for an encoder of one direction",
        "Better reversed: Luong et al. 2015, table 1.",
        (Pair("reverse", "encoder-decoder", "12.6 and 11.3"),),
    ),
    Claim(
        "dropout",
        "Dropout",
        "Better with it: Luong et al. 2015, table 1.",
        (Pair("dropout", "reverse", "14.0 and 12.6"),),
    ),
    Claim(
        "feed",
        "Input feeding",
        "Better with it: Luong et al. 2015, table 1, there with the score location.",
        (Pair("feed", "global-general", "18.1 and 16.8"),),
    ),
    Claim(
        "local-p",
        "Local attention with a predicted window against global",
        "Better local: Luong et al. 2015, table 4, score general.",
        (Pair("local-p", "feed", "19.0 and 17.3"),),
    ),
    Claim(
        "local-m",
        "Local attention with a window that moves on against global",
        "Better local: Luong et al. 2015, table 4, score general.",
        (Pair("local-m", "feed", "18.6 and 17.3"),),
    ),
    Claim(
        "scores",
        "Scores of global attention",
        "dot before location before general: Luong et al. 2015, table 4, there with input feeding. concat does poorly "
        "in that paper (perplexity 6.7 beside 6.1 of general), where part of its matrix was held fast.",
        (
            Pair("global-dot", "global-location", "18.6 and 18.1"),
            Pair("global-dot", "global-general", "18.6 and 17.3"),
            Pair("global-location", "global-general", "18.1 and 17.3"),
            Pair("global-general", "global-concat"),
        ),
    ),
    Claim(
        "unknown",
        "Unknown words replaced by the source word that they look at",
        "Better replaced: Luong et al. 2015, tables 1 and 4; there location has input feeding, and a step's attention "
        "is that of the word it reads for scores that compare states (footnote 14). In our models it is that of the "
        "word it predicts ([alignments](alignments.md#whose-alignment-a-step-is)), which is what is compared here; the "
        "other reading stands beside it in the tables of every search.",
        (
            Pair("beam 5, replaced, predicted", "beam 5", "20.9 and 19.0", "local-p"),
            Pair("beam 5, replaced, predicted", "beam 5", "19.1 and 17.3", "feed"),
            Pair("beam 5, replaced, predicted", "beam 5", "19.3 and 18.1", "global-location"),
        ),
    ),
    Claim(
        "cells",
        "LSTM, GRU and the plain tanh network",
        "LSTM before GRU before the plain network: Britz et al. 2017, table 3, by notes on the paper.",
        (Pair("feed", "gru"), Pair("gru", "rnn"), Pair("feed", "rnn")),
    ),
    Claim(
        "beam",
        "A beam against greedy search",
        "Beams of 5 and 10 are better than greedy search: Britz et al. 2017, table 7, by notes on the paper.",
        (*_of_searches("beam 5", "beam 1"), *_of_searches("beam 10", "beam 1")),
    ),
    Claim(
        "wide-beam",
        "A beam that is too wide",
        "A beam of 100 is worse than one of 10: Britz et al. 2017, table 7, by notes on the paper; ours is of 50.",
        _of_searches("beam 10", "beam 50"),
    ),
    Claim(
        "length-penalty",
        "Length penalty",
        "A beam of 10 is better with a penalty of 1 than without: Britz et al. 2017, table 7, by notes on the paper.",
        _of_searches("beam 10", "beam 10, penalty 0"),
    ),
)
