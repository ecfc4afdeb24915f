"""Where the time goes, and what each change gains: the same work with and without it, in turn.

python -m benchmarks.levers data.path=path/to/multi30k --model runs/work/TIME --exported exported/work

Trained are the sizes of work.yaml with random weights and ids. Without a change, what it replaced stands in its place.
The measured gain is how many times as fast the work is with it. The predicted one follows from the changed function
alone: at each call of one run both versions are timed, and their difference is compared with the time of the run.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils import _pytree

from benchmarks import growth
from benchmarks.bench import WORK, say
from benchmarks.changes import EXPORTED, SEARCH, TRAINING, Lever, Place
from benchmarks.full_size import batches
from benchmarks.machine import describe_machine, describe_versions, probe
from benchmarks.report import positive, table, write_results
from nmt import batched_search
from nmt.data.corpus import load_texts
from nmt.errors import UserError
from nmt.memory import keep_freed_memory
from nmt.model import decoder, seq2seq
from nmt.model.build import build_model
from nmt.model.fast import products
from nmt.recipe_file import load_recipe
from nmt.training import loss, optim
from nmt.translator import Translator

SIZES = growth.Sizes(source=18, vocab=8000, batch=64, hidden=512)
"""What is trained."""


@dataclass(frozen=True)
class Gain:
    """What a change gains.

    Attributes:
        name: of the lever.
        where: its file.
        predicted: how many times as fast the work should be, by the functions alone; None where that is not known.
        measured: how many times as fast it was, in each round.
    """

    name: str
    where: str
    predicted: float | None
    measured: list[float]


@contextmanager
def without(instead: Mapping[Place, Any]) -> Iterator[None]:
    """Within, the other versions stand in their places."""
    with ExitStack() as stack:
        for (owner, name), other in instead.items():
            stack.enter_context(patch.object(owner, name, other))
        stack.callback(products._ordered.clear)
        products._ordered.clear()  # weights in an order that the other version may not know
        yield


def measure(work: Callable[[], object], lever: Lever, rounds: int, threads: int) -> Gain:
    """Times the work with and without a change.

    Args:
        work: what is timed.
        lever: the change.
        rounds: how often, each time both ways.
        threads: in how many threads the work calls the changed functions.
    """
    predicted = _predict(work, lever, threads) if lever.predicted else None
    found = []
    with without(lever.instead):
        work()
    for number in range(rounds):
        seconds = {}
        for changed in (True, False) if number % 2 else (False, True):
            with without({} if changed else lever.instead):
                seconds[changed] = _seconds(work)
        found.append(seconds[False] / seconds[True])
    return Gain(lever.name, lever.where, predicted, found)


def _predict(work: Callable[[], object], lever: Lever, threads: int) -> float:
    """1 + what the functions save, as a share of the time of the work with the change."""
    work()
    whole = _seconds(work) * threads
    saved: list[float] = []
    with without({place: _both(getattr(*place), other, saved) for place, other in lever.instead.items()}):
        work()
    return 1 + sum(saved) / whole


def _both(now: Callable[..., Any], before: Callable[..., Any], saved: list[float]) -> Callable[..., Any]:
    """A function that times both versions at each call, on the same arguments, and gives what the present one does."""
    inside = threading.local()

    def call(*arguments: Any, **named: Any) -> Any:
        if getattr(inside, "already", False):
            return now(*arguments, **named)
        inside.already = True
        try:
            copies = _pytree.tree_map_only(Tensor, _copy, (arguments, named))
            earlier = _seconds(lambda: before(*copies[0], **copies[1])) if len(saved) % 2 else None
            start = time.perf_counter()
            result = now(*arguments, **named)
            taken = time.perf_counter() - start
            if earlier is None:
                earlier = _seconds(lambda: before(*copies[0], **copies[1]))
            saved.append(earlier - taken)
            return result
        finally:
            inside.already = False

    return call


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to_dense() if tensor.is_mkldnn else tensor.detach().clone()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def training_work(sizes: growth.Sizes = SIZES, updates: int = 4) -> Callable[[], object]:
    """Some updates on batches of sentences of up to so many words."""
    torch.manual_seed(1)
    model = build_model(sizes.model_options(), sizes.vocab, sizes.vocab).train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    given = batches(updates, sizes.batch, sizes.vocab, sizes.source)

    def work() -> None:
        for batch in given:
            nn.Module.zero_grad(model)
            found = loss.sequence_loss(model, batch)
            found.objective.backward()  # type: ignore[no-untyped-call]
            optim.scale_gradients(model.parameters(), 1 / int(found.tokens), 1.0)
            optimizer.step()

    return work


def search_work(model: Path, lines: Sequence[str]) -> Callable[[], object]:
    """A translation of lines with a beam of 5."""
    translator = Translator.load(model, "cpu", beam_size=5, batch_size=128)
    return lambda: translator.translate(lines)


def profiled(work: Callable[[], object], most: int = 8) -> list[tuple[str, float]]:
    """The operators that take most of the time, with their shares; what they call themselves is not counted."""
    with without({(batched_search, "uses_cores"): lambda _: False}):  # the profiler sees no other threads
        work()
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            work()
    operators = sorted(recorded.key_averages(), key=lambda found: -found.self_cpu_time_total)
    whole = sum(found.self_cpu_time_total for found in operators)
    return [(found.key, found.self_cpu_time_total / whole) for found in operators[:most]]


def compiled(work: Callable[[], object], rounds: int) -> dict[str, Any]:
    """What torch.compile makes of the decoder's readable step: seconds of the first run, and ratios to the fast way."""
    step = torch.compile(decoder.LuongDecoder.step, dynamic=True)
    with products.readable_steps():
        work()
        with without({(decoder.LuongDecoder, "step"): step}):
            first = _seconds(work)
    found: dict[str, list[float]] = {"to_readable": [], "to_fast": []}
    for _ in range(rounds):
        fast = _seconds(work)
        with products.readable_steps():
            plain = _seconds(work)
            with without({(decoder.LuongDecoder, "step"): step}):
                seconds = _seconds(work)
        found["to_readable"].append(plain / seconds)
        found["to_fast"].append(fast / seconds)
    return {"cold_start": first, **found}


