"""Memory: kept once it is taken, and what is said when it runs out."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.errors import ProcessError

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of mallopt, from malloc.h
_NEVER, _PAD = 2**31 - 1, 2**26  # bytes


def keep_freed_memory() -> None:
    """Has this process keep freed memory for later instead of giving it back to the system, where glibc is used.

    A step takes and frees the same tens of megabytes again and again; to get them from the system each time costs up to
    as long as what is computed in them. The process as a whole takes no more than it did at its peak.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _PAD)):
        mallopt(option, value)


@contextmanager
def enough_memory(what: str, lower: str) -> Iterator[None]:
    """Turns the exception that a device or the machine has no memory left into one line.

    Args:
        what: what is worked on, and its shape.
        lower: what the person can make smaller.

    Raises:
        ProcessError: if memory runs out within.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise ProcessError(f"out of memory with {what}; lower {lower}") from None
        raise
