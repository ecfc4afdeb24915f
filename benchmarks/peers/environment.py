"""Virtual environments of the peers."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.process import run


def create(venv: Path, package: Sequence[str], dependencies: Sequence[str]) -> None:
    """Makes a virtual environment with a released package, unless it is there.

    Args:
        venv: its folder.
        package: the package, as arguments of `pip install`.
        dependencies: what is installed after it.
    """
    python = venv / "bin" / "python"
    if python.exists() and not (venv / "unfinished").exists():
        return
    run([sys.executable, "-m", "venv", "--clear", str(venv)])
    (venv / "unfinished").touch()
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    torch = version("torch").partition("+")[0]
    run([*pip, f"torch=={torch}", "numpy"])  # the same torch as ours, so that only the toolkits differ
    run([*pip, *package])
    run([*pip, *dependencies])
    (venv / "unfinished").unlink()


def installed(venv: Path, *packages: str) -> str:
    """Names and versions of packages in a virtual environment."""
    code = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return run([str(venv / "bin" / "python"), "-c", code, *packages]).output.strip()
