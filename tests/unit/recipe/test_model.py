"""What a network may be, and what of it a trained one depends on."""

from typing import Any

import pytest
from pydantic import ValidationError

from nmt.recipe.model import ModelOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": {"reverse": True}}, "encoder.reverse: is for a unidirectional encoder"),
        ({"encoder": {"bidirectional": "bottom"}}, "bottom needs encoder.layers of 2 or more"),
        ({"encoder": {"self_attention": 5}}, "self_attention: must divide the width"),
        ({"attention": {"type": "none"}, "decoder": {"type": "gnmt"}}, "decoder.type: gnmt needs an attention"),
        ({"decoder": {"type": "conditional"}, "layers": 2}, "layers: must be 1 for decoder conditional"),
        ({"decoder": {"type": "gnmt"}}, "layers: must be 2 or more for decoder gnmt"),
        (
            {"decoder": {"type": "conditional"}, "variational_dropout": True},
            "variational_dropout: needs decoder luong, bahdanau or see",
        ),
        (
            {"attention": {"type": "summary"}, "encoder": {"self_attention": 2}},
            "self_attention: is for what an attention reads; attention summary",
        ),
        (
            {"decoder": {"type": "conditional", "output": "maxout"}, "hidden_size": 7, "encoder": {"hidden_size": 4}},
            "maxout needs an even hidden_size",
        ),
        (
            {"attention": {"type": "additive", "coverage": "neural", "window": {"type": "monotonic"}}},
            "attention.coverage: excludes attention.window",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelOptions.model_validate(options)


def test_how_a_trained_network_was_begun_and_dropped_does_not_matter() -> None:
    changes = {
        "init": {"type": "xavier"},
        "dropout": 0.5,
        "output_dropout": 0.1,
        "cell": {"type": "lstm", "forget_bias": 2.0},
    }
    assert ModelOptions.model_validate(changes).of_trained() == ModelOptions().of_trained()
    names = [{"attention": {"type": name, "size": 7}} for name in ("additive", "concat")]
    additive, concat = (ModelOptions.model_validate(name).of_trained() for name in names)
    assert additive == concat  # one score by two names
    dropping = ModelOptions.model_validate({"cell": {"type": "lstm", "recurrent_dropout": 0.5}})
    assert dropping.of_trained() != ModelOptions().of_trained()  # it has cells of its own
