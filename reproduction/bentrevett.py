"""German to English scored as in bentrevett/pytorch-seq2seq: BLEU-4 of spaCy's tokens, lower-cased, not smoothed."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from nmt.errors import UserError
from nmt.recipe.evaluation import of_translations
from nmt.report.collect import Run
from reproduction.files import recipe_name


def score(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Their score of raw text.

    Raises:
        UserError: if spaCy is not installed.
    """
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    found = metric.corpus_score(tokenized(hypotheses), [tokenized(references)])
    return {"bleu": float(found.score), "signature": str(metric.get_signature()), "spacy": version("spacy")}


def tokenized(lines: Sequence[str]) -> list[str]:
    """Tokens of spaCy's English tokenizer, those of en_core_web_sm, then lower-cased, with spaces between them."""
    try:
        import spacy
    except ImportError:
        raise UserError("spaCy is not installed; pip install -c constraints.txt 'nmt[reproduction]'") from None
    tokenizer = spacy.blank("en").tokenizer
    return [" ".join(token.text.lower() for token in tokenizer(line) if not token.is_space) for line in lines]


def score_run(run: Run, recipe: Path, commit: str) -> dict[str, Any]:
    """A finished run's translations of the test set, with what made them.

    Raises:
        UserError: if they are not as a person writes them, or spaCy is not installed.
    """
    results = run.results
    if of_translations(run.recipe.evaluation).text != "raw":
        raise UserError(
            f"{run.folder}: its translations are tokenized already (evaluation.text); take a run of raw text"
        )
    return {
        **score(run.lines("beam"), run.lines("reference")),
        "greedy": score(run.lines("greedy"), run.lines("reference"))["bleu"],
        "recipe": recipe_name(recipe),
        "seed": run.recipe.training.seed,
        "commit": commit,
        "hashes": results["hashes"],
        "versions": results["versions"],
    }
