"""Trains and translates the work of work.yaml with this package and its peers in turn, and prints the ratios.

python -m benchmarks.peers.compare data.path=path/to/multi30k
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.bench import WORK, say
from benchmarks.machine import describe_machine, describe_versions, probe
from benchmarks.peers.data import write_data
from benchmarks.peers.joeynmt import JoeyNMT
from benchmarks.peers.opennmt import OpenNMT
from benchmarks.peers.ours import Ours
from benchmarks.peers.toolkit import Search, Toolkit, Work
from benchmarks.process import CommandFailed
from benchmarks.report import positive, spread, table, write_results
from nmt.data.corpus import load_texts
from nmt.errors import UserError
from nmt.recipe_file import load_recipe

FOLDER = Path(__file__).parents[1] / ".peers"

Rounds = list[dict[str, Any]]
"""For each round, what was measured of each toolkit, by its name; and under `probe` the machine's rate before it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares what the command line says."""
    options = _parser().parse_args(arguments)
    try:
        _compare(options)
    except (CommandFailed, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.compare", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="fields of the recipe to change, data.path=..."
    )
    parser.add_argument("--name", default="peers", help="of the file in results/")
    parser.add_argument("--peers", nargs="+", choices=("opennmt", "joeynmt"), default=["opennmt", "joeynmt"])
    for peer in ("opennmt", "joeynmt"):
        variable = f"{peer.upper()}_VENV"
        place = Path(os.environ.get(variable) or FOLDER / peer / "venv")
        parser.add_argument(
            f"--{peer}", type=Path, default=place, help=f"its environment, made if missing; also {variable}"
        )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="data, models and logs of the comparison")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--updates", type=int, default=200, help="of a training in a round; 0: none")
    parser.add_argument(
        "--block", type=positive, default=50, help="updates that are timed together; the first block is not"
    )
    parser.add_argument(
        "--train-updates", type=positive, default=908, help="of the models that translate, trained once"
    )
    parser.add_argument("--lines", type=int, default=1000, help="of the test set to translate; 0: none")
    parser.add_argument("--batch-size", type=positive, default=128, help="of the translation")
    parser.add_argument("--single-lines", type=int, default=300, help="to translate one at a time; 0: none")
    return parser


def _compare(options: argparse.Namespace) -> None:
    work = _work(options)
    write_data(work)
    peers: dict[str, Toolkit] = {
        "opennmt": OpenNMT(work, options.opennmt.resolve()),
        "joeynmt": JoeyNMT(work, options.joeynmt.resolve()),
    }
    chosen = [peers[name] for name in options.peers]
    toolkits: list[Toolkit] = [Ours(work), *chosen]
    for toolkit in toolkits:
        say(f"setting up {toolkit.name}")
        toolkit.set_up()
    results: dict[str, Any] = {
        "begun": time.strftime("%Y-%m-%d %H:%M:%S"),
        "versions": {**describe_versions(), "toolkits": {toolkit.name: toolkit.version() for toolkit in toolkits}},
        "machine": describe_machine(),
        "recipe": work.recipe.model_dump(exclude={"data": {"path"}}),
        "train_updates": options.train_updates,
    }
    if options.updates:
        results["training"] = _rounds(
            options.rounds,
            toolkits,
            f"{options.updates} updates",
            lambda toolkit: asdict(toolkit.speed(options.updates, options.block)),
        )
    searches = [Search(beam, options.batch_size, options.lines) for beam in (5, 1) if options.lines]
    searches += [Search(beam, 1, options.single_lines) for beam in (5, 1) if options.single_lines]
    results["translation"] = {}
    partial = write_results(f"{options.name}.partial", results)  # what follows takes long, and may fail
    toolkits = [Ours(work), Ours(work, exported=True), *chosen]
    if searches:
        for toolkit in toolkits:
            say(f"training the model of {toolkit.name}, unless it is there")
            toolkit.train(options.train_updates)
    for search in searches:
        results["translation"][search.name] = _translations(options.rounds, toolkits, search)
    print(table(rows(results)))
    say(f"\nall figures: {write_results(options.name, results)}")
    partial.unlink()


def _work(options: argparse.Namespace) -> Work:
    recipe = load_recipe(WORK, options.overrides).recipe
    if recipe.data.test is None:
        raise UserError("data.test: there is no text to translate")
    sources, references = load_texts(recipe.data, recipe.data.test)
    lines = max(options.lines, options.single_lines)
    return Work(recipe, WORK, options.overrides, options.folder.resolve(), sources[:lines], references[:lines])


def _translations(rounds: int, toolkits: Sequence[Toolkit], search: Search) -> Rounds:
    return _rounds(
        rounds,
        toolkits,
        f"{search.lines} lines, {search.name}",
        lambda toolkit: {**asdict(toolkit.translate(search)), "lines": search.lines},
    )


def _rounds(
    rounds: int, toolkits: Sequence[Toolkit], what: str, measure: Callable[[Toolkit], dict[str, Any]]
) -> Rounds:
    """All toolkits in turn, several times; every other round backwards, so that none has always the same place."""
    found: Rounds = []
    for number in range(rounds):
        found.append({"probe": probe(torch.device("cpu"))})
        for toolkit in toolkits if number % 2 == 0 else reversed(toolkits):
            say(f"round {number + 1} of {rounds}: {what}, {toolkit.name}")
            found[-1][toolkit.name] = measure(toolkit)
    return found


def rows(results: dict[str, Any]) -> list[list[str]]:
    """The table: the toolkits' figures, and how many times as fast ours is, by round."""
    head = ["", "min", "median", "max", "peak MiB", "BLEU", "words a line"]
    found = [[*head, "nmt is faster by, per round", "median", "exported", "median"]]
    for title, rounds in (("training, target tokens/s", results.get("training", [])), *results["translation"].items()):
        names = [name for name in (rounds[0] if rounds else {}) if name != "probe"]
        for name in names:
            measured = [each[name] for each in rounds]
            cells = [f"{value:,.1f}" for value in spread([speed(each) for each in measured]).values()]
            cells += [f"{max(each['peak_mib'] for each in measured):,.0f}"]
            last = measured[-1]
            cells += [f"{last['bleu']:.1f}", f"{last['words'] / last['lines']:.1f}"] if "bleu" in last else ["", ""]
            for ours in [ours for ours in ("nmt", "nmt, exported") if ours in names and not name.startswith("nmt")]:
                ratios = [speed(each[ours]) / speed(each[name]) for each in rounds]
                cells += [" ".join(f"{ratio:.2f}" for ratio in ratios), f"{statistics.median(ratios):.2f}"]
            found.append([f"{_title(title)}: {name}", *cells])
    return found


def speed(measured: dict[str, Any]) -> float:
    """Target tokens per second of a training, lines per second of a translation."""
    if "rates" in measured:
        return float(statistics.median(measured["rates"]))
    return float(measured["lines"] / measured["seconds"])


def _title(search: str) -> str:
    return search if search.startswith("training") else f"{search}, lines/s"


if __name__ == "__main__":
    sys.exit(main())
