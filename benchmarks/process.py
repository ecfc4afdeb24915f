"""Commands in processes of their own, with their time and the memory of all their processes."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nmt.memory import peak_memory

ROOT = Path(__file__).parents[1]
"""The folder from which `python -m benchmarks...` runs."""


_INTERVAL = 1.0  # seconds between two looks at the memory, which cost milliseconds of a core each


_USER_ERROR = "nmt.errors.UserError: "  # before the message of one, in the last line of a traceback


class CommandFailed(Exception):
    """A command that was to be measured ended with an error; the message has the end of its output."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended well.

    Attributes:
        seconds: from its start to its end.
        peak_mib: the most memory that it and its children held together, looked at once a second; memory that
            they share counts once. 0 where the system does not tell.
        largest_mib: the most memory that any single one of them held at any time.
        output: what it wrote to stdout.
        errors: what it wrote to stderr.
    """

    seconds: float
    peak_mib: float
    largest_mib: float
    output: str
    errors: str

    def result(self) -> Any:
        """The JSON value in the last line of the output."""
        return json.loads(self.output.rstrip("\n").rpartition("\n")[2])


def run(
    command: Sequence[str], text: str = "", folder: Path = ROOT, variables: Mapping[str, str] | None = None
) -> Finished:
    """Runs a command to its end.

    Args:
        command: program and arguments.
        text: its stdin.
        folder: where it runs.
        variables: added to the environment.

    Raises:
        CommandFailed: if its exit code is not 0.
    """
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(text.encode())
        stdin.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, **(variables or {})},
        )
        with _Watch(process.pid) as watch:
            try:
                process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
        seconds = time.perf_counter() - start
        output, errors = (_content(stream) for stream in (stdout, stderr))
    if process.returncode:
        last = errors.rstrip("\n").rpartition("\n")[2]
        if last.startswith(_USER_ERROR):
            raise CommandFailed(last.removeprefix(_USER_ERROR))
        end = "\n".join((output + errors).splitlines()[-15:])
        raise CommandFailed(f"{Path(command[0]).name} ended with {process.returncode}:\n{end}")
    return Finished(seconds, watch.peak_kib / 1024, watch.largest_kib / 1024, output, errors)


def run_module(module: str, *arguments: str) -> Finished:
    """Runs one of our modules in a process of its own, whose last line of output is its result as JSON."""
    return run([sys.executable, "-m", f"benchmarks.{module}", *arguments])


def own_peak_mib() -> float:
    """The most memory that this process has held so far."""
    return (peak_memory(torch.device("cpu")) or 0) / 2**20


def _content(stream: Any) -> str:
    stream.seek(0)
    content: bytes = stream.read()
    return content.decode("utf-8", errors="replace")


class _Watch:
    """Looks at the memory of a process and all below it, as long as the `with` lasts.

    Attributes:
        peak_kib: the greatest sum seen of what they hold, shared memory divided between those that share it.
        largest_kib: the greatest peak of a single one, which the system itself remembers.
    """

    def __init__(self, process: int) -> None:
        self.peak_kib = 0
        self.largest_kib = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_INTERVAL):
            processes = list(_tree(self._process))
            self.peak_kib = max(self.peak_kib, sum(_kib(number, "smaps_rollup", "Pss:") for number in processes))
            self.largest_kib = max([self.largest_kib, *(_kib(number, "status", "VmHWM:") for number in processes)])


def _tree(process: int) -> Iterator[int]:
    """A process and all below it."""
    waiting = [process]
    while waiting:
        number = waiting.pop()
        yield number
        try:
            for thread in Path(f"/proc/{number}/task").iterdir():
                waiting += map(int, (thread / "children").read_text(encoding="ascii").split())
        except OSError:  # it has just ended, or there is no such file system
            continue


def _kib(process: int, file: str, field: str) -> int:
    """A field of what the system says of a process; 0 if it has just ended."""
    try:
        lines = Path(f"/proc/{process}/{file}").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
