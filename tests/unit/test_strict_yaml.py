"""YAML: plain data, line numbers, and every surprise an error."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt.strict_yaml import dump, parse


def test_data_and_the_line_of_every_key() -> None:
    document = parse("a: 1\nb:\n  c: [x, 2.5]\n  d: null\ne: 'no'\n")
    assert document.problems == []
    assert document.data == {"a": 1, "b": {"c": ["x", 2.5], "d": None}, "e": "no"}
    assert document.lines[("a",)] == 1
    assert document.lines[("b", "c")] == 3
    assert document.lines[("b", "c", 1)] == 3
    assert document.lines[("e",)] == 5


@pytest.mark.parametrize(
    ("scalar", "suggestions"),
    [
        ("no", ["false", "'no'"]),
        ("Yes", ["true", "'Yes'"]),
        ("on", ["true", "'on'"]),
        ("off", ["false", "'off'"]),
        ("1e-3", ["1.0e-3"]),
        ("5E4", ["5.0e+4"]),
        ("010", ["10"]),
        ("0o17", ["15"]),
        ("12:30", ["'12:30'"]),
        ("1_000", ["1000"]),
        ("2026-11-21", ["'2026-11-21'"]),
    ],
)
def test_what_the_versions_of_yaml_read_differently_is_a_mistake(scalar: str, suggestions: list[str]) -> None:
    ((path, message),) = parse(f"key: {scalar}\n").problems
    assert path == ("key",)
    assert scalar in message
    for suggestion in suggestions:
        assert suggestion in message
        (repaired,) = [parse(f"key: {suggestion}\n")]
        assert repaired.problems == []


@pytest.mark.parametrize(
    "scalar", ["true", "False", "~", "null", "12", "-7", "1.5", "1.0e-3", ".inf", "word", "y", "a b"]
)
def test_what_they_read_alike_is_read_as_pyyaml_does(scalar: str) -> None:
    document = parse(f"key: {scalar}\n")
    assert document.problems == []
    assert document.data == yaml.safe_load(f"key: {scalar}\n")


def test_a_key_that_stands_twice_names_both_lines() -> None:
    document = parse("a: 1\nb: 2\na: 3\n")
    assert document.problems == [(("a",), "this key stands twice (also in line 1); remove one")]
    assert document.lines[("a",)] == 3


def test_a_key_is_a_word() -> None:
    assert parse("? [a, b]\n: 1\nc: 2\n").problems == [((), "a key must be a word")]


def test_several_mistakes_are_found_at_once() -> None:
    document = parse("a: no\nb: {c: 1, c: 2}\nd: 1e5\n")
    assert [path for path, _ in document.problems] == [("a",), ("b", "c"), ("d",)]


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\tx: 1", "a: \x00"])
def test_broken_yaml_is_a_mistake_with_a_line(text: str) -> None:
    document = parse(text)
    ((path, message),) = document.problems
    assert path == ()
    assert message.startswith("not valid YAML")
    assert document.lines[()] == 1


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system ['exit 1']\n", "a: &x [*x]\n", "a: !!str 5\n", "a: &b 1\nc: *b\n"]
)
def test_tags_anchors_and_aliases_are_refused(text: str) -> None:
    document = parse(text)
    assert document.data is None
    assert "have no place here" in document.problems[0][1]


def test_what_is_far_too_deep_or_long_is_no_traceback() -> None:
    assert parse("a: " + "[" * 1000 + "]" * 1000).problems == [((), "not a recipe: it is nested too deeply")]
    assert parse("a: " + "9" * 5000 + "\n").data == {"a": "9" * 5000}


@given(
    st.sampled_from(["no", "1e-3", "1e5", ".5e3", "0o17", "12:30", "1_000", "2026-11-21", "null", "7", "a b", "é", ""])
)
def test_every_text_that_is_written_is_read_back(text: str) -> None:
    document = parse(dump({"key": text, "list": [text]}))
    assert document.problems == []
    assert document.data == {"key": text, "list": [text]}


def test_an_empty_text_is_an_empty_mapping() -> None:
    assert parse("").data == {}
    assert parse("# nothing\n").data == {}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), PLAIN, max_size=4))
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data)
    document = parse(text)
    assert document.problems == []
    assert document.data == yaml.safe_load(text) == data
