"""Lines of text: they end at a line feed and nowhere else (a carriage return before it is tolerated)."""

import codecs
import errno
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import UserError

_BLOCK = 1 << 20  # bytes asked for at a time


def _decode_line(line: bytes) -> tuple[str, bool]:
    """One line without its end, and whether it is UTF-8; bytes that are not become U+FFFD."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return line.decode("utf-8"), True
    except UnicodeDecodeError:
        return line.decode("utf-8", errors="replace"), False


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a file, one at a time.

    Raises:
        UserError: if the file cannot be read or is not UTF-8, with the number of the line.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            for number, line in enumerate(file, start=1):
                try:
                    yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
                except UnicodeDecodeError as error:
                    raise UserError(f"{path}:{number}: not UTF-8 text (byte {error.start} of the line)") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def count_lines(path: Path) -> int:
    """Number of lines of a file, a last one without a line feed included.

    Raises:
        UserError: if the file cannot be read.
    """
    count, last = 0, b"\n"
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                count += block.count(b"\n")
                last = block[-1:]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    return count + (last != b"\n")


def read_blocks(
    stream: io.BufferedIOBase, most_lines: int, warn: Callable[[int], None] = lambda _: None
) -> Iterator[list[str]]:
    """The lines of a stream in blocks: those that one read gives, so that no line waits for the next.

    A file comes in large blocks, a live pipe line by line; at most one block is in memory. A byte order mark at the
    beginning is no text.

    Args:
        stream: a buffered binary stream, such as `sys.stdin.buffer`.
        most_lines: size of the largest block.
        warn: takes the number, from 1, of the first line that is not UTF-8.
    """
    number, warned = 0, False
    for block in _byte_blocks(stream, most_lines):
        lines = []
        for raw in block:
            number += 1
            line, sound = _decode_line(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw)
            if not sound and not warned:
                warned = True
                warn(number)
            lines.append(line)
        yield lines


def _byte_blocks(stream: io.BufferedIOBase, most_lines: int) -> Iterator[list[bytes]]:
    unfinished: list[bytes] = []  # parts of a line whose end has not come yet
    while chunk := stream.read1(_BLOCK):
        if b"\n" not in chunk:
            unfinished.append(chunk)
            continue
        *complete, rest = b"".join([*unfinished, chunk]).split(b"\n")
        unfinished = [rest] if rest else []
        for start in range(0, len(complete), most_lines):
            yield complete[start : start + most_lines]
    if unfinished:
        yield [b"".join(unfinished)]


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text to a file, whole or not at all."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


@contextmanager
def writing_output() -> Iterator[None]:
    """Within, standard output is written to.

    Raises:
        UserError: if it is closed, or there is no room; nothing more is then written to it.
        BrokenPipeError: if nobody reads it any more.
    """
    if sys.stdout is None:
        raise UserError("standard output is closed; there is nowhere to write to")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise UserError(f"standard output cannot be written: {error.strerror}") from None


def discard_output() -> None:
    """Has nothing more be written to standard output, not even what waits to be."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def scratch_path(path: Path) -> Path:
    """A hidden name beside `path` that nobody else uses, to write what is then renamed."""
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}")


def check_writable(path: Path) -> None:
    """Tries whether `write_bytes` can write a file there, before the work that it takes to have something to write.

    Its folder is made; nothing else is left.

    Raises:
        UserError: if it cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_path(path)
        scratch.touch(exist_ok=False)
        scratch.unlink()
    except FileExistsError:
        raise UserError(f"{path}: cannot be written: {path.parent} is a file, not a folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: to a temporary one beside it, which is then renamed.

    A link stays one: the file that it names is written. A device or a pipe is written to as it is.

    Raises:
        UserError: if the file cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_path(path)
        try:
            scratch.write_bytes(content)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
