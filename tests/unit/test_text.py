"""Lines end at a line feed and nowhere else; blocks of a stream; files written whole or not at all."""

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.text import check_writable, count_lines, read_blocks, read_lines, write_bytes, write_text


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "lines.txt"


def test_only_a_line_feed_ends_a_line(file: Path) -> None:
    text = "a\u2028b\x0bc\x0cd\x85e\x1cf\rg\n\nlast"
    file.write_bytes(text.encode())
    assert list(read_lines(file)) == ["a\u2028b\x0bc\x0cd\x85e\x1cf\rg", "", "last"]
    assert count_lines(file) == 3


def test_a_carriage_return_before_it_and_a_byte_order_mark_are_no_text(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\r\n\xef\xbb\xbf\n")
    assert list(read_lines(file)) == ["one", "two\r", "\ufeff"]


def test_what_is_no_utf_8_is_named_with_its_line(file: Path) -> None:
    file.write_bytes(b"one\ntw\xff\n")
    with pytest.raises(UserError, match=r"lines.txt:2: not UTF-8 text \(byte 2 of the line\)"):
        list(read_lines(file))


@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), count_lines])
def test_a_missing_file_is_a_mistake_with_a_name(tmp_path: Path, read: object) -> None:
    with pytest.raises(UserError, match=r"nothing\.txt: No such file"):
        read(tmp_path / "nothing.txt")  # type: ignore[operator]


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"))), end=st.booleans())
def test_lines_come_back_as_they_were_written(file: Path, lines: list[str], end: bool) -> None:
    while not end and lines and not lines[-1]:
        lines = lines[:-1]
    file.write_bytes(("\n".join(lines) + ("\n" if end and lines else "")).encode())
    assert list(read_lines(file)) == lines
    assert count_lines(file) == len(lines)


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"), max_size=5)),
    size=st.integers(1, 4),
)
def test_blocks_hold_all_lines_and_never_too_many(lines: list[str], size: int) -> None:
    stream = io.BytesIO("".join(line + "\n" for line in lines).encode())
    blocks = list(read_blocks(stream, size))
    assert [line for block in blocks for line in block] == lines
    assert all(0 < len(block) <= size for block in blocks)


def test_a_last_line_without_an_end_and_bytes_that_are_no_text() -> None:
    assert list(read_blocks(io.BytesIO(b"a\r\nb\xffc"), 9)) == [["a"], ["b\ufffdc"]]
    assert list(read_blocks(io.BytesIO(b""), 9)) == []


def test_the_first_line_that_is_no_utf_8_is_told() -> None:
    told: list[int] = []
    stream = io.BytesIO(b"a\nb\xff\nc\xff\n")
    assert [line for block in read_blocks(stream, 1, told.append) for line in block] == ["a", "b\ufffd", "c\ufffd"]
    assert told == [2]


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_byte_order_mark_at_the_beginning_of_a_stream_is_no_text(end: str) -> None:
    assert list(read_blocks(io.BytesIO(f"\ufeffa{end}".encode()), 9)) == [["a"]]
    assert list(read_blocks(io.BytesIO(f"a\n\ufeffb{end}".encode()), 9))[-1][-1] == "\ufeffb"


def test_a_live_pipe_gives_its_line_before_the_next_is_written() -> None:
    reading, writing = os.pipe()
    found: list[str] = []
    arrived = threading.Event()

    def read() -> None:
        with os.fdopen(reading, "rb") as stream:
            for block in read_blocks(stream, 100):
                found.extend(block)
                arrived.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for number in range(3):
        arrived.clear()
        os.write(writing, f"line {number}\n".encode())
        assert arrived.wait(timeout=20)
        assert found[-1] == f"line {number}"
    os.close(writing)
    reader.join(timeout=20)
    assert not reader.is_alive()


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "file")
    write_bytes(link, b"first")
    write_bytes(link, b"second")
    assert link.is_symlink()
    assert (tmp_path / "there" / "file").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(pipe, b"text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_device_is_said_and_stays_one() -> None:
    with pytest.raises(UserError, match="/dev/full: cannot be written: No space left on device"):
        write_bytes(Path("/dev/full"), b"text")
    assert Path("/dev/full").is_char_device()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "file.txt"
    write_text(path, "ältere\n")
    assert path.read_bytes() == "ältere\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match=r"file\.txt: cannot be written: No space left on device"):
        write_bytes(path, b"newer")
    assert path.read_bytes() == "ältere\n".encode()
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


def test_what_can_be_written_is_known_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "file.txt")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file.txt").write_text("kept", encoding="utf-8")
    check_writable(tmp_path / "file.txt")
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "kept"
    check_writable(Path("/dev/null"))
    for wrong in (tmp_path / "new", tmp_path / "file.txt" / "below"):
        with pytest.raises(UserError, match=f"^{wrong}: cannot be written: "):
            check_writable(wrong)
