"""BLEU and speed of models of several sizes, for one plot with the peers' points.

python -m benchmarks.quality data.path=path/to/multi30k --models "work=runs/work/TIME" "work, exported=exported/work"

The points of all toolkits after the same few updates come from results/peers.json. As there, every round has a process
of its own, without a warm-up.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import BEAMS, WORK, lines_per_second, say
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.process import CommandFailed, run_module
from benchmarks.report import RESULTS, positive, table, write_results
from nmt.errors import UserError


@dataclass(frozen=True)
class Point:
    """One model and one kind of search.

    Attributes:
        name: of model and search.
        parameters: in millions; 0 where they are not known.
        bleu: on the lines that were translated.
        speed: lines per second.
    """

    name: str
    parameters: float
    bleu: float
    speed: float


def points(results: Any) -> dict[str, list[Point]]:
    """The points of the plot, by kind: our models as trained and as exported, and each toolkit of the comparison."""
    found: dict[str, list[Point]] = defaultdict(list)
    for name, searches in results["models"].items():
        for search, measured in searches.items():
            first = measured[0]
            kind = "nmt, exported" if first["exported"] else "nmt"
            speed = statistics.median(rate for each in measured for rate in lines_per_second(each))
            found[kind].append(Point(f"{name}, {search}", first["parameters"] / 1e6, first["bleu"], speed))
    for search, rounds in results["peers"].items():
        for toolkit in [toolkit for toolkit in rounds[0] if toolkit != "probe"]:
            speed = statistics.median(each[toolkit]["lines"] / each[toolkit]["seconds"] for each in rounds)
            kind = f"{toolkit}, {results['updates']} updates"
            found[kind].append(Point(f"{kind}, {search}", 0.0, rounds[-1][toolkit]["bleu"], speed))
    return dict(found)


def rows(results: Any) -> list[list[str]]:
    """The points as a table, the fastest last."""
    found = [["model, search", "parameters, millions", "BLEU", "lines/s"]]
    for point in sorted((point for kind in points(results).values() for point in kind), key=lambda point: point.speed):
        parameters = f"{point.parameters:.1f}" if point.parameters else ""
        found.append([point.name, parameters, f"{point.bleu:.1f}", f"{point.speed:,.0f}"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    options = _parser().parse_args(arguments)
    try:
        models = {}
        for named in options.models:
            name, is_named, model = named.partition("=")
            if not is_named:
                raise UserError(f"--models {named}: expected NAME=FOLDER")
            models[name] = {
                search: [_translate(options, Path(model), beam) for _ in range(options.rounds)]
                for search, beam in BEAMS.items()
            }
    except (CommandFailed, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    head = {"versions": describe_versions(), "machine": describe_machine()}
    results = {**head, "models": models, **_peers()}
    print(table(rows(results)))
    say(f"\nall figures: {write_results(options.name, results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="fields of the recipe to change, data.path=..."
    )
    parser.add_argument("--models", nargs="+", metavar="NAME=FOLDER", required=True, help="runs or bundles")
    parser.add_argument("--name", default="quality", help="of the file in results/")
    parser.add_argument("--lines", type=positive, default=1000, help="of the test set to translate")
    parser.add_argument("--rounds", type=positive, default=3, help="of each translation")
    return parser


def _translate(options: argparse.Namespace, model: Path, beam: int) -> Any:
    say(f"{model}, beam {beam}")
    arguments = ["--model", model.resolve(), "--beam", beam, "--lines", options.lines, "--rounds", 1, "--warm-up", 0]
    return run_module("translation", *map(str, [WORK, *options.overrides, *arguments])).result()


def _peers() -> dict[str, Any]:
    """The translations of many lines together in the comparison, and the updates of its models."""
    path = RESULTS / "peers.json"
    if not path.exists():
        return {"peers": {}, "updates": 0}
    found = json.loads(path.read_text(encoding="utf-8"))
    together = {name.partition(",")[0]: rounds for name, rounds in found["translation"].items() if "batches" in name}
    return {"peers": together, "updates": found["train_updates"]}


if __name__ == "__main__":
    sys.exit(main())
