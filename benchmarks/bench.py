"""Trains and translates the work of work.yaml and prints one table; all figures go to results/NAME.json.

python -m benchmarks.bench data.path=path/to/multi30k --model runs/work/2026-01-01_12-00-00
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, describe_versions
from benchmarks.process import CommandFailed, run, run_module
from benchmarks.report import positive, spread, table, write_results
from nmt.bundle import find_bundle
from nmt.errors import UserError

WORK = Path(__file__).parent / "work.yaml"
BEAMS = {"greedy": 1, "beam 5": 5}
PARTS = ("training", "translation", "single", "start", "file")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    options = _parser().parse_args(arguments)
    parts = list(options.parts)
    if options.model is None and "training" not in parts:
        say(f"--parts {' '.join(parts)}: give the model of this work: --model runs/work/TIME")
        return 2
    if options.model is None and parts != ["training"]:
        say("no --model: only training is measured; a model of this work: nmt train benchmarks/work.yaml")
        parts = ["training"]
    results: dict[str, Any] = {"begun": time.strftime("%Y-%m-%d %H:%M:%S")}
    try:
        if options.model is not None:
            find_bundle(options.model)
        for part in parts:
            results[part] = _MEASURES[part](options)
    except (CommandFailed, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    results = {"versions": describe_versions(), "machine": describe_machine(), **results}
    print(table(rows(results)))
    say(f"\nall figures: {write_results(options.name, results)}")
    return 0


def say(text: str) -> None:
    """Tells the person how far it is."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="fields of the recipe to change, data.path=..."
    )
    parser.add_argument("--recipe", type=Path, default=WORK, help="other work than that of work.yaml")
    parser.add_argument("--model", type=Path, help="a finished run of this work, or its bundle; else only training")
    parser.add_argument("--name", default="bench", help="of the file in results/")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--blocks", type=positive, default=8, help="of training")
    parser.add_argument("--updates", type=positive, default=50, help="in a block")
    parser.add_argument("--warm-up", type=int, default=20, help="updates before the first block")
    parser.add_argument("--lines", type=positive, default=1000, help="of the test set to translate")
    parser.add_argument("--rounds", type=positive, default=3, help="of each translation")
    parser.add_argument("--batch-sizes", type=positive, nargs="+", default=[64, 128, 256])
    parser.add_argument("--single-lines", type=positive, default=200, help="to translate one at a time")
    parser.add_argument("--starts", type=positive, default=5, help="of the whole program")
    parser.add_argument(
        "--file-lines", type=positive, nargs=2, default=[20_000, 100_000], help="of a short and a large file"
    )
    return parser


def _training(options: argparse.Namespace) -> Any:
    say(f"training: {options.blocks} blocks of {options.updates} updates")
    sizes = ["--blocks", options.blocks, "--updates", options.updates, "--warm-up", options.warm_up]
    finished = run_module("training", str(options.recipe.resolve()), *map(str, [*options.overrides, *sizes]))
    return {**finished.result(), "wall_seconds": finished.seconds}


def _translation(options: argparse.Namespace) -> Any:
    return {
        name: [_translate(options, name, size, options.lines, options.rounds) for size in options.batch_sizes]
        for name in BEAMS
    }


def _single(options: argparse.Namespace) -> Any:
    return {name: _translate(options, name, 1, options.single_lines, 1) for name in BEAMS}


def _translate(options: argparse.Namespace, search: str, batch_size: int, lines: int, rounds: int) -> Any:
    say(f"translation, {search}: " + (f"batches of {batch_size}" if batch_size > 1 else "one line at a time"))
    arguments = ["--model", options.model.resolve(), "--beam", BEAMS[search], "--batch-size", batch_size]
    arguments += ["--lines", lines, "--rounds", rounds, *(["--single"] if batch_size == 1 else [])]
    module = [str(options.recipe.resolve()), *map(str, [*options.overrides, *arguments])]
    return run_module("translation", *module).result()


def _start(options: argparse.Namespace) -> Any:
    """One line through `nmt translate`, from the start of the process to its end; the files are in the disk cache."""
    say("start: one line through nmt translate")
    finished = [run(_translate_command(options), "Ein Hund rennt über die Wiese.\n") for _ in range(options.starts)]
    return {"seconds": [each.seconds for each in finished], "peak_mib": max(each.largest_mib for each in finished)}


def _file(options: argparse.Namespace) -> Any:
    """A short and a large file through `nmt translate`, the test set again and again."""
    from nmt.data.corpus import load_texts
    from nmt.recipe_file import load_recipe

    data = load_recipe(options.recipe, options.overrides).recipe.data
    lines, _ = load_texts(data, data.test or data.validation)
    found = []
    for size in options.file_lines:
        say(f"file: {size:,} lines through nmt translate")
        text = "".join(line + "\n" for line in itertools.islice(itertools.cycle(lines), size))
        finished = run(_translate_command(options), text)
        found.append({"lines": size, "seconds": finished.seconds, "peak_mib": finished.largest_mib})
    return found


def _translate_command(options: argparse.Namespace) -> list[str]:
    return [sys.executable, "-m", "nmt.cli", "translate", "--model", str(options.model.resolve()), "--device", "cpu"]


