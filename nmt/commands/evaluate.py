"""`nmt evaluate`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import (
    add_data,
    add_model,
    add_search,
    models,
    read_pairs,
    search_options,
    with_path,
    write_line,
)
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.evaluation.evaluate import Evaluation
    from nmt.published import Comparison
    from nmt.recipe.recipe import Recipe


def add_evaluate(commands: Any) -> None:
    """Adds `nmt evaluate` to the commands."""
    command = commands.add_parser(
        "evaluate",
        help="score a model on a test set",
        description="Translates a set greedily and with a beam, and scores it with sacreBLEU; or summarizes it: ROUGE.",
    )
    add_model(command)
    add_search(command)
    command.add_argument(
        "--split", metavar="SPLIT", help="a split of the model's own dataset (the recipe's test split)"
    )
    command.add_argument("--source", metavar="FILE", type=Path, help="a text file to translate")
    command.add_argument("--reference", metavar="FILE", type=Path, help="its translation, line by line")
    add_data(command)
    command.add_argument("--output", metavar="FILE", type=Path, help="write the beam's translations there")
    command.add_argument("--json", action="store_true", help="print the scores as JSON")
    command.set_defaults(run_command=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from nmt.text import write_text

    _check(options)
    from nmt.bundle import find_bundle, load_bundle
    from nmt.evaluation.evaluate import evaluate_translator
    from nmt.published import comparison_table
    from nmt.translator import Translator

    bundles = [load_bundle(find_bundle(model)) for model in models(options)]
    recipe = bundles[0].recipe
    translator = Translator.from_bundles(bundles, options.device, **search_options(options))
    title, sources, references = _texts(options, recipe)
    evaluation = evaluate_translator(translator, sources, references, recipe.evaluation)
    comparisons = _published(evaluation, recipe, title if options.source is None else None)
    if options.json:
        from nmt.data.corpus import lines_hash

        hashes = {"text": lines_hash(sources, references), "tokenizers": bundles[0].tokenizers.fingerprint}
        published = [comparison.as_dict() for comparison in comparisons]
        write_line(json.dumps({**evaluation.as_dict(), "hashes": hashes, "published": published}, indent=2))
    else:
        tables = [evaluation.table(title.partition("[")[0][:11]), comparison_table(comparisons, recipe)]
        write_line("\n".join(filter(None, tables)))
    if options.output is not None:
        write_text(options.output, "".join(line + "\n" for line in evaluation.beam.lines))


def _check(options: argparse.Namespace) -> None:
    """Refuses what does not go together, and a file that cannot be written, before the work begins."""
    from nmt.text import check_writable

    if (options.source is None) != (options.reference is None):
        raise UserError("give --source and --reference together")
    if options.source is not None and (options.split or options.data):
        raise UserError("--source and --reference stand for a set of their own; leave out --split and --data")
    if options.output is None:
        return
    for given in (options.source, options.reference):
        if given is not None and given.exists() and options.output.exists() and given.samefile(options.output):
            raise UserError(f"--output {options.output}: this file is to be read; give another one to write")
    check_writable(options.output)


def _texts(options: argparse.Namespace, recipe: "Recipe") -> tuple[str, list[str], list[str]]:
    """The name of the set, its sources and its references."""
    if options.source is not None:
        return options.source.name, *read_pairs(options.source, options.reference)
    from nmt.data.corpus import load_texts

    title = options.split or recipe.data.test
    if title is None:
        raise UserError("the recipe names no test split; give --split, or --source and --reference")
    return title, *load_texts(with_path(recipe.data, options.data), title)


def _published(evaluation: "Evaluation", recipe: "Recipe", split: str | None) -> "list[Comparison]":
    """The published figures of a set that the recipe names, beside ours."""
    from nmt.published import compare

    sets = {"test": recipe.data.test, "validation": recipe.data.validation}
    own = {name: evaluation.as_dict() for name, known in sets.items() if split is not None and known == split}
    return [comparison for comparison in compare(recipe, own) if comparison.own is not None]
