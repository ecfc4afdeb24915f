"""Promise 4: n lines in, n lines out, whatever is in them; lines end at a line feed and nowhere else."""

import itertools
import select
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.bundle import Bundle
from nmt.guides import Guide
from nmt.preparation import Preparation
from nmt.search.sampling import Sampling
from nmt.text import count_lines, read_blocks, read_lines
from nmt.tokenizer import TokenizerPair
from nmt.translator import Translator
from tests.fixtures_text import (
    KINDS,
    ODD_LINES,
    SOURCES,
    copying_bundle,
    make_bundle,
    piecewise,
    practised_bundle,
    saved,
)
from tests.training_runs import nmt_command

ODD_BYTES = [
    b"\xff\xfe\xfd",
    b"eins \xc3",
    b"\xed\xa0\x80",  # half of a character beyond the first 65,536
    b"\xf0\x9f\x99",  # a character cut off
    b"eins\r",
    b"\r",
    b"eins\r\rzwei\r",
]


def decoded(line: bytes) -> str:
    """What is read of a line: all but its end, what is no UTF-8 as U+FFFD."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", errors="replace")


def lines_of(content: bytes) -> list[bytes]:
    """What the lines of a file are: the definition that all others must meet."""
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def blocks_of(content: bytes, cuts: Sequence[int] = (), most_lines: int = 4096) -> list[list[str]]:
    """The blocks of a stream that is cut into pieces at some places."""
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    pieces = [content[start:end] for start, end in itertools.pairwise(places)]
    return list(read_blocks(piecewise(pieces), most_lines))


ENCODED = st.text(max_size=8).map(lambda text: text.encode(errors="replace"))
CONTENT = st.lists(st.one_of(st.binary(max_size=8), ENCODED))


@given(lines=CONTENT, cuts=st.lists(st.integers(0, 10**6), max_size=5), most_lines=st.integers(1, 5), end=st.booleans())
def test_a_stream_has_the_lines_of_a_file_however_it_arrives(
    lines: list[bytes], cuts: list[int], most_lines: int, end: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"\n".join(lines) + b"\n" * end
    expected = [line.removesuffix(b"\r").decode(errors="replace") for line in lines_of(content)]
    blocks = blocks_of(content, cuts, most_lines)
    assert [line for block in blocks for line in block] == expected
    assert all(1 <= len(block) <= most_lines for block in blocks)
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(content)
    assert count_lines(path) == len(expected)
    if "\ufffd" not in "".join(expected) and not content.startswith(b"\xef\xbb\xbf"):
        assert list(read_lines(path)) == expected


COPYING = {"copying words": "word", "copying pieces": "unigram"}
"""Models that can copy, and their tokenizers."""


@cache
def practised(kind: str) -> Bundle:
    return copying_bundle(COPYING[kind]) if kind in COPYING else KINDS[kind](practised_bundle())


@cache
def prepared(kind: str) -> Bundle:
    """The same behind Moses tokenization, lower case and one form for each mark."""
    bundle = practised(kind)
    sides = zip((bundle.tokenizers.source, bundle.tokenizers.target), ("de", "en"), strict=True)
    prepared_sides = (side.with_preparation(Preparation(True, True, True, language)) for side, language in sides)
    return replace(bundle, tokenizers=TokenizerPair(*prepared_sides, copies=bundle.tokenizers.copies))


@pytest.mark.bare
@pytest.mark.parametrize("kind", [*KINDS, "copying words"])
@pytest.mark.parametrize("made", [practised, prepared])
@settings(max_examples=30)
@given(lines=st.lists(st.text(st.characters(exclude_characters="\n"), max_size=12), max_size=12))
def test_any_lines_give_as_many_in_their_order(made: Callable[[str], Bundle], kind: str, lines: list[str]) -> None:
    bundle = made(kind)
    options = bundle.recipe.search.model_copy(update={"beam_size": 1, "max_length_ratio": 0.5})
    translate = Translator(bundle.model, bundle.tokenizers, options)
    lines = [decoded(line.encode(errors="replace")) for line in lines]
    found = translate(lines)
    assert len(found) == len(lines)
    for line, translation in zip(lines, found, strict=True):
        assert "\n" not in translation
        assert translation == (translate(line) if line.strip() else "")


@pytest.mark.parametrize(
    ("search", "asked"),
    [
        ({"block_ngrams": 1, "coverage_penalty": 0.1}, {}),
        ({"diversity_groups": 2}, {}),
        ({}, {"sampling": Sampling()}),
        ({}, {"guides": [Guide(prefix="eins")] * len(ODD_LINES)}),
        ({}, {"guides": [Guide(phrases=("eins",))] * len(ODD_LINES)}),
    ],
    ids=["blocked", "diverse", "sampled", "prefixed", "constrained"],
)
@pytest.mark.parametrize("kind", ["trained", *COPYING])
def test_odd_lines_give_as_many_whatever_is_asked_of_the_search(
    search: dict[str, Any], asked: dict[str, Any], kind: str
) -> None:
    bundle = practised(kind)
    limits = {"beam_size": 2, "max_length_ratio": 0.5, "max_length_extra": 12, "max_source_length": 40}
    options = bundle.recipe.search.model_copy(update={**limits, **search})
    translate = Translator(bundle.model, bundle.tokenizers, options)
    found = [best.text for best, *_ in translate.translate(ODD_LINES, **asked)]
    assert len(found) == len(ODD_LINES)
    assert not any("\n" in text for text in found)
    assert all(text == "" for line, text in zip(ODD_LINES, found, strict=True) if not line.strip())


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, which writes any bytes that it can."""
    return saved(KINDS[request.param](make_bundle()), tmp_path_factory.mktemp("lines") / "model")