_MEASURES = {"training": _training, "translation": _translation, "single": _single, "start": _start, "file": _file}


def rows(results: dict[str, Any]) -> list[list[str]]:
    """The table: each figure with the least, the median and the greatest of its blocks, rounds or lines."""
    found = [["", "min", "median", "max", "peak MiB", "of torch.mm", "of the best"]]
    if "training" in results:
        found += _training_rows(results["training"])
    for name, runs in results.get("translation", {}).items():
        found.append(_translation_row(name, runs))
    for name, measured in results.get("single", {}).items():
        waits = sorted(1000 * seconds for seconds in measured["waits"])
        percentiles = statistics.quantiles(waits, n=20, method="inclusive")
        found.append([f"one line, {name}: p50, p95, most, ms", f"{statistics.median(waits):.1f}"])
        found[-1] += [f"{percentiles[-1]:.1f}", f"{waits[-1]:.1f}", f"{measured['peak_mib']:,.0f}"]
    if "start" in results:
        seconds = _cells([*results["start"]["seconds"]], 2)
        found.append(["nmt translate, one line, seconds", *seconds, f"{results['start']['peak_mib']:,.0f}"])
    for measured in results.get("file", []):
        rate = f"{measured['lines'] / measured['seconds']:,.0f}"
        found.append([f"file of {measured['lines']:,} lines, lines/s", "", rate, "", f"{measured['peak_mib']:,.0f}"])
    return found + _probe_rows(results)


def _training_rows(measured: Any) -> list[list[str]]:
    blocks = measured["blocks"]
    rates = [block["target_tokens"] / block["seconds"] for block in blocks]
    per_token = sum(block["operations"] for block in blocks) / sum(block["target_tokens"] for block in blocks) / 1e6
    reached = fractions([block["operations"] / block["seconds"] / 1e9 for block in blocks], measured["probes"])
    speeds = [block["operations"] / block["seconds"] / 1e9 for block in blocks]
    return [
        ["training, target tokens/s", *_cells(rates), f"{measured['peak_mib']:,.0f}", *reached],
        ["training, GFLOP/s", *_cells(speeds)],
        ["training, MFLOP per target token", "", f"{per_token:.1f}", ""],
        ["training, target padding, %", "", f"{100 * padding(blocks):.1f}", ""],
        ["parameters, millions", "", f"{measured['parameters'] / 1e6:.2f}", ""],
    ]


def padding(blocks: Sequence[Any]) -> float:
    """What share of the places in the batches of a training held no target token."""
    tokens, places = (sum(each[key] for each in blocks) for key in ("target_tokens", "padded_target_tokens"))
    return float(1 - tokens / places)


def _translation_row(name: str, runs: Any) -> list[str]:
    """The batch size that was fastest."""
    best = max(runs, key=lambda measured: statistics.median(lines_per_second(measured)))
    rounds = best["rounds"]
    reached = fractions([each["operations"] / each["seconds"] / 1e9 for each in rounds], best["probes"])
    if best["exported"]:  # it does less arithmetic, and in 8 bits
        reached = []
    title = f"{name}, batches of {best['search']['batch_size']}, sentences/s (BLEU {best['bleu']:.1f})"
    return [title, *_cells(lines_per_second(best)), f"{best['peak_mib']:,.0f}", *reached]


def lines_per_second(measured: Any) -> list[float]:
    """The rate of each round of a translation."""
    return [each["lines"] / each["seconds"] for each in measured["rounds"]]


def fractions(speeds: Sequence[float], probes: Sequence[Any]) -> list[str]:
    """The `shares` as per cent."""
    return [f"{100 * share:.0f} %" for share in shares(speeds, probes)]


def shares(speeds: Sequence[float], probes: Sequence[Any]) -> tuple[float, float]:
    """What share of the matrix product's rate was reached, of `torch.mm` and of the better of it and oneDNN.

    Args:
        speeds: GFLOP/s of blocks, in order.
        probes: one before each block and one after the last.
    """
    of_mm, of_best = [], []
    for number, speed in enumerate(speeds):
        around = probes[number : number + 2]
        mm = statistics.median(rate for each in around for rate in each["mm"])
        onednn = [rate for each in around for rate in each["onednn"]]
        of_mm.append(speed / mm)
        of_best.append(speed / max(mm, statistics.median(onednn) if onednn else 0.0))
    return statistics.median(of_mm), statistics.median(of_best)


def _probe_rows(results: dict[str, Any]) -> list[list[str]]:
    training = results.get("training", {})
    translations = [measured for runs in results.get("translation", {}).values() for measured in runs]
    translations += results.get("single", {}).values()
    probes = training.get("probes", []) + [each for measured in translations for each in measured["probes"]]
    found = []
    for title, chosen in (("all threads", probes), ("one thread", training.get("probes_one_thread", []))):
        for name, key in (("torch.mm", "mm"), ("oneDNN", "onednn")):
            rates = [rate for each in chosen for rate in each[key]]
            if rates:
                found.append([f"2048³ product, {name}, {title}, GFLOP/s", *_cells(rates)])
    return found


def _cells(values: Sequence[float], digits: int = 0) -> list[str]:
    return [f"{value:,.{digits}f}" for value in spread(values).values()]


if __name__ == "__main__":
    sys.exit(main())
