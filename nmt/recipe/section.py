"""What every part of a recipe is made of: strict types, and numbers with bounds; and how two of them differ."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the recipe: strict types, no unknown keys, unchangeable once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )


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
