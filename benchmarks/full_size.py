"""Full-size models of the papers on made-up text: speed, memory and loss, on a CPU or a GPU.

python -m benchmarks.full_size
python -m benchmarks.full_size --device cuda --precisions 32-true bf16-mixed --ways readable --batch-size 512

Sources are random words, targets the same words backwards: there is something to learn, and a loss to compare. The
readable way is a step loop that autograd records, which is how other toolkits train.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.bench import fractions, say
from benchmarks.machine import describe_machine, describe_versions, probe, synchronize
from benchmarks.operations import TRAINING, costs
from benchmarks.process import CommandFailed, own_peak_mib, run_module
from benchmarks.report import positive, spread, table, write_results
from nmt.data.batch import Batch, make_batch
from nmt.memory import keep_freed_memory
from nmt.model.build import build_model
from nmt.model.fast.products import readable_steps
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.attention import AdditiveAttention, GeneralAttention
from nmt.recipe.decoder import BahdanauWiring
from nmt.recipe.model import EncoderOptions, ModelOptions
from nmt.tokenizer import EOS, PAD
from nmt.training.loss import sequence_loss
from nmt.training.optim import scale_gradients

MODELS: dict[str, tuple[ModelOptions, int]] = {
    # Bahdanau et al. 2015, appendix A, with LSTMs: 1000 units, embeddings of 620, 30,000 words.
    "RNNsearch": (
        ModelOptions(
            embedding_size=620,
            hidden_size=1000,
            encoder=EncoderOptions(hidden_size=1000),
            attention=AdditiveAttention(type="additive", size=1000),
            decoder=BahdanauWiring(type="bahdanau"),
            dropout=0.0,
        ),
        30_000,
    ),
    # Luong et al. 2015, section 4.1: four layers of 1000 units, embeddings of 1000, 50,000 words.
    "Luong": (
        ModelOptions(
            embedding_size=1000,
            hidden_size=1000,
            layers=4,
            encoder=EncoderOptions(hidden_size=1000, layers=4, bidirectional=False),
            attention=GeneralAttention(type="general"),
            bridge="copy",
            dropout=0.2,
        ),
        50_000,
    ),
}
TINY = ModelOptions(embedding_size=8, hidden_size=8, dropout=0.0), 50


def batches(count: int, size: int, vocab: int, longest: int) -> list[Batch]:
    """Batches of sentences of about one length each, from 10 words to `longest`, as bucketing makes them."""
    draw = random.Random(1)
    found = []
    for _ in range(count):
        length = draw.randint(min(10, longest), longest)
        sources = [
            [draw.randrange(EOS + 1, vocab) for _ in range(draw.randint(max(length - 2, 1), length))]
            for _ in range(size)
        ]
        found.append(make_batch(sources, [source[::-1] for source in sources]))
    return found


def measure(
    options: ModelOptions,
    vocab: int,
    device: torch.device,
    way: str,
    precision: str,
    work: Sequence[Batch],
    warm_up: int,
) -> dict[str, Any]:
    """Trains on the batches, one update each.

    Args:
        options: the model.
        vocab: words of either side.
        device: where.
        way: `fast` or `readable`.
        precision: `32-true` or `bf16-mixed`.
        work: the batches.
        warm_up: how many of them are not timed.
    """
    keep_freed_memory()
    torch.manual_seed(1)
    model = build_model(options, vocab, vocab).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0005, fused=True)
    model_costs = costs(options, vocab)
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    probes = [probe(device, dtype=dtype)]
    updates = []
    for number, batch in enumerate(work):
        synchronize(device)
        start = time.perf_counter()
        loss = _update(model, optimizer, batch.to(device), way, precision)
        synchronize(device)
        seconds = time.perf_counter() - start
        tgt_lengths = (batch.tgt_out != PAD).sum(dim=1).tolist()
        operations = TRAINING * model_costs.forward(batch.src_lengths.tolist(), tgt_lengths)
        entry = {"seconds": seconds, "target_tokens": sum(tgt_lengths), "operations": operations, "loss": loss}
        updates.append({**entry, "timed": number >= warm_up})
        if number >= warm_up:
            probes.append(probe(device, repeats=1, dtype=dtype))
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "updates": updates,
        "probes": probes[-len(work) + warm_up - 1 :],
        "peak_mib": own_peak_mib(),
        **(_gpu(model, optimizer, work[-1], device, way, precision) if device.type == "cuda" else {}),
    }


def _update(model: Seq2Seq, optimizer: torch.optim.Optimizer, batch: Batch, way: str, precision: str) -> float:
    device = batch.src_ids.device.type
    chosen: AbstractContextManager[object] = readable_steps() if way == "readable" else nullcontext()
    casting = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed")
    with chosen, casting:
        loss = sequence_loss(model, batch)
        nn.Module.zero_grad(model)
    loss.objective.backward()  # type: ignore[no-untyped-call]
    tokens = int(loss.tokens)
    scale_gradients(model.parameters(), 1.0 / tokens, 1.0)
    optimizer.step()
    return loss.nll.item() / tokens


def _gpu(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, batch: Batch, device: torch.device, way: str, precision: str
) -> dict[str, Any]:
    """Kernels of one update, the share of the time in which one ran, and the memory."""
    batch = batch.to(device)
    for _ in range(2):  # the first profile of a process takes seconds to begin
        with profile(activities=[ProfilerActivity.CUDA]) as recorded:
            start = time.perf_counter()
            _update(model, optimizer, batch, way, precision)
            synchronize(device)
            seconds = time.perf_counter() - start
    on_gpu = [event for event in recorded.events() if event.device_type.name == "CUDA"]
    kernels = [event for event in on_gpu if not event.name.startswith(("Memcpy", "Memset"))]
    busy = sum(event.device_time for event in kernels) / 1e6
    gpu_mib = torch.cuda.max_memory_allocated(device) / 2**20
    return {"kernels": len(kernels), "busy": busy / seconds, "gpu_peak_mib": gpu_mib}


def rows(results: Any) -> list[list[str]]:
    """The table: each run with its median rate, memory, and what share of a matrix product's rate it reached."""
    found = [["", "target tokens/s", "min", "max", "of torch.mm", "of the best", "peak MiB", "last loss"]]
    for run in results["runs"]:
        timed = [update for update in run["updates"] if update["timed"]]
        rates = spread([update["target_tokens"] / update["seconds"] for update in timed])
        reached = fractions([update["operations"] / update["seconds"] / 1e9 for update in timed], run["probes"])
        memory = run.get("gpu_peak_mib", run["peak_mib"])
        loss = statistics.mean(update["loss"] for update in timed[-3:])
        title = f"{run['model']}, {run['precision']}, {run['way']}, {run['batch_size']} sentences"
        cells = [f"{rates[name]:,.0f}" for name in ("median", "min", "max")]
        found.append([title, *cells, *reached, f"{memory:,.0f}", f"{loss:.3f}"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what the command line says, each run in a process of its own."""
    options = _parser().parse_args(arguments)
    if options.one:
        print(json.dumps(_one(options)))
        return 0
    if "fast" in options.ways and torch.device(options.device).type != "cpu":
        say("there is no fast way but on a CPU; give --ways readable")
        return 2
    runs = []
    for model in options.models:
        for precision in options.precisions:
            for way in options.ways:
                say(f"{model}, {precision}, {way}")
                chosen = ["--models", model, "--precisions", precision, "--ways", way, "--one"]
                same = ["--device", options.device, "--batch-size", options.batch_size, "--updates", options.updates]
                same += ["--warm-up", options.warm_up, "--longest", options.longest]
                try:
                    result = run_module("full_size", *map(str, [*chosen, *same])).result()
                except CommandFailed as error:
                    print(error, file=sys.stderr)
                    continue
                head = {"model": model, "precision": precision, "way": way, "batch_size": options.batch_size}
                runs.append({**head, **result})
    results = {"versions": describe_versions(), "machine": describe_machine(), "device": options.device, "runs": runs}
    print(table(rows(results)))
    say(f"\nall figures: {write_results(options.name, results)}")
    return 0


def _one(options: argparse.Namespace) -> dict[str, Any]:
    (name,), (precision,), (way,) = options.models, options.precisions, options.ways
    model, vocab = TINY if name == "tiny" else MODELS[name]
    work = batches(options.warm_up + options.updates, options.batch_size, vocab, options.longest)
    return measure(model, vocab, torch.device(options.device), way, precision, work, options.warm_up)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="full_size", help="of the file in results/")
    parser.add_argument("--models", nargs="+", choices=[*MODELS, "tiny"], default=list(MODELS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", nargs="+", choices=("32-true", "bf16-mixed"), default=["32-true"])
    parser.add_argument("--ways", nargs="+", choices=("fast", "readable"), default=["fast"])
    parser.add_argument("--batch-size", type=positive, default=80, help="sentences")
    parser.add_argument("--updates", type=positive, default=8, help="that are timed")
    parser.add_argument("--warm-up", type=int, default=2, help="updates before them")
    parser.add_argument("--longest", type=positive, default=50, help="words of the longest sentences")
    parser.add_argument("--one", action="store_true", help="this process measures; else each run has its own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
