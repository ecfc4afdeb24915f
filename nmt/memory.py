"""What is said when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.errors import ProcessError


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
