"""What is said when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.errors import UserError


@contextmanager
def enough_memory(batch: str, lower: str) -> Iterator[None]:
    """Turns the exception that a device or the machine has no memory left into one line.

    Args:
        batch: the shape of what is worked on.
        lower: what the person can make smaller.

    Raises:
        UserError: if memory runs out within.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise UserError(f"out of memory with a batch of {batch}; lower {lower}") from None
        raise
