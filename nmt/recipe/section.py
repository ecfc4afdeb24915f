"""What every part of a recipe is made of: strict types, and numbers with bounds; and how two of them differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


Problem = tuple[str, str]
"""A field, by its dotted key within a section, and what it needs."""


class Contradictions(ValueError):
    """Fields that are right by themselves, but not beside others of the same section.

    Attributes:
        found: all of them.
    """

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{key}: {need}" for key, need in found))
        self.found = found


class Section(BaseModel):
    """A part of the recipe: strict types, no unknown keys, unchangeable once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )

    def problems(self) -> Iterator[Problem]:
        """Fields that do not fit others of this section; its own types and bounds hold already."""
        yield from ()

    @model_validator(mode="after")
    def _fits(self) -> "Section":
        if found := tuple(self.problems()):
            raise Contradictions(found)
        return self


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first field, by its dotted key, that is not the same in two sections, and what it is in each.

    Args:
        one: a section, as `model_dump` gives it.
        other: another of the same kind.
    """
    for key, value in one.items():
        against = other.get(key)
        if isinstance(value, Mapping) and isinstance(against, Mapping):
            if found := first_difference(value, against):
                return f"{key}.{found[0]}", *found[1:]
        elif value != against:
            return key, value, against
    return None
