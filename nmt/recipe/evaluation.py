"""The recipe's `evaluation`."""

from collections.abc import Iterator
from typing import Literal

from nmt.recipe.section import NonNegative, Problem, Section


class EvaluationOptions(Section):
    """What is scored and shown."""

    text: Literal["raw", "tokenized"] = "raw"
    """raw: translations as a person writes them, against untouched references. tokenized: both as the target side of
    the tokenizer is prepared (`tokenizer.moses`, `lowercase`), which is what older papers scored; needs
    `bleu_tokenize: none`."""
    bleu_tokenize: Literal["13a", "none", "char", "intl", "zh"] = "13a"
    """sacreBLEU's tokenization for BLEU."""
    lowercase: bool = False
    """Score without regard to case."""
    samples: NonNegative = 3
    """Translations shown after each validation, and attention heat maps drawn at the end."""

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.text == "tokenized" and self.bleu_tokenize != "none":
            yield "text", "tokenized needs bleu_tokenize: none"
