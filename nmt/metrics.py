"""BLEU, chrF and TER by sacreBLEU, with signatures, on untouched references; and exact match."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nmt.errors import UserError
from nmt.recipe.evaluation import TranslationEvaluation


@dataclass(frozen=True)
class Scores:
    """Scores of a set of hypotheses, in percent.

    Attributes:
        bleu: corpus BLEU.
        chrf: chrF2.
        ter: translation edit rate; lower is better.
        exact_match: share of hypotheses equal to their reference.
        signatures: sacreBLEU's signature for each metric, which makes a score comparable.
    """

    bleu: float
    chrf: float
    ter: float
    exact_match: float
    signatures: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return asdict(self)


def score(hypotheses: Sequence[str], references: Sequence[str], options: TranslationEvaluation) -> Scores:
    """Scores hypotheses against one reference each.

    Raises:
        UserError: if their numbers differ or there are none.
    """
    _check(hypotheses, references)
    metrics = sacrebleu_metrics(options)
    corpus = [list(references)]
    values = {name: metric.corpus_score(list(hypotheses), corpus).score for name, metric in metrics.items()}
    case = str.lower if options.lowercase else str
    equal = sum(case(a) == case(b) for a, b in zip(hypotheses, references, strict=True))
    return Scores(
        **values,
        exact_match=100.0 * equal / len(references),
        signatures={name: str(metric.get_signature()) for name, metric in metrics.items()},
    )


def sacrebleu_metrics(options: TranslationEvaluation) -> dict[str, Any]:
    """SacreBLEU's own objects, by the names of the scores they give."""
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    ter = TER()  # as the sacrebleu command computes it, without regard to case
    return {"bleu": _bleu(options), "chrf": CHRF(lowercase=options.lowercase), "ter": ter}


def bleu(hypotheses: Sequence[str], references: Sequence[str], options: TranslationEvaluation) -> float:
    """Corpus BLEU alone, the same number as `score` gives; cheap enough for every validation."""
    _check(hypotheses, references)
    return float(_bleu(options).corpus_score(list(hypotheses), [list(references)]).score)


def sentence_bleu(hypotheses: Sequence[str], reference: str, options: TranslationEvaluation) -> list[float]:
    """BLEU of single sentences, from 0 to 100.

    One is added to the counts of all n-grams but single words (Lin and Och 2004), and n-grams that are longer than the
    hypothesis do not count.
    """
    metric = _bleu(options, smooth_method="add-k", smooth_value=1, effective_order=True)
    return [float(metric.sentence_score(hypothesis, [reference]).score) for hypothesis in hypotheses]


def _bleu(options: TranslationEvaluation, **smoothing: Any) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=options.bleu_tokenize, lowercase=options.lowercase, force=True, **smoothing)


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if len(hypotheses) != len(references):
        raise UserError(f"{len(hypotheses)} hypotheses cannot be scored against {len(references)} references")
    if not references:
        raise UserError("there is nothing to score: the set is empty")
