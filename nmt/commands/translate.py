"""`nmt translate` and `nmt score`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import (
    BLOCK_LINES,
    add_model,
    add_pairs,
    add_search,
    add_search_fields,
    load,
    load_bundles,
    positive,
    positive_number,
    read_pairs,
    say_cut,
    search_options,
    whole,
    write_line,
)
from nmt.commands.lines import add_output, as_data, as_text, standard_input
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.guides import Guide
    from nmt.search.sampling import Sampling
    from nmt.translation import Translation
    from nmt.translator import Translator


def add_translate(commands: Any) -> None:
    """Adds `nmt translate` to the commands."""
    command = commands.add_parser(
        "translate",
        help="translate standard input, line by line",
        description="Translates standard input to standard output: n lines in, n lines out; a blank line stays blank. "
        f"What arrives together is translated together, up to {BLOCK_LINES:,} lines, and then written.",
    )
    add_model(command)
    add_search(command)
    command.add_argument(
        "--prefixes", metavar="FILE", type=Path, help="what each line's translation begins with, line by line"
    )
    command.add_argument(
        "--constraints", metavar="FILE", type=Path, help="phrases that must occur, line by line, with tabs between them"
    )
    command.add_argument("--sample", action="store_true", help="draw translations at random instead of searching")
    command.add_argument("--temperature", type=positive_number, metavar="T", help="of the draws; below 1: surer (1)")
    command.add_argument("--top-k", type=positive, metavar="K", help="draw each piece among the K most probable (all)")
    command.add_argument("--seed", type=whole, metavar="N", help="of the draws (1)")
    add_output(command, "translations", "what to write")
    command.add_argument("--alignments", action="store_true", help="with jsonl: the attention of each translation")
    command.set_defaults(run_command=_translate)


def _translate(options: argparse.Namespace) -> None:
    blocks = standard_input(options, "translate")
    if options.alignments and options.format != "jsonl":
        raise UserError("--alignments needs --format jsonl")
    sampling = _sampling(options)
    bundles = load_bundles(options, "translate")
    from nmt.translator import Translator

    translator = Translator.from_bundles(bundles, options.device, **search_options(options))
    for line, found in translator.stream(blocks, options.n_best, _guides(options), sampling):
        if options.format == "jsonl":
            output = _json_line(translator, line, found, options.alignments)
        else:
            output = as_text(found, options.n_best, options.scores)
        write_line(output)
    say_cut(translator)


def _guides(options: argparse.Namespace) -> "Iterator[Guide] | None":
    """What the files of the command line ask of each line's translation."""
    from nmt.guides import Guide
    from nmt.text import read_lines

    if options.prefixes is not None and options.constraints is not None:
        raise UserError("--prefixes and --constraints cannot be had together; give one of them")
    if options.constraints is not None:
        return (Guide(phrases=tuple(line.split("\t"))) for line in read_lines(options.constraints))
    return None if options.prefixes is None else (Guide(prefix) for prefix in read_lines(options.prefixes))


def _sampling(options: argparse.Namespace) -> "Sampling | None":
    """How to draw, if that is asked for."""
    names = ("temperature", "top_k", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if given and not options.sample:
        raise UserError(f"--{next(iter(given)).replace('_', '-')} needs --sample")
    if not options.sample:
        return None
    beam = {"beam_size": " (--beam)", "diversity_groups": "", "diversity_penalty": ""}
    for field in beam.keys() & search_options(options).keys():
        raise UserError(f"--sample draws without a beam; leave out search.{field}{beam[field]}")
    from nmt.search.sampling import Sampling

    return Sampling(**given)


def _json_line(translator: "Translator", line: str, found: "Sequence[Translation]", alignments: bool) -> str:
    translations = []
    for best in found:
        entry = as_data(best, translator.tokenizers.target)
        if alignments:
            alignment = translator.align(line, best) if line.strip() else None
            entry["alignment"] = alignment and alignment.as_dict()
        translations.append(entry)
    return json.dumps({"source": line, "translations": translations}, ensure_ascii=False)


def add_score(commands: Any) -> None:
    """Adds `nmt score` to the commands."""
    command = commands.add_parser(
        "score",
        help="log-probability and perplexity of given translations",
        description="Writes the log-probability (natural) of each given translation, and the perplexity to stderr.",
    )
    add_model(command)
    add_pairs(command)
    add_search_fields(command)
    command.set_defaults(run_command=_score)


def _score(options: argparse.Namespace) -> None:
    from nmt.evaluation.searches import perplexity

    pairs = read_pairs(options.source, options.target)
    translator = load(options)
    scored = translator.score(*pairs)
    for log_prob, _ in scored:
        write_line(f"{log_prob:.4f}")
    if scored:
        print(f"perplexity {perplexity(scored):.4f} per target piece, {len(scored)} lines", file=sys.stderr)
    say_cut(translator)
