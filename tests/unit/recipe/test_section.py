"""How two sections differ."""

from typing import Any

import pytest

from nmt.recipe.section import first_difference


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1, "b": {"type": "x", "c": 2}}, {"a": 1, "b": {"type": "x", "c": 2}}, None),
        ({"a": 1, "b": 2}, {"a": 3, "b": 4}, ("a", 1, 3)),
        ({"a": 1, "b": {"type": "x", "c": {"d": 2}}}, {"a": 1, "b": {"type": "x", "c": {"d": 5}}}, ("b.c.d", 2, 5)),
        ({"b": {"type": "x", "c": 2}}, {"b": {"type": "y", "e": 2}}, ("b.type", "x", "y")),
        ({"b": None, "c": 1}, {"b": {"type": "y"}, "c": 2}, ("b", None, {"type": "y"})),
        ({"b": {"type": "y"}}, {"b": None}, ("b", {"type": "y"}, None)),
    ],
)
def test_the_first_difference_is_that_of_the_innermost_field(
    one: dict[str, Any], other: dict[str, Any], expected: tuple[str, Any, Any] | None
) -> None:
    assert first_difference(one, other) == expected
