"""The peak of the memory, against what the system says."""

import re
from pathlib import Path

import pytest
import torch

from nmt.memory import peak_memory

STATUS = Path("/proc/self/status")


@pytest.mark.skipif(not STATUS.exists(), reason="this system has no /proc")
def test_the_peak_is_that_of_the_system_and_stays_when_memory_is_freed() -> None:
    block = bytearray(b"1") * 2**28
    del block
    peak = peak_memory(torch.device("cpu"))
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), flags=re.MULTILINE)
    assert found is not None
    assert peak == pytest.approx(1024 * int(found[1]), rel=0.01)
    assert peak is not None
    assert peak > 2**28
