"""Settings of the whole test suite."""

import os
import signal
import tempfile
from collections.abc import Iterator

# Before `datasets` is imported: what tests cache is their own, and no hub is ever asked.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="nmt-tests-")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from hypothesis import settings

from nmt.model.fast import products
from tests.bare import bare

# One thread is the fastest for tiny tensors, and leaves the other cores to whoever else works on the machine.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests run

# The same examples in every run, so that a change is judged by the same tests as the one before it; an example that
# is slow on a busy machine is no failure.
settings.register_profile("nmt", derandomize=True, deadline=None, database=None)
settings.load_profile("nmt")

# The tests' networks are small, and are to go the way that large ones go.
products._FEWEST_NUMBERS = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Tests marked `bare` run in it, with the fixtures that are made for them."""
    if item.get_closest_marker("bare") is None:
        return (yield)
    with bare():
        return (yield)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs heed Ctrl-C, also if the tests run in a background that ignores it, which programs inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
