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
    from nmt.evaluation import Evaluation
    from nmt.recipe.recipe import Recipe


def add_evaluate(commands: Any) -> None:
    """Adds `nmt evaluate` to the commands."""
    command = commands.add_parser(
        "evaluate",
        help="score a model on a test set",
        description="Translates a set greedily and with a beam, and scores it with sacreBLEU.",
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
    from nmt.text import check_writable, write_text

    if (options.source is None) != (options.reference is None):
        raise UserError("give --source and --reference together")
    if options.source is not None and (options.split or options.data):
        raise UserError("--source and --reference stand for a set of their own; leave out --split and --data")
    if options.output is not None and options.output.exists():
        for given in (options.source, options.reference):
            if given is not None and given.exists() and given.samefile(options.output):
                raise UserError(f"--output {options.output}: this file is to be read; give another one to write")
    if options.output is not None:
        check_writable(options.output)
    from nmt.bundle import find_bundle, load_bundle
    from nmt.evaluation import evaluate_translator
    from nmt.translator import Translator

    bundles = [load_bundle(find_bundle(model)) for model in models(options)]
    recipe = bundles[0].recipe
    translator = Translator.from_bundles(bundles, options.device, **search_options(options))
    if options.source is not None:
        title = options.source.name
        sources, references = read_pairs(options.source, options.reference)
    else:
        from nmt.data.corpus import load_texts

        title = options.split or recipe.data.test
        if title is None:
            raise UserError("the recipe names no test split; give --split, or --source and --reference")
        sources, references = load_texts(with_path(recipe.data, options.data), title)
    evaluation = evaluate_translator(translator, sources, references, recipe.evaluation)
    split = title if options.source is None else None
    write_line(_shown(evaluation, recipe, split, title, options.json))
    if options.output is not None:
        write_text(options.output, "".join(line + "\n" for line in evaluation.beam.lines))


def _shown(evaluation: "Evaluation", recipe: "Recipe", split: str | None, title: str, as_json: bool) -> str:
    """The scores, and beside them the published figures if this is a set that the recipe names."""
    from nmt.published import compare, comparison_table

    sets = {"test": recipe.data.test, "validation": recipe.data.validation}
    own = {name: evaluation.as_dict() for name, known in sets.items() if split is not None and known == split}
    comparisons = [comparison for comparison in compare(recipe, own) if comparison.own is not None]
    if as_json:
        published = [comparison.as_dict() for comparison in comparisons]
        return json.dumps({**evaluation.as_dict(), "published": published}, indent=2)
    return "\n".join(filter(None, [evaluation.table(title[:11]), comparison_table(comparisons, recipe)]))
