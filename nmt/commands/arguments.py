"""What several commands ask for and do alike."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import UserError
from nmt.text import writing_output

if TYPE_CHECKING:
    from nmt.bundle import Bundle
    from nmt.recipe.data import DataOptions
    from nmt.translator import Translator

BLOCK_LINES = 4096
"""Lines translated or aligned together at the most."""


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Fields of a recipe to change, anywhere among the arguments."""
    command.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="change a field, as in model.hidden_size=256"
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """Which model, and where it computes."""
    command.add_argument(
        "--model",
        metavar="RUN_OR_BUNDLE",
        type=Path,
        action="append",
        help="folder of the model (the newest finished run); several times: an ensemble of several",
    )
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto")


def add_trained_model(command: argparse.ArgumentParser) -> None:
    """Which single model, and its training text; `load_trained` loads them."""
    command.add_argument(
        "--model", metavar="RUN_OR_BUNDLE", type=Path, help="folder of the model (the newest finished run)"
    )
    add_data(command)


def add_data(command: argparse.ArgumentParser) -> None:
    """Where a model's dataset lies; for `with_path`."""
    command.add_argument(
        "--data",
        metavar="PATH",
        action="append",
        help="where the dataset lies, if no longer at data.path; twice: two text files",
    )


def add_pairs(command: argparse.ArgumentParser) -> None:
    """A text and its translation, as files; `read_pairs` reads them."""
    command.add_argument("--source", metavar="FILE", type=Path, required=True, help="a text file")
    command.add_argument("--target", metavar="FILE", type=Path, required=True, help="its translation")


def add_search(command: argparse.ArgumentParser) -> None:
    """How to search, where the recipe says something else."""
    command.add_argument("--beam", type=positive, metavar="N", help="hypotheses per line; 1 is greedy (the recipe's)")
    command.add_argument(
        "--length-penalty",
        type=non_negative,
        metavar="A",
        help="0: none; larger prefers longer translations (the recipe's)",
    )
    command.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="lines translated together: speed and memory, not the result (the recipe's)",
    )
    command.add_argument(
        "--replace-unknown",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="put source words in the place of unknown ones, by the attention (the recipe's)",
    )
    command.add_argument(
        "--dictionary", metavar="FILE", help="with it: what to put for a source word, tab-separated (the recipe's)"
    )
    add_search_fields(command)


def add_search_fields(command: argparse.ArgumentParser) -> None:
    """Fields of the recipe's `search` to change, anywhere among the arguments; for `search_options`."""
    command.add_argument(
        "overrides", metavar="search.KEY=VALUE", nargs="*", default=[], help="change a field of the recipe's search"
    )


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0 up."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)


def positive_number(text: str) -> float:
    """A number above 0."""
    value = non_negative(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def non_negative(text: str) -> float:
    """A number from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value


def write_line(text: str) -> None:
    """Writes to standard output at once; raises as `writing_output`."""
    with writing_output():
        sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Tells a person what is going on."""
    print(f"nmt: {text}", file=sys.stderr)


def read_pairs(source: Path, target: Path) -> tuple[list[str], list[str]]:
    """The lines of a text file and of its translation.

    Raises:
        UserError: if they have not as many lines as each other.
    """
    from nmt.text import count_lines, read_lines

    sizes = [count_lines(path) for path in (source, target)]
    if sizes[0] != sizes[1]:
        raise UserError(f"{source} has {sizes[0]} lines, but {target} has {sizes[1]}")
    return list(read_lines(source)), list(read_lines(target))


def models(options: argparse.Namespace) -> list[Path]:
    """Those of --model, or the newest."""
    return options.model or [newest()]


def newest() -> Path:
    """The newest finished run, which is said."""
    from nmt.runs import newest_finished_run

    run = newest_finished_run()
    print(f"nmt: using {run}, the newest finished run", file=sys.stderr)
    return run


def load(options: argparse.Namespace) -> "Translator":
    """The translator of --model, with the search options of the command line."""
    chosen = models(options)  # before torch is imported, so that a missing model is answered at once
    from nmt.translator import Translator

    return Translator.load(chosen, options.device, **search_options(options))


def load_bundles(options: argparse.Namespace, command: str) -> "list[Bundle]":
    """Those of --model, or the newest; one whose recipe is of another command than this is said."""
    chosen = models(options)
    from nmt.bundle import find_bundle, load_bundle

    bundles = [load_bundle(find_bundle(model)) for model in chosen]
    for model, bundle in zip(chosen, bundles, strict=True):
        if (other := bundle.recipe.evaluation.command) != command:
            say(f"warning: {model} was trained for nmt {other} (its recipe's evaluation.type), not for nmt {command}")
    return bundles


def say_cut(translator: "Translator", what: str = "lines") -> None:
    """Says how many of `what` were not read to their ends."""
    if translator.cut_lines:
        longest = translator.options.max_source_length
        cut = f"{translator.cut_lines:,} {what} were cut to their first {longest} pieces"
        say(f"warning: {cut} (search.max_source_length)")


def load_trained(options: argparse.Namespace) -> "tuple[Bundle, DataOptions]":
    """The bundle of --model, or of the newest run, and where its training text lies."""
    from nmt.bundle import find_bundle, load_bundle

    bundle = load_bundle(find_bundle(options.model or newest()))
    return bundle, with_path(bundle.recipe.data, options.data)


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the recipe's `search`.

    Raises:
        UserError: if it has no such field, or a field is given twice.
    """
    from nmt.recipe_file import read_overrides

    arguments = {
        "beam_size": "beam",
        "length_penalty": "length_penalty",
        "batch_size": "batch_size",
        "alignment": "of",
        "replace_unknown": "replace_unknown",
        "dictionary": "dictionary",
        # A number of pieces, whatever the source's.
        "max_length_extra": "max_length",
        "max_length_ratio": "max_length",
        "min_length_extra": "min_length",
        "min_length_ratio": "min_length",
    }
    given = {field: getattr(options, argument, None) for field, argument in arguments.items()}
    ratios = {"max_length_ratio": 0.0, "min_length_ratio": 0.0}
    named = {field: ratios.get(field, value) for field, value in given.items() if value is not None}
    changed = read_overrides(options.overrides, "search")
    for field in named.keys() & changed.keys():
        option = arguments[field].replace("_", "-")
        raise UserError(f"--{option} and search.{field}={changed[field]} say the same; give one of them")
    return changed | named


def with_path(data: "DataOptions", path: Sequence[str] | None) -> "DataOptions":
    """The recipe's `data` with another path, or two."""
    from nmt.recipe.data import DataOptions

    if path is None:
        return data
    if len(path) > 2:
        raise UserError("give --data once, or twice for two text files")
    return DataOptions.model_validate({**data.model_dump(), "path": path[0] if len(path) == 1 else list(path)})
