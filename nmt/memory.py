"""Memory: kept once it is taken, and what is said when it runs out."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.errors import ProcessError

SMALLER_SEARCH = "--beam or the batch size (--batch-size, search.batch_size)"
"""What a person can make smaller where a model searches; for `enough_memory`."""

SMALLER_BATCHES = "the batch size (search.batch_size)"
"""What a person can make smaller where a model steps through given translations; for `enough_memory`."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt, from malloc.h


def keep_freed_memory() -> None:
    """Has this process keep freed memory for later instead of giving it back to the system, where glibc is used.

    A step takes and frees the same tens of megabytes again and again; to get them from the system each time costs up to
    as long as what is computed in them. Blocks of more than 32 MiB still go back: kept, they would leave gaps.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return
    for option, value in ((_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**29), (_TOP_PAD, 2**26)):
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


def peak_memory(device: torch.device) -> int | None:
    """The most memory so far, in bytes: on a GPU that of this process's tensors, elsewhere all that the process had.

    None where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # which counts KiB elsewhere
