"""The command line: the parser and what holds for every command; each has a function in `nmt.commands`."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

from nmt.commands.align import add_align, add_lexicon
from nmt.commands.bundles import add_average, add_export
from nmt.commands.evaluate import add_evaluate
from nmt.commands.recipe import add_recipe
from nmt.commands.report import add_report
from nmt.commands.summarize import add_summarize
from nmt.commands.train import add_train
from nmt.commands.translate import add_score, add_translate
from nmt.errors import ProcessError, StoppedError, UserError
from nmt.text import discard_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or 2 after a one-line message about what is wrong."""
    for stream in (sys.stdout, sys.stderr):  # text is UTF-8, whatever the terminal says
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    options = _parse(arguments)
    try:
        with _stopping_within_imports():
            options.run_command(options)
    except UserError as error:
        if isinstance(error, ProcessError) or os.environ.get("LOCAL_RANK", "0") == "0":  # one of several says it
            for line in str(error).split("\n"):
                print(f"nmt: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("nmt: stopped", file=sys.stderr)
        return StoppedError.exit_code
    except BrokenPipeError:  # the reader of our output, `head` for example, has seen enough
        discard_output()
    return 0


@contextmanager
def _stopping_within_imports() -> Iterator[None]:
    """Listens for Ctrl-C by `_stop`, unless it is to be ignored, as for a script's command in the background."""
    before = signal.getsignal(signal.SIGINT)
    listens = before is signal.default_int_handler and current_thread() is main_thread()
    if listens:
        signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        if listens:
            signal.signal(signal.SIGINT, before)


def _stop(_: int, frame: FrameType | None) -> None:
    """Ctrl-C is an exception; but an import may swallow it and go on with half a module, so there it is the end."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, b"nmt: stopped\n")
            os._exit(StoppedError.exit_code)
        frame = frame.f_back
    raise KeyboardInterrupt


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; overrides of a recipe may stand before and after the options."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    takes_overrides = hasattr(options, "overrides")
    unknown = [word for word in rest if word.startswith("-") or not takes_overrides]
    if unknown:
        options.error(f"unrecognized arguments: {' '.join(unknown)}")
    if takes_overrides:
        options.overrides = [*options.overrides, *rest]
    return options


class _Parser(argparse.ArgumentParser):
    """Argparse with errors on one line, and without abbreviations, which a later option could make ambiguous."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.set_defaults(error=self.error)  # of the command that was given

    def error(self, message: str) -> NoReturn:
        self.exit(UserError.exit_code, f"nmt: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nmt",
        description="Train and run attention-LSTM sequence-to-sequence models.",
        epilog="Start with: nmt train recipes/numbers-de-en.yaml, then: nmt translate < input.txt",
    )
    parser.add_argument("--version", action="version", version=f"nmt {version('nmt')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_train(commands)
    add_translate(commands)
    add_summarize(commands)
    add_evaluate(commands)
    add_score(commands)
    add_align(commands)
    add_lexicon(commands)
    add_export(commands)
    add_average(commands)
    add_report(commands)
    add_recipe(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
