"""Figures by the protocols of others: LIUM-CVC's, that of bentrevett/pytorch-seq2seq, and Tatoeba."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reproduction.differences import trained_with
from reproduction.files import PROTOCOL, Result, read_json
from reproduction.tables import MISSING, described, markdown

_LIUM = "lium-lst/wmt17-mmt README; Caglayan et al. 2017, arXiv 1707.04481; one run"
_BENTREVETT = "bentrevett/pytorch-seq2seq, GRU with Bahdanau's attention; one run"


@dataclass(frozen=True)
class Bar:
    """A published figure, and what of ours is measured in the same way.

    Attributes:
        row: name of ours.
        where: the set among its scores.
        value: theirs.
        wanted: what ours was to reach.
    """

    row: str
    where: str
    value: float
    wanted: float


_BARS = (
    Bar("lium-en-de", "test", 39.00, 39.00),
    Bar("lium-en-de", "test2017", 31.25, 31.25),
    Bar("lium-en-fr", "test", 59.02, 59.0),
    Bar("lium-en-fr", "test2017", 51.93, 51.9),
)


_HEAD = """## By the protocols of others

LIUM-CVC's text-only rows: Multi30k tokenized and lower-cased by its authors, scored as it is; theirs is BLEU as
coco-metrics has it, ours is sacreBLEU's of the same tokens. The rows are named by the protocol; what was trained stands
below the table. The row of bentrevett/pytorch-seq2seq, whose search is greedy, so
that our greedy score decides: German to English, lower-cased tokens of spaCy, BLEU-4 without smoothing; ours is the
model.
"""


def protocols(results: Sequence[Result], folder: Path) -> str:
    """The section."""
    heading = ["row", "set", "theirs", "wanted of ours", "ours, beam", "greedy", "", "signature", "source"]
    bentrevett = read_json(folder / PROTOCOL)
    rows = [*(row for bar in _BARS for row in _of_lium(bar, results)), _of_bentrevett(bentrevett)]
    trained = [f"- `{run['row']}`, seed {run['seed']}: {_description(run)}" for run in results if _is_other(run)]
    if bentrevett:
        made = f"`{bentrevett['recipe']}`, seed {bentrevett['seed']}; commit `{bentrevett['commit']}`"
        trained.append(f"- bentrevett/pytorch-seq2seq: {made}.")
    return "\n".join([_HEAD, markdown([heading, *rows]), "", *([*trained, ""] if trained else []), _tatoeba(results)])


def _of_lium(bar: Bar, results: Sequence[Result]) -> list[list[str]]:
    runs = [run for run in results if run["row"] == bar.row]
    start = [f"`{bar.row}`", "test2016" if bar.where == "test" else bar.where, f"{bar.value:.2f}", f"≥ {bar.wanted:g}"]
    found = [run["test"] if bar.where == "test" else run.get("sets", {}).get(bar.where) for run in runs]
    rows = [
        [
            *start,
            *_ours(score["beam"]["bleu"], score["greedy"]["bleu"], score["beam"]["bleu"] >= bar.wanted),
            _signature(score),
            _LIUM,
        ]
        for score in found
        if score
    ]
    return rows or [[*start, MISSING, "", "", "", _LIUM]]


def _signature(scores: Mapping[str, Any]) -> str:
    return f"`{scores['beam']['signatures']['bleu']}`"


def _of_bentrevett(found: Result | None) -> list[str]:
    start = ["bentrevett/pytorch-seq2seq", "test2016", "28.30", "≥ 34.3"]
    if found is None:
        return [*start, MISSING, "", "", "", _BENTREVETT]
    ours = _ours(found["bleu"], found["greedy"], found["greedy"] >= 34.3)
    return [*start, *ours, f"`{found['signature']}`, spaCy {found['spacy']}", _BENTREVETT]


def _ours(bleu: float, greedy: float, reached: bool) -> list[str]:
    return [f"{bleu:.2f}", f"{greedy:.2f}", "reached" if reached else "missed"]


def _tatoeba(results: Sequence[Result]) -> str:
    rows = [["direction", "seed", "BLEU, beam", "greedy", "chrF", "hours", "signatures"]]
    for run in (run for run in results if run["row"] == "tatoeba"):
        beam, greedy = run["test"]["beam"], run["test"]["greedy"]
        scores = [f"{beam['bleu']:.2f}", f"{greedy['bleu']:.2f}", f"{beam['chrf']:.2f}", f"{run['seconds'] / 3600:.1f}"]
        signatures = ", ".join(f"`{beam['signatures'][name]}`" for name in ("bleu", "chrf"))
        rows.append([f"{run['source']}→{run['target']}", str(run["seed"]), *scores, signatures])
    if len(rows) == 1:
        return "### Tatoeba\n\nNot yet trained.\n"
    return f"### Tatoeba\n\n`recipes/tatoeba/de-en.yaml`, on its test split.\n\n{markdown(rows)}\n"


def _is_other(run: Result) -> bool:
    return any(bar.row == run["row"] for bar in _BARS) or run["row"] == "tatoeba"


def _description(run: Result) -> str:
    changed = described(trained_with(run))
    text = "" if run["row"] == "tatoeba" else ", LIUM-CVC's tokenized text"
    trained = f"`{run['recipe']}`{f' with {changed}' if changed else ''}, {run['source']}→{run['target']}{text}"
    cost = f"{run['parameters']:,} parameters, {run['seconds'] / 60:.0f} minutes"
    return f"{trained}; {cost}; commit `{run['commit']}`."
