"""`nmt align` and `nmt lexicon`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import (
    BLOCK_LINES,
    add_model,
    add_pairs,
    add_search_fields,
    add_trained_model,
    load,
    load_trained,
    read_pairs,
    say_cut,
    write_line,
)

if TYPE_CHECKING:
    from nmt.align import Alignment


def add_align(commands: Any) -> None:
    """Adds `nmt align` to the commands."""
    command = commands.add_parser(
        "align",
        help="which source words given translations look at",
        description="Aligns given translations with their sources, by forced decoding: one line for each pair.",
    )
    add_model(command)
    add_pairs(command)
    add_search_fields(command)
    command.add_argument(
        "--format",
        choices=("pharaoh", "jsonl"),
        default="pharaoh",
        help="pharaoh: links of words, 0-0 1-2, source first; jsonl: all weights",
    )
    command.add_argument(
        "--of",
        choices=("predicted", "input"),
        help="a step's attention is the alignment of the token that it predicts or that it reads (the recipe's)",
    )
    command.add_argument(
        "--gold", metavar="FILE", type=Path, help="links set by people: alignment error rate on stderr"
    )
    command.add_argument("--png", metavar="DIR", type=Path, help="pictures of the attention of all short pairs")
    command.set_defaults(run_command=_align)


def _align(options: argparse.Namespace) -> None:
    from nmt.links import alignment_errors, pharaoh, read_gold
    from nmt.text import check_writable

    if options.png is not None:
        check_writable(options.png / "1.png")
    lines = list(zip(*read_pairs(options.source, options.target), strict=True))
    gold = options.gold and read_gold(options.gold, [(len(s.split()), len(t.split())) for s, t in lines])
    translator = load(options)
    found = []
    for start in range(0, len(lines), BLOCK_LINES):
        for aligned in translator.align_all(*zip(*lines[start : start + BLOCK_LINES], strict=True)):
            found.append(aligned.words.links())
            as_json = options.format == "jsonl"
            write_line(json.dumps(aligned.as_dict(), ensure_ascii=False) if as_json else pharaoh(found[-1]))
            if options.png is not None:
                _draw_pair(aligned.pieces, options.png / f"{len(found)}.png")
    if gold is not None:
        print(f"{alignment_errors(found, gold)}, {len(gold)} pairs", file=sys.stderr)
    say_cut(translator)


def _draw_pair(alignment: "Alignment", path: Path) -> None:
    """Draws an alignment, unless it is too large to be looked at."""
    from nmt.plots import LARGEST_PICTURE, draw_alignment

    if max(alignment.weights.shape) <= LARGEST_PICTURE:
        draw_alignment(alignment, path)


def add_lexicon(commands: Any) -> None:
    """Adds `nmt lexicon` to the commands."""
    command = commands.add_parser(
        "lexicon",
        help="a dictionary for unknown words, learned from the training text",
        description="Writes the most probable translation of each word of a model's training text (IBM model 1), for "
        "nmt translate --replace-unknown --dictionary: source word, tab, target word.",
    )
    add_trained_model(command)
    command.set_defaults(run_command=_lexicon)


def _lexicon(options: argparse.Namespace) -> None:
    bundle, data = load_trained(options)
    from nmt.data.corpus import load_split
    from nmt.data.lexicon import learn_dictionary

    training = load_split(data, data.train)
    sides = (("source", bundle.tokenizers.source), ("target", bundle.tokenizers.target))
    prepared = (tokenizer.prepare([text or "" for text in training[side]]) for side, tokenizer in sides)
    dictionary = learn_dictionary(*([text.split() for text in texts] for texts in prepared))
    write_line("\n".join(f"{word}\t{translation}" for word, translation in dictionary.items()))
