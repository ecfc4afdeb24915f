"""`nmt summarize`."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import (
    add_model,
    add_search,
    load_bundles,
    positive,
    say_cut,
    search_options,
    whole,
    write_line,
)
from nmt.commands.lines import add_output, as_data, as_text, standard_input
from nmt.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from nmt.recipe.search import SearchOptions


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
    blocks, bundles = standard_input(options, "summarize"), load_bundles(options, "summarize")
    from nmt.translator import Translator

    field = (options.field or bundles[0].recipe.data.source) if options.format == "jsonl" else None
    translator = Translator.from_bundles(bundles, options.device, **search_options(options))
    _check_length(options.min_length, translator.options)
    lines = count = 0
    wrong: UserError | None = None
    for block in blocks:
        documents, wrong = _read_all(block, lines + 1, field)
        lines += len(block)
        count += len(documents)
        found = translator.translate([document.text for document in documents], options.n_best)
        for document, summaries in zip(documents, found, strict=True):
            if document.fields is None:
                write_line(as_text(summaries, options.n_best, options.scores))
            else:
                entries = [as_data(summary, translator.tokenizers.target) for summary in summaries]
                write_line(json.dumps({**document.fields, "summaries": entries}, ensure_ascii=False))
        if wrong:
            break
    say_cut(translator, f"of {count:,} documents")
    if wrong:
        raise wrong


def _check_length(min_length: int | None, search: "SearchOptions") -> None:
    """Refuses a least length above the recipe's largest, where that is a number of pieces whatever the document's."""
    if min_length is not None and search.max_length_ratio == 0 and min_length > search.max_length_extra:
        most = f"the {search.max_length_extra} pieces that a summary has at the most (search.max_length_extra)"
        raise UserError(f"--min-length {min_length} is more than {most}; give --max-length, too")


def _read_all(block: Sequence[str], first: int, field: str | None) -> tuple[list[_Document], UserError | None]:
    """The documents of some lines, and what is wrong with the line before which they end, if one is.

    Between objects lines may be blank.
    """
    documents = []
    for number, line in enumerate(block, start=first):
        try:
            if field is None or line.strip():
                documents.append(_read(line, number, field))
        except UserError as error:
            return documents, error
    return documents, None


def _read(line: str, number: int, field: str | None) -> _Document:
    """A line as a text, or as an object that has its text in a field, as a string or a list of some."""
    if field is None:
        return _Document(line)
    try:
        fields = json.loads(line)
        parts = _value(fields, field)
    except ValueError as error:
        what = f"{error.msg} (character {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"line {number} of the input is no JSON: {what}") from None
    except RecursionError:
        raise UserError(f"line {number} of the input is no JSON: it is nested too deeply") from None
    except (KeyError, TypeError):
        parts = [{}]
    parts = parts if isinstance(parts, list) else [parts]
    if not all(isinstance(part, str | None) for part in parts):
        names = list(fields) if isinstance(fields, dict) else []
        known = f"; it has {', '.join(names)}{did_you_mean(field, names)}" if names else ""
        raise UserError(f"line {number} of the input is no object with a text as its --field {field}{known}")
    text = " ".join(filter(None, parts))
    return _Document(text.encode(errors="replace").decode(), fields)  # an escape may be half a character


def _value(fields: Any, field: str) -> Any:
    """What an object has under a name, or under names with dots between in nested objects; null if one of these is.

    Raises:
        KeyError: if it has no such name.
        TypeError: if there is no object.
    """
    if isinstance(fields, dict) and field in fields:
        return fields[field]
    for name in field.split("."):
        fields = fields[name]
        if fields is None:
            break
    return fields
