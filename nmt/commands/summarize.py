"""`nmt summarize`."""

import argparse
import json
from dataclasses import dataclass
from typing import Any

from nmt.commands.arguments import add_model, add_search, models, positive, say_cut, search_options, whole, write_line
from nmt.commands.lines import add_output, as_data, as_text, standard_input
from nmt.errors import UserError


def add_summarize(commands: Any) -> None:
    """Adds `nmt summarize` to the commands."""
    command = commands.add_parser(
        "summarize",
        help="summarize standard input, one document a line",
        description="Summarizes standard input to standard output: n documents in, n summaries out, one a line; that "
        "of a blank document is blank. With --format jsonl each line is an object, which comes out with `summaries`.",
    )
    add_model(command)
    add_search(command)
    command.add_argument("--max-length", type=positive, metavar="N", help="pieces of a summary, at most (the recipe's)")
    command.add_argument("--min-length", type=whole, metavar="N", help="pieces of a summary, at least (the recipe's)")
    add_output(command, "summaries", "what a line is, in and out: a text, or an object")
    command.add_argument(
        "--field", metavar="NAME", help="with jsonl: where an object has its document (the recipe's data.source)"
    )
    command.set_defaults(run_command=_summarize)


@dataclass(frozen=True)
class _Document:
    """A line of the input.

    Attributes:
        text: what is to be summarized.
        fields: those of its object; None if the line is the text itself.
    """

    text: str
    fields: dict[str, Any] | None = None


def _summarize(options: argparse.Namespace) -> None:
    if options.field is not None and options.format != "jsonl":
        raise UserError("--field needs --format jsonl")
    if None not in (options.min_length, options.max_length) and options.min_length > options.max_length:
        raise UserError(f"--min-length {options.min_length} is more than --max-length {options.max_length}")
    blocks, chosen = standard_input(options, "summarize"), models(options)
    from nmt.bundle import find_bundle, load_bundle
    from nmt.translator import Translator

    bundles = [load_bundle(find_bundle(model)) for model in chosen]
    field = (options.field or bundles[0].recipe.data.source) if options.format == "jsonl" else None
    translator = Translator.from_bundles(bundles, options.device, **search_options(options))
    count = 0
    for block in blocks:
        documents = [_read(line, number, field) for number, line in enumerate(block, start=count + 1)]
        count += len(block)
        found = translator.translate([document.text for document in documents], options.n_best)
        for document, summaries in zip(documents, found, strict=True):
            if document.fields is None:
                write_line(as_text(summaries, options.n_best, options.scores))
            else:
                entries = [as_data(summary, translator.tokenizers.target) for summary in summaries]
                write_line(json.dumps({**document.fields, "summaries": entries}, ensure_ascii=False))
    say_cut(translator, f"of {count:,} documents")


def _read(line: str, number: int, field: str | None) -> _Document:
    """A line as a text, or as an object that has its text in a field, a nested one with dots between the names."""
    if field is None:
        return _Document(line)
    try:
        fields = value = json.loads(line)
        for name in field.split("."):
            value = value[name]
    except ValueError as error:
        raise UserError(f"line {number} of the input is no JSON: {error}") from None
    except (KeyError, TypeError, IndexError):
        value = None
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(filter(None, value))  # such as its sentences, as a training reads them
    if not isinstance(value, str):
        raise UserError(f"line {number} of the input is no object with a text as its {field!r}; name another --field")
    return _Document(value.encode(errors="replace").decode(), fields)  # an escape may be half a character
