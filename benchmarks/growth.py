"""How the cost of a training step and of a search grows with each size, beside the arithmetic that they need.

python -m benchmarks.growth

Weights and ids are random; a search is made to go on to the length that is asked for. Whatever takes more time per
operation at a large size than at a smaller one grows faster than its arithmetic, and is marked.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.bench import say
from benchmarks.machine import describe_machine, describe_versions, probe
from benchmarks.operations import TRAINING, Costs, costs
from benchmarks.report import positive, table, write_results
from nmt.data.batch import Batch, make_batch
from nmt.memory import keep_freed_memory
from nmt.model.build import build_model
from nmt.model.seq2seq import Seq2Seq
from nmt.preparation import Preparation
from nmt.recipe.model import ModelOptions
from nmt.recipe.search import SearchOptions
from nmt.tokenizer import EOS, Tokenizer, TokenizerPair
from nmt.training.loss import sequence_loss
from nmt.translator import Translator

MARK = 1.25  # times the time per operation of a smaller size


@dataclass(frozen=True)
class Sizes:
    """What is varied, one at a time; the defaults are what the others have meanwhile.

    Attributes:
        source: tokens of every source, the end included.
        target: tokens of every target, the end included.
        vocab: pieces of the output layer.
        beam: hypotheses of a search.
        batch: sentences together.
        hidden: units of the decoder, and of the encoder's two directions together.
    """

    source: int = 20
    target: int = 20
    vocab: int = 8000
    beam: int = 5
    batch: int = 32
    hidden: int = 256

    def model_options(self) -> ModelOptions:
        """The work's model, but for its width."""
        return ModelOptions(embedding_size=256, hidden_size=self.hidden, dropout=0.3)

    def operations(self, model_costs: Costs, hypotheses: int = 1) -> int:
        """Of one forward pass."""
        return model_costs.forward([self.source] * self.batch, [self.target] * self.batch, hypotheses)


AXES: dict[str, Sequence[int]] = {
    "source": (10, 25, 50, 100, 200, 400),
    "target": (10, 25, 50, 100, 200, 400),
    "vocab": (1000, 5000, 10_000, 20_000, 50_000),
    "beam": (1, 2, 5, 10, 20, 50),
    "batch": (1, 4, 16, 64, 256, 512),
    "hidden": (128, 256, 512, 1024),
}


@dataclass(frozen=True)
class Point:
    """One size of one axis.

    Attributes:
        value: of the size.
        seconds: the shortest time.
        all_seconds: every time.
        operations: the arithmetic.
        picoseconds: per operation.
        faster: whether the time grew faster than the arithmetic up to here.
    """

    value: int
    seconds: float
    all_seconds: list[float]
    operations: int
    picoseconds: float
    faster: bool


class _Numbers(Tokenizer):
    """Text that consists of ids; its model is empty, as the translator asks no more of a tokenizer than this."""

    separator = ()

    def __init__(self) -> None:
        self.model = b""
        self.preparation = Preparation()

    def encode(self, texts: Sequence[str], more: Sequence[Sequence[str]] | None = None) -> list[list[int]]:
        """The ids in each text."""
        return [[int(number) for number in text.split()] for text in texts]

    def spell(self, ids: Sequence[Sequence[int]], more: Sequence[str] = ()) -> list[str]:
        """The ids as text."""
        return [" ".join(map(str, sequence)) for sequence in ids]


def training_step(sizes: Sizes) -> tuple[Callable[[], object], int]:
    """A forward and backward pass, and its operations."""
    model = _model(sizes).train()
    batch = _batch(sizes)

    def step() -> None:
        model.zero_grad()
        sequence_loss(model, batch).objective.backward()  # type: ignore[no-untyped-call]

    return step, TRAINING * sizes.operations(costs(sizes.model_options(), sizes.vocab))


def search(sizes: Sizes) -> tuple[Callable[[], object], int]:
    """A search of a batch through the translator, and its operations."""
    numbers = _Numbers()
    options = SearchOptions(
        beam_size=sizes.beam,
        batch_size=sizes.batch,
        max_length_ratio=0.0,
        max_length_extra=max(sizes.target - 1, 1),
        min_length_ratio=sizes.target / sizes.source,  # it is never more than the greatest length
    )
    translator = Translator(_model(sizes).eval(), TokenizerPair(numbers, numbers), options)
    batch = _batch(sizes)
    lines = [" ".join(map(str, ids[:-1])) for ids in batch.src_ids.tolist()]
    return lambda: translator.translate(lines), sizes.operations(costs(sizes.model_options(), sizes.vocab), sizes.beam)


def _model(sizes: Sizes) -> Seq2Seq:
    torch.manual_seed(1)
    return build_model(sizes.model_options(), sizes.vocab, sizes.vocab)


def _batch(sizes: Sizes) -> Batch:
    draw = random.Random(1)

    def sentences(length: int) -> list[list[int]]:
        return [[draw.randrange(EOS + 1, sizes.vocab) for _ in range(length - 1)] for _ in range(sizes.batch)]

    return make_batch(sentences(sizes.source), sentences(sizes.target))


WHAT = {"training step": training_step, "search": search}


def measure(axis: str, what: str, rounds: int, longest: float) -> list[Point]:
    """Times all sizes of an axis in turn, several times, so that a slow moment of the machine hits no size alone.

    Args:
        axis: which size is varied.
        what: `training step` or `search`.
        rounds: how often each size is timed.
        longest: seconds; a size that takes longer is timed once.
    """
    works = [WHAT[what](replace(Sizes(), **{axis: value})) for value in AXES[axis]]
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for place, (work, _) in enumerate(works):
            if number <= 1 or times[place][-1] < longest:
                start = time.perf_counter()
                work()
                times[place].append(time.perf_counter() - start)
    # The first time of each is a warm-up, unless it was too long to repeat.
    return list(_points(AXES[axis], [found[1:] or found for found in times], [count for _, count in works]))


def _points(values: Sequence[int], times: Sequence[list[float]], operations: Sequence[int]) -> Iterator[Point]:
    least = float("inf")
    for value, found, count in zip(values, times, operations, strict=True):
        each = 1e12 * min(found) / count
        yield Point(value, min(found), found, count, each, faster=each > MARK * least)
        least = min(least, each)


def rows(what: str, axis: str, points: Sequence[Point]) -> list[list[str]]:
    """The table of one axis."""
    found = [[f"{what}, {axis}", "seconds", "GFLOP", "GFLOP/s", ""]]
    for point in points:
        cells = [f"{point.seconds:.4f}", f"{point.operations / 1e9:.2f}", f"{1000 / point.picoseconds:.1f}"]
        found.append([str(point.value), *cells, "grows faster than its arithmetic" if point.faster else ""])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="growth", help="of the file in results/")
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds; what takes longer is timed once")
    options = parser.parse_args(arguments)
    keep_freed_memory()  # as nmt train does
    found: dict[str, Any] = {}
    probes = [probe(torch.device("cpu"))]
    for axis in options.axes:
        for what in ("search",) if axis == "beam" else WHAT:
            say(f"{what} by {axis}")
            points = measure(axis, what, options.rounds, options.longest)
            found.setdefault(what, {})[axis] = [asdict(point) for point in points]
            print(table(rows(what, axis, points)), end="\n\n", flush=True)
            probes.append(probe(torch.device("cpu")))
    head = {"versions": describe_versions(), "machine": describe_machine(), "base": asdict(Sizes()), "probes": probes}
    say(f"all figures: {write_results(options.name, {**head, **found})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