def emptying(work: Callable[[], object]) -> float:
    """The most that waiting sentences could gain by taking the places of those that are done.

    How many times as fast a search would be if each of its steps took as long per hypothesis as those of full batches.
    """
    ours = threading.local()
    steps: list[tuple[int, float]] = []
    step = seq2seq.Seq2Seq.step

    def timed(self: Any, tokens: Tensor, *more: Any) -> Any:
        now, (rows, begin) = time.perf_counter(), getattr(ours, "last", (0, 0.0))
        if rows >= len(tokens):  # else this is a new batch, or the second step, when each sentence gets its beam
            steps.append((rows, now - begin))
        ours.last = len(tokens), now
        return step(self, tokens, *more)

    work()
    with without({(seq2seq.Seq2Seq, "step"): timed}):
        work()
    most = max(rows for rows, _ in steps)
    per_row = statistics.median(seconds / rows for rows, seconds in steps if rows > 0.9 * most)
    return sum(seconds for _, seconds in steps) / (per_row * sum(rows for rows, _ in steps))


def rows(kind: str, gains: Sequence[Any]) -> list[list[str]]:
    """The table of one kind of work: what each change should gain and did."""
    found = [[f"{kind}: change", "where", "predicted", "measured", "min", "max"]]
    for gain in gains:
        predicted = "" if gain["predicted"] is None else f"{gain['predicted']:.2f}"
        measured = [statistics.median(gain["measured"]), min(gain["measured"]), max(gain["measured"])]
        found.append([gain["name"], f"`{gain['where']}`", predicted, *(f"{ratio:.2f}" for ratio in measured)])
    return found


def profile_rows(profiles: Mapping[str, Sequence[tuple[str, float]]]) -> list[list[str]]:
    """The table of the operators that take most of the time, one pair of columns for each kind of work."""
    found = [[cell for kind in profiles for cell in (f"{kind}: operator", "% of its time")]]
    columns = [[(f"`{name}`", f"{100 * share:.0f}") for name, share in profile] for profile in profiles.values()]
    for line in zip_longest(*columns, fillvalue=("", "")):
        found.append([cell for pair in line for cell in pair])
    return found


def tried_rows(tried: Any) -> list[list[str]]:
    """The table of what is not done."""
    found = [["not done", "predicted", "measured", "min", "max"]]
    if "emptying" in tried:
        name = "waiting sentences take the places of those that are done (continuous batching): at most"
        found.append([name, f"{tried['emptying']:.2f}"])
    compiled = tried["compiled"]
    for name, key in (("the readable steps without", "to_readable"), ("the fast way", "to_fast")):
        ratios = compiled[key]
        cells = [f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))]
        found.append([f"torch.compile, {compiled['cold_start']:.0f} s at the start: against {name}", "", *cells])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    options = _parser().parse_args(arguments)
    try:
        _measure_all(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure_all(options: argparse.Namespace) -> None:
    keep_freed_memory()
    threads = torch.get_num_threads()
    kinds: dict[str, tuple[Callable[[], object], Sequence[Lever], int]] = {"training": (training_work(), TRAINING, 1)}
    if options.model or options.exported:
        data = load_recipe(WORK, options.overrides).recipe.data
        lines = load_texts(data, data.test or data.validation)[0][: options.lines]
        for kind, model, changes in (("search", options.model, SEARCH), ("exported", options.exported, EXPORTED)):
            if model:
                kinds[kind] = (search_work(model, lines), changes, threads)
    results: dict[str, Any] = {"versions": describe_versions(), "machine": describe_machine()}
    results["probe"] = probe(torch.device("cpu"))
    for kind, (work, levers, working) in kinds.items():
        results[kind] = []
        for lever in levers:
            say(f"{kind}: {lever.name}")
            results[kind].append(asdict(measure(work, lever, options.rounds, working)))
        print(table(rows(kind, results[kind])), end="\n\n", flush=True)
    results["profile"] = {kind: profiled(work) for kind, (work, _, _) in kinds.items()}
    print(table(profile_rows(results["profile"])), end="\n\n", flush=True)
    results["tried"] = {"compiled": compiled(kinds["training"][0], options.rounds)}
    if "search" in kinds:
        results["tried"]["emptying"] = emptying(kinds["search"][0])
    print(table(tried_rows(results["tried"])), end="\n\n", flush=True)
    say(f"all figures: {write_results(options.name, results)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levers", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="fields of the recipe to change, data.path=..."
    )
    parser.add_argument("--model", type=Path, help="run or bundle of the work, for the changes of the search")
    parser.add_argument("--exported", type=Path, help="what nmt export made of it, for those of exported models")
    parser.add_argument("--lines", type=positive, default=256, help="of the test set to translate each time")
    parser.add_argument("--name", default="levers", help="of the file in results/")
    parser.add_argument("--rounds", type=positive, default=7, help="of each change, each with and without it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
