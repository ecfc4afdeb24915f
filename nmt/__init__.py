"""Attention-LSTM sequence-to-sequence models: train, translate, evaluate.

The public names are loaded when they are first used, so that `import nmt` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.evaluation.evaluate import evaluate_translator as evaluate
    from nmt.recipe_file import load_recipe
    from nmt.training.run import train
    from nmt.translator import Translator

__all__ = ["Translator", "evaluate", "load_recipe", "train"]

_HOMES = {
    "Translator": ("nmt.translator", "Translator"),
    "evaluate": ("nmt.evaluation.evaluate", "evaluate_translator"),
    "load_recipe": ("nmt.recipe_file", "load_recipe"),
    "train": ("nmt.training.run", "train"),
}


def __getattr__(name: str) -> Any:
    """Loads a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nmt' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names, for those who look what there is."""
    return __all__
