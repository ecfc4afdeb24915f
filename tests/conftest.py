"""Settings of the whole test suite."""

import torch
from hypothesis import settings

# One thread is the fastest for tiny tensors, and leaves the other cores to whoever else works on the machine.
torch.set_num_threads(1)

# The same examples in every run, so that a change is judged by the same tests as the one before it; an example that
# is slow on a busy machine is no failure.
settings.register_profile("nmt", derandomize=True, deadline=None)
settings.load_profile("nmt")
