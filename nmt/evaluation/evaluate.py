"""One function searches, scores and computes perplexity: after a training and for `nmt evaluate`."""

from collections.abc import Sequence
from typing import assert_never

from nmt.evaluation.searches import Validation
from nmt.evaluation.summaries import EvaluatedSummaries, evaluate_summaries, validate_summaries
from nmt.evaluation.translations import EvaluatedTranslations, evaluate_translations, validate_translations
from nmt.recipe.evaluation import EvaluationOptions, SummarizationEvaluation, TranslationEvaluation
from nmt.tokenizer import Tokenizer
from nmt.translator import Translator

Evaluation = EvaluatedTranslations | EvaluatedSummaries
"""An evaluated set; whatever was measured, it has `sources`, `greedy`, `beam` and `beam_size`, `searches()` and
`references()` for files, `as_dict()` and `table()`."""


def evaluate_translator(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    options: EvaluationOptions = TranslationEvaluation(),  # noqa: B008 - it cannot change
) -> Evaluation:
    """Searches all lines greedily and with a beam, and scores both against the references.

    Raises:
        UserError: if there are no lines, or not one reference for each.
    """
    match options:
        case TranslationEvaluation():
            return evaluate_translations(translator, sources, references, options)
        case SummarizationEvaluation():
            return evaluate_summaries(translator, sources, references, options)
        case _:
            assert_never(options)


def make_validation(
    sources: Sequence[str], references: Sequence[str], target: Tokenizer, options: EvaluationOptions
) -> Validation:
    """What a training searches and scores of its validation set.

    Args:
        sources: of the set.
        references: one for each.
        target: how the model's target side is prepared.
        options: the recipe's `evaluation`.

    Raises:
        UserError: if they cannot be scored.
    """
    match options:
        case TranslationEvaluation():
            return validate_translations(sources, references, target, options)
        case SummarizationEvaluation():
            return validate_summaries(sources, references, options)
        case _:
            assert_never(options)