@pytest.fixture(scope="module")
def translator(model: Path) -> Translator:
    """What translates with it."""
    return Translator.load(model, "cpu")


@pytest.fixture(scope="module")
def command(model: Path) -> list[str]:
    """The command line that does the same."""
    return nmt_command("translate", "--device", "cpu", "--model", model)


def test_odd_lines_one_by_one(command: list[str], translator: Translator) -> None:
    raw = [*(line.encode() for line in ODD_LINES), *ODD_BYTES, b"", *(line.encode() for line in SOURCES[:30])]
    done = subprocess.run(command, input=b"\n".join(raw), capture_output=True, timeout=300, check=True)
    out = done.stdout.decode()
    assert out.endswith("\n")
    found = out.split("\n")[:-1]
    assert len(found) == len(raw)
    lines = [decoded(line) for line in raw]
    assert {translation for line, translation in zip(lines, found, strict=True) if not line.strip()} == {""}
    assert found == translator(lines)
    warnings = done.stderr.decode().splitlines()
    not_utf8 = [line for line in warnings if line.endswith("is not UTF-8; what cannot be read is replaced by U+FFFD")]
    longer = sum(len(pieces) > 40 for pieces in translator.tokenizers.source.encode(lines))
    said = f"nmt: warning: {longer} lines were cut to their first 40 pieces"
    cut = [line for line in warnings if line.startswith(said)]
    assert not_utf8[0].startswith(f"nmt: warning: line {len(ODD_LINES) + 1} ")
    assert len(not_utf8) == 1  # only the first of them
    assert len(cut) == len(warnings) - 1 == 1  # however many lines there are


def test_a_live_pipe_gets_its_line_before_the_next(
    command: list[str], translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for line in (SOURCES[0], "", SOURCES[1]):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], 120)
            assert ready, "no translation although the line is complete"
            assert process.stdout.readline().decode() == translator(line) + "\n"
        process.stdin.write(SOURCES[2].encode())  # a last line without a line feed
        process.stdin.close()
        assert process.stdout.read().decode() == translator(SOURCES[2]) + "\n"
        assert process.wait(120) == 0


def test_a_reader_that_has_seen_enough_ends_it_quietly(command: list[str]) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--beam", "1"], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"eins\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()  # as `head -1` does
        process.stdin.write(b"zwei\n" * 3)
        process.stdin.flush()
        assert process.wait(120) == 0  # without waiting for the end of the input
        assert process.stderr.read() == b""
        process.stdin.close()
