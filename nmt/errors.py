"""The one exception that is written for the person at the keyboard."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right: what is wrong, where, and what to do, one line each.

    The command line prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 2


class StoppedError(UserError):
    """The person stopped the work with Ctrl-C; the message says how to go on."""

    exit_code = 130


class ProcessError(UserError):
    """Something that happened to one of several processes; the others do not know of it."""


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """The end of a message: `; did you mean ...?`, or nothing if none of the known words is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
