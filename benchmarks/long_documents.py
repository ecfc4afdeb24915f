"""Training on long documents: the summarizers of See et al. 2017 on random words, their time and memory.

python -m benchmarks.long_documents

Sixteen documents of 400 words and summaries of 100, a vocabulary of 50,000, and one word in fifty beyond it; network,
optimizer and objective are those of the recipes for CNN/DailyMail.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.bench import say
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.process import ROOT, own_peak_mib, run_module
from benchmarks.report import positive, spread, table, write_results
from nmt.data.batch import Batch, make_batch
from nmt.memory import keep_freed_memory
from nmt.model.build import build_model
from nmt.recipe.recipe import Recipe
from nmt.recipe_file import load_recipe
from nmt.tokenizer import EOS
from nmt.training.loss import sequence_loss
from nmt.training.optim import make_optimizer, scale_gradients

RECIPES = ("cnn-dailymail-attention", "cnn-dailymail-pointer", "cnn-dailymail")
_BEYOND = 50  # one word in so many is not in the vocabulary


def document_batch(size: int, source: int, target: int, vocab: int, copies: bool) -> Batch:
    """Random documents and summaries, whose words are the document's every other time.

    Args:
        size: pairs.
        source: words of each document.
        target: words of each summary.
        vocab: words of the vocabulary.
        copies: whether documents have words beyond it, and with them the summaries.
    """
    draw, sources, targets = random.Random(1), [], []
    for _ in range(size):
        beyond = iter(range(vocab, vocab + source))
        document = [
            next(beyond) if copies and draw.randrange(_BEYOND) == 0 else draw.randrange(EOS + 1, vocab)
            for _ in range(source)
        ]
        sources.append(document)
        targets.append(
            [draw.choice(document) if draw.randrange(2) else draw.randrange(EOS + 1, vocab) for _ in range(target)]
        )
    return make_batch(sources, targets)


def measure(recipe: Recipe, batch: Batch, vocab: int, updates: int) -> dict[str, Any]:
    """Trains on a batch, the first time without the clock.

    Returns:
        The seconds of each other update, the target tokens of one, the last loss and the most memory of the process.
    """
    keep_freed_memory()
    torch.manual_seed(1)
    model = build_model(recipe.model, vocab, vocab)
    optimizer = make_optimizer(recipe.training, model.parameters())
    seconds = []
    for _ in range(updates + 1):
        start = time.perf_counter()
        loss = sequence_loss(model, batch, recipe.training.label_smoothing, recipe.training.coverage_loss)
        nn.Module.zero_grad(model)
        loss.objective.backward()  # type: ignore[no-untyped-call]
        scale_gradients(model.parameters(), 1.0 / int(loss.terms), recipe.trainer.gradient_clip_val)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    tokens = int(loss.tokens)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": seconds[1:],
        "target_tokens": tokens,
        "loss": loss.nll.item() / tokens,
        "peak_mib": own_peak_mib(),
    }


def rows(results: Any) -> list[list[str]]:
    """The table: time of an update, beside that of the first recipe, and memory."""
    heading = ["", "parameters", "seconds an update", "min", "max", "of the first", "target tokens/s", "peak GiB"]
    found, first = [heading], spread(results["runs"][0]["seconds"])["median"]
    for run in results["runs"]:
        seconds = spread(run["seconds"])
        times = [f"{seconds[name]:.2f}" for name in ("median", "min", "max")]
        speed = run["target_tokens"] / seconds["median"]
        rest = [f"{seconds['median'] / first:.2f}", f"{speed:,.0f}", f"{run['peak_mib'] / 1024:.2f}"]
        found.append([run["recipe"], f"{run['parameters']:,}", *times, *rest])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each recipe in a process of its own."""
    options = _parser().parse_args(arguments)
    if options.one:
        recipe = load_recipe(ROOT / "recipes" / "summarization" / f"{options.one}.yaml").recipe
        batch = document_batch(options.batch_size, options.source, options.target, options.vocab, recipe.model.pointer)
        print(json.dumps(measure(recipe, batch, options.vocab, options.updates)))
        return 0
    names = ("batch_size", "source", "target", "vocab", "updates")
    same = [text for name in names for text in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    runs = []
    for row in RECIPES:
        say(row)
        runs.append({"recipe": row, **run_module("long_documents", "--one", row, *same).result()})
    work = {name: getattr(options, name) for name in names}
    results = {"versions": describe_versions(), "machine": describe_machine(), "work": work, "runs": runs}
    print(table(rows(results)))
    say(f"\nall figures: {write_results('long_documents', results)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_documents", description=__doc__.partition("\n")[0])
    parser.add_argument("--batch-size", type=positive, default=16, help="pairs")
    parser.add_argument("--source", type=positive, default=400, help="words of each document")
    parser.add_argument("--target", type=positive, default=100, help="words of each summary")
    parser.add_argument("--vocab", type=positive, default=50_000, help="words of the vocabulary")
    parser.add_argument("--updates", type=positive, default=4, help="that are timed")
    parser.add_argument("--one", choices=RECIPES, help="this process measures that recipe alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
