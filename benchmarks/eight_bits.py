"""Ways to multiply by weights of 8 bits, beside float32: rates of the products of a search, by number of rows.

python -m benchmarks.eight_bits

The matrix is that of the decoder's gates in work.yaml. Each way is timed in turn, several times, on one thread, as
batches are searched.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bench import say
from benchmarks.machine import describe_machine, describe_versions, one_thread
from benchmarks.report import positive, table, write_results
from nmt.model import int8
from nmt.model.fast.layers import Linear

INPUTS, OUTPUTS = 1280, 2048
ROWS = (1, 5, 40, 128, 640)

Way = Callable[[Tensor], Tensor]


def ways() -> dict[str, Way]:
    """Each way by its name; the first is what the others are compared with."""
    torch.manual_seed(1)
    layer = Linear(INPUTS, OUTPUTS).requires_grad_(False)
    whole = int8.Int8Linear.of(layer.weight, layer.bias, 4.0)
    return {
        "float32, oneDNN": layer,
        "int8, FBGEMM": int8._prepare(whole),
        "int8, oneDNN (torch._int_mm)": int8._unprepared(whole),
        "int8, dynamic quantisation": _dynamic(layer),
        "bf16": _half(layer),
    }


def _dynamic(layer: nn.Linear) -> Way:
    """Torch's own, which finds the range of the inputs anew each time."""
    plain = nn.Linear(INPUTS, OUTPUTS)
    plain.load_state_dict(layer.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised: Way = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            nn.Sequential(plain), {nn.Linear}, torch.qint8
        )
    return quantised


def _half(layer: nn.Linear) -> Way:
    weight, bias = layer.weight.bfloat16(), layer.bias.bfloat16()
    return lambda rows: nn.functional.linear(rows.bfloat16(), weight, bias).float()


def measure(rows: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of one product with so many rows, of each way."""
    values = torch.randn(rows, INPUTS)
    chosen = ways()
    repeats = max(2000 // (rows + 20), 2)
    found: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(rounds + 1):
        for name, way in chosen.items():
            start = time.perf_counter()
            for _ in range(repeats):
                way(values)
            found[name].append((time.perf_counter() - start) / repeats)
    return {name: seconds[1:] for name, seconds in found.items()}  # the first is a warm-up


def rows(results: Any) -> list[list[str]]:
    """The table: how many times as fast as float32, by number of rows."""
    measured = results["seconds"]
    first, *others = next(iter(measured.values()))
    found = [["times as fast as float32", *(f"{count} rows" for count in measured)]]
    for name in others:
        medians = [statistics.median(each[first]) / statistics.median(each[name]) for each in measured.values()]
        found.append([name, *(f"{ratio:.2f}" for ratio in medians)])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eight_bits", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="eight_bits", help="of the file in results/")
    parser.add_argument("--rounds", type=positive, default=9)
    options = parser.parse_args(arguments)
    with one_thread(), torch.inference_mode():
        seconds = {str(count): measure(count, options.rounds) for count in ROWS}
    results = {"versions": describe_versions(), "machine": describe_machine(), "seconds": seconds}
    print(table(rows(results)))
    say(f"\nall figures: {write_results(options.name, results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
