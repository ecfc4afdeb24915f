"""The package without what the tests add to it: that takes three quarters of the time of many small steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage
from jaxtyping import config


@contextmanager
def bare() -> Iterator[None]:
    """Within it no shapes are checked and no lines counted; tests marked `bare` run in it.

    For many examples of what other tests do once with both.
    """
    counting, unchecked = Coverage.current(), config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    if counting is not None:
        counting.stop()
    try:
        yield
    finally:
        if counting is not None:
            counting.start()
        config.update("jaxtyping_disable", unchecked)
