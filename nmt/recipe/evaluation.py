"""What the recipe's `evaluation` may be."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from nmt.errors import UserError
from nmt.recipe.section import NonNegative, Problem, Section


class TranslationEvaluation(Section):
    """Translations, scored by BLEU, chrF and TER; the type that is meant where none is given."""

    type: Literal["translation"] = "translation"
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

    @property
    def command(self) -> str:
        """The command that uses such a model."""
        return "translate"

    def problems(self) -> Iterator[Problem]:
        """See `Section`."""
        if self.text == "tokenized" and self.bleu_tokenize != "none":
            yield "text", "tokenized needs bleu_tokenize: none"


class SummarizationEvaluation(Section):
    """Summaries, scored by ROUGE beside extracts of their documents; pairs in a row with one source are one document.

    See docs/summarization.md.
    """

    type: Literal["summarization"]
    references: Literal["best", "mean"] = "best"
    """How a summary is scored against several references of its document: each ROUGE by the reference with the best F1,
    or by the mean over all."""
    samples: NonNegative = 3
    """Summaries shown after each validation, and attention heat maps drawn at the end."""

    @property
    def command(self) -> str:
        """The command that uses such a model."""
        return "summarize"


def _of_translations_unless_said(given: object) -> object:
    return {"type": "translation", **given} if isinstance(given, Mapping) else given


EvaluationOptions = Annotated[
    Annotated[TranslationEvaluation | SummarizationEvaluation, Field(discriminator="type")],
    BeforeValidator(_of_translations_unless_said),
]


def of_translations(options: EvaluationOptions) -> TranslationEvaluation:
    """The options, where only translations can be measured.

    Raises:
        UserError: if they are of summaries.
    """
    if not isinstance(options, TranslationEvaluation):
        raise UserError(f"evaluation.type is {options.type}; this is measured of translations only")
    return options
