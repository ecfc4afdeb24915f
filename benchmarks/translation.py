"""How fast a trained model translates: rounds over the same lines, with the machine's own rate between them.

Runs in a process of its own, whose last line of output is the result as JSON. Loading is not in any time.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import torch

from benchmarks.machine import Probe, describe_machine, probe
from benchmarks.operations import costs
from benchmarks.peers.toolkit import count_words
from benchmarks.process import own_peak_mib
from benchmarks.report import positive
from nmt.bundle import load_bundle
from nmt.data.corpus import load_texts
from nmt.metrics import bleu
from nmt.model.build import build_model
from nmt.recipe.evaluation import of_translations
from nmt.recipe_file import load_recipe
from nmt.translation import Translation
from nmt.translator import Translator


class Round(TypedDict):
    """One translation of all lines together; operations are those of the model as it was trained."""

    seconds: float
    lines: int
    tokens: int
    operations: int


def measure(
    model: Path,
    sources: Sequence[str],
    references: Sequence[str],
    rounds: int,
    single: bool,
    warm_up: int,
    **search: int,
) -> dict[str, Any]:
    """Translates the lines `rounds` times, all at once or one at a time.

    Args:
        model: folder of the bundle or of the run.
        sources: the lines.
        references: their translations, for BLEU: a search that is fast and wrong would be seen.
        rounds: how often.
        single: one line at a time, as somebody who waits for each would.
        warm_up: lines to translate before the first round.
        **search: fields of the recipe's `search` to change.
    """
    bundle = load_bundle(model)
    translator = Translator.from_bundle(bundle, "cpu", **search)
    model_costs = costs(bundle.recipe.model, len(bundle.tokenizers.target))
    src_lengths = [len(ids) + 1 for ids in translator.tokenizers.source.encode(sources)]
    probes: list[Probe] = []
    if warm_up:  # a product would be one, too: it starts threads
        translator.translate(sources[:warm_up])
        probes.append(probe(translator.device))
    found: list[Round] = []
    waits: list[float] = []
    translations: list[Translation] = []
    for _ in range(rounds):
        start = time.perf_counter()
        if single:
            translations = []
            for line in sources:
                begin = time.perf_counter()
                translations.append(translator.translate([line])[0][0])
                waits.append(time.perf_counter() - begin)
        else:
            translations = [best[0] for best in translator.translate(sources)]
        seconds = time.perf_counter() - start
        tgt_lengths = [len(translation.ids) + 1 for translation in translations]
        operations = model_costs.forward(src_lengths, tgt_lengths, translator.options.beam_size)
        found.append(Round(seconds=seconds, lines=len(sources), tokens=sum(tgt_lengths), operations=operations))
        probes.append(probe(translator.device))
    recipe = bundle.recipe
    with torch.device("meta"):  # an exported model keeps its weights otherwise
        trained = build_model(recipe.model, len(bundle.tokenizers.source), len(bundle.tokenizers.target))
    parameters = sum(parameter.numel() for parameter in trained.parameters())
    return {
        "model": recipe.model.model_dump(),
        "search": translator.options.model_dump(),
        "parameters": parameters,
        "exported": bundle.is_exported,
        "tokenizers": bundle.tokenizers.fingerprint,
        "machine": describe_machine(),
        "rounds": found,
        "waits": waits,
        "probes": probes,
        "bleu": bleu(
            [translation.text for translation in translations], references, of_translations(recipe.evaluation)
        ),
        "words": count_words(translation.text for translation in translations),
        "peak_mib": own_peak_mib(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="names the test set")
    parser.add_argument("overrides", nargs="*", help="key=value, fields of the recipe to change")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--beam", type=positive, default=5)
    parser.add_argument("--batch-size", type=positive, default=128)
    parser.add_argument("--lines", type=positive, default=1000)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--single", action="store_true", help="one line at a time")
    parser.add_argument("--warm-up", type=int, default=64, help="lines to translate before; 0: none")
    options = parser.parse_args(arguments)
    data = load_recipe(options.recipe, options.overrides).recipe.data
    sources, references = (side[: options.lines] for side in load_texts(data, data.test or data.validation))
    search = {"beam_size": options.beam, "batch_size": options.batch_size}
    how = {"rounds": options.rounds, "single": options.single, "warm_up": options.warm_up}
    print(json.dumps(measure(options.model, sources, references, **how, **search)))


if __name__ == "__main__":
    main()
