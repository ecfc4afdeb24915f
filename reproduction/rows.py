"""The page's tables of the rows: scores, BLEU by length, other searches, gradients."""

import statistics
from collections.abc import Iterable, Sequence
from functools import cache

from nmt.published import shown
from nmt.recipe.published import PublishedFigure
from nmt.recipe_file import load_recipe
from reproduction.claims import TRAINED, Direction
from reproduction.differences import difference, trained_with
from reproduction.files import ROOT, Result
from reproduction.searches import SEARCHES
from reproduction.tables import MISSING, described, markdown, mean_and_each, number

_RECIPES = ROOT / "recipes" / "multi30k"
_LANGUAGES = {"de": "German", "en": "English"}
_GRADIENTS = ("rnn", "gru", "feed")
_DISTANCES = (1, 2, 5, 10, 15, 20, 25, 30)


def of_row(results: Iterable[Result], row: str, direction: Direction) -> list[Result]:
    """The runs of a row in one direction, by their seeds."""
    found = (each for each in results if (each["row"], each["source"], each["target"]) == (row, *direction))
    return sorted(found, key=lambda result: int(result["seed"]))


def named(direction: Direction) -> str:
    """In words, as a heading has it."""
    return " to ".join(_LANGUAGES[language] for language in direction)


def between(direction: Direction) -> str:
    """In signs, as a table has it."""
    return "→".join(direction)


def rows_table(results: Sequence[Result], direction: Direction) -> str:
    """Every row in one direction, and which are missing."""
    header = ["row", "differs from", "in these fields", "BLEU, beam 5", "greedy", "chrF", "perplexity"]
    runs = {row: of_row(results, row, direction) for row in TRAINED[direction]}
    missing = ", ".join(f"`{row}`" for row, found in runs.items() if not found)
    rows = [_row(row, found, direction) for row, found in runs.items()]
    changed = [
        f"- `{result['row']}`, seed {result['seed']}, was trained with {described(other)}."
        for found in runs.values()
        for result in found
        if (other := trained_with(result))
    ]
    return "\n".join(
        [
            f"## {named(direction)}\n",
            *([f"Not yet trained: {missing}.\n"] if missing else []),
            markdown([[*header, "parameters", "minutes", "target tokens/s", "theirs"], *rows]),
            "\nMean of the seeds, and in brackets each. Minutes and speed are those of whatever machine it was.\n",
            *([*changed, ""] if changed else []),
        ]
    )


def _row(row: str, runs: Sequence[Result], direction: Direction) -> list[str]:
    theirs = "; ".join(f"{figure.value:.2f} ({figure.source})" for figure in _published(row, direction))
    base, fields = difference(_RECIPES / f"{row}.yaml")
    about = [f"`{row}`", f"`{base}`" if base else "", described(fields)]
    if not runs:
        return [*about, MISSING, *[""] * 6, theirs]
    first, tests = runs[0], [run["test"] for run in runs]
    return [
        *about,
        mean_and_each([test["beam"]["bleu"] for test in tests]),
        mean_and_each([test["greedy"]["bleu"] for test in tests]),
        mean_and_each([test["beam"]["chrf"] for test in tests]),
        mean_and_each([test["perplexity"] for test in tests]),
        f"{first['parameters']:,}",
        f"{statistics.mean(run['seconds'] for run in runs) / 60:.0f}",
        f"{statistics.mean(run['target_tokens_per_second'] for run in runs):,.0f}",
        theirs,
    ]


def published_figures() -> str:
    """What the published figures of all rows are, by their sources."""
    figures = [figure for direction, rows in TRAINED.items() for row in rows for figure in _published(row, direction)]
    lines = dict.fromkeys(f"- {figure.source}: {figure.metric}" for figure in figures)
    return "\n".join(["Theirs, in the tables, is of another test set or scored in another way:\n", *lines, ""])


@cache
def _published(row: str, direction: Direction) -> list[PublishedFigure]:
    source, target = direction
    return shown(load_recipe(_RECIPES / f"{row}.yaml", [f"data.source={source}", f"data.target={target}"]).recipe)


def length_table(results: Sequence[Result], direction: Direction) -> str:
    """BLEU by length of the source; empty without results."""
    tests = {
        row: [run["test"]["bleu_by_source_length"] for run in of_row(results, row, direction)]
        for row in TRAINED[direction]
    }
    tests = {row: found for row, found in tests.items() if found}
    if not tests:
        return ""
    lines = {span: at["lines"] for found in tests.values() for by in found for span, at in by.items()}
    spans = sorted(lines, key=lambda span: int(span.partition("-")[0].rstrip("+")))
    rows = [
        [f"`{row}`", *(number([by[span]["bleu"] for by in found if span in by]) for span in spans)]
        for row, found in tests.items()
    ]
    heading = ["row", *(f"{span} ({lines[span]})" for span in spans)]
    title = f"### BLEU by length of the source, {named(direction)}\n"
    return "\n".join([title, markdown([heading, *rows]), "\nWords (number of lines); beam, mean of the seeds.\n"])


def searches_table(results: Sequence[Result], direction: Direction) -> str:
    """BLEU of every search, and what unknown words are in it; empty without results."""
    found = {row: [run for run in of_row(results, row, direction) if "searches" in run] for row in TRAINED[direction]}
    rows = [
        [
            f"`{row}`",
            *(
                number([run["searches"]["bleu"][name] for run in runs if name in run["searches"]["bleu"]])
                for name in SEARCHES
            ),
            number([run["unknown_words"] for run in runs], "{:.0f}"),
            number([run["test"]["no_unk"]["bleu"] for run in runs if "no_unk" in run["test"]]),
            number([run["test"]["no_unk"]["lines"] for run in runs if "no_unk" in run["test"]], "{:.0f}"),
        ]
        for row, runs in found.items()
        if runs
    ]
    if not rows:
        return ""
    title = f"### Every search, {named(direction)}\n"
    text = (
        "\nBLEU, mean of the seeds; the length penalty is 1 where nothing else is said. Unknown words: in the "
        "translations of a beam of 5. No-UNK: of the lines without an unknown word in source and reference, translated "
        "without one (Bahdanau et al. 2015, table 1).\n"
    )
    return "\n".join([title, markdown([["row", *SEARCHES, "unknown words", "no-UNK", "lines"], *rows]), text])


def gradients_table(results: Sequence[Result]) -> str:
    """Gradient norms of the cells by distance; empty without results."""
    rows = [
        [f"`{run['row']}`", between(direction), str(run["seed"]), *_relative(run["gradients"])]
        for direction in TRAINED
        for row in _GRADIENTS
        for run in of_row(results, row, direction)
        if run.get("gradients")
    ]
    if not rows:
        return ""
    text = (
        "### How far back a decoder learns\n\nNorm of the gradient of one target word's loss with respect to the word "
        "that the decoder read so many words before the last one, relative to that of the last one (Pascanu et al. "
        "2013, section 2), for the plain tanh network, GRU and LSTM.\n"
    )
    return "\n".join([text, markdown([["row", "direction", "seed", *map(str, _DISTANCES)], *rows]), ""])


def _relative(norms: Sequence[float]) -> list[str]:
    return [f"{norms[at] / norms[0]:.2g}" if at < len(norms) else "" for at in _DISTANCES]
