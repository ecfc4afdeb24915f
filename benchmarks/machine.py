"""The machine at this moment: what it is, and how fast it multiplies matrices."""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

_SIZES = {"cpu": 2048, "cuda": 8192}  # a GPU has done the smaller product before the next one is launched

Description = dict[str, str | int]


class Probe(TypedDict):
    """Rates of single products of two square matrices of 2048 rows, of 8192 on a GPU, one after another, in GFLOP/s.

    Keys:
        threads: how many torch used.
        mm: `torch.mm`.
        onednn: the same through oneDNN; empty where it is not to be had.
    """

    threads: int
    mm: list[float]
    onednn: list[float]


def probe(device: torch.device, repeats: int = 3, dtype: torch.dtype = torch.float32) -> Probe:
    """Measures the product's rate, with as many threads as torch uses now."""
    one, other = _matrices(device, dtype)
    mm: list[float] = []
    onednn: list[float] = []
    for _ in range(repeats):  # in turn, so that both see the same machine
        mm.append(_rate(torch.mm, one, other))
        if has_onednn(device):
            onednn.append(_rate(_onednn, one, other))
    return Probe(threads=torch.get_num_threads(), mm=mm, onednn=onednn)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch uses one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_onednn(device: torch.device) -> bool:
    """Whether torch multiplies by oneDNN on that device; on AMD's processors that is about twice as fast as MKL."""
    if device.type != "cpu" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def describe_machine() -> Description:
    """Processor, cores, memory and what torch makes of them."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": f"{platform.system()} {platform.machine()}",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
    }


def describe_versions() -> dict[str, str]:
    """What was measured: the commit where it is known, and the packages that do the work."""
    packages = ("nmt", "torch", "pytorch-lightning", "sentencepiece", "numpy")
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}, "commit": _commit()}


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@cache
def _matrices(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    size = _SIZES[device.type]
    one, other = (torch.randn(size, size, generator=random).to(device, dtype) for _ in range(2))
    torch.mm(one, other)  # the first product of a process starts threads
    if has_onednn(device):
        _onednn(one, other)
    synchronize(device)
    return one, other


def _onednn(one: Tensor, other: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(one, other, None, "none", [], "")
    return product


def _rate(product: Callable[[Tensor, Tensor], Tensor], one: Tensor, other: Tensor) -> float:
    start = time.perf_counter()
    product(one, other)
    synchronize(one.device)
    return 2 * len(one) ** 3 / (time.perf_counter() - start) / 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _commit() -> str:
    """The commit that is checked out, with a `+` if files of the package differ from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--", "nmt", "benchmarks/*.py", "reproduction") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    return found.stdout.strip()
