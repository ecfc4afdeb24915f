"""What `nmt translate` and `nmt summarize` do alike: lines of standard input, and what was found for each."""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import BLOCK_LINES, positive

if TYPE_CHECKING:
    from nmt.tokenizer import Tokenizer
    from nmt.translation import Translation


def add_output(command: argparse.ArgumentParser, found: str, formats: str) -> None:
    """How many are written of what was found for a line, and how.

    Args:
        command: takes the arguments.
        found: what it finds, in the plural.
        formats: what `--format` means to it.
    """
    command.add_argument("--n-best", type=positive, default=1, metavar="N", help=f"this many {found} of each line")
    command.add_argument("--scores", action="store_true", help="write score and tab before each line of text")
    command.add_argument("--format", choices=("text", "jsonl"), default="text", help=formats)


def standard_input(options: argparse.Namespace, command: str) -> Iterator[list[str]]:
    """The lines of standard input in blocks, as they arrive; a file among the arguments is bad usage."""
    files = [word for word in options.overrides if "=" not in word]
    if files:
        options.error(f"{command} reads standard input: nmt {command} < {files[0]}")
    from nmt.text import read_blocks

    stdin: Any = sys.stdin and sys.stdin.buffer  # None if it is closed
    return read_blocks(stdin or io.BytesIO(), BLOCK_LINES, _warn_of_line)


def _warn_of_line(number: int) -> None:
    print(f"nmt: warning: line {number} is not UTF-8; what cannot be read is replaced by U+FFFD", file=sys.stderr)


def as_text(found: "Sequence[Translation]", n_best: int, scores: bool) -> str:
    """Exactly `n_best` lines, so that line i belongs to source line i // n_best; empty where there are no more."""
    lines = [f"{best.score:.4f}\t{best.text}" if scores else best.text for best in found]
    return "\n".join(lines + ["-inf\t" if scores else ""] * (n_best - len(lines)))


def as_data(best: "Translation", target: "Tokenizer") -> dict[str, Any]:
    """Plain data for a line of JSON."""
    return {
        "text": best.text,
        "score": best.score,
        "log_prob": best.log_prob,
        "tokens": target.pieces(best.ids, best.words),
    }
