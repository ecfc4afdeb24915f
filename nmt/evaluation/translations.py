"""Translations: BLEU, chrF and TER, before and after unknown words are replaced, and by length of the source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any

from nmt.evaluation.searches import Validation, changed, cuts, perplexity, search, told_cuts
from nmt.metrics import Scores, bleu, score
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.tokenizer import UNK, Tokenizer
from nmt.translation import Translation
from nmt.translator import Translator

_SPANS = (0, 7, 10, 13, 16, 20, 30, 40, 50, 1_000_000)  # bounds of source lengths in words


@dataclass(frozen=True)
class FoundTranslations:
    """What one kind of search gives on a set.

    Attributes:
        translations: the best one of each line.
        lines: the same as they were scored.
        references: what they were scored against.
        scores: of them all.
        seconds: the time that it took to find them.
        bleu_before: BLEU before unknown words were replaced; None if they are not to be.
    """

    translations: list[Translation]
    lines: list[str]
    references: list[str]
    scores: Scores
    seconds: float
    bleu_before: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        before = {} if self.bleu_before is None else {"bleu_before_replacement": self.bleu_before}
        return {**self.scores.as_dict(), **before}


@dataclass(frozen=True)
class EvaluatedTranslations:
    """An evaluated set.

    Attributes:
        sources: the lines that were translated.
        greedy: by greedy search.
        beam: by beam search, as the recipe says.
        perplexity: exponential of the negative log-likelihood per target token, the ends included.
        beam_size: hypotheses of the beam search.
        by_length: the beam's BLEU and number of lines, for sources of so many words (Bahdanau et al. 2015, figure 2).
        text: what was scored, `evaluation.text` of the recipe.
        no_unk: by a beam that may not produce the unknown word, of the lines without one in source and reference
            (Bahdanau et al. 2015, section 5.1 and table 1); None where that is none of the lines, or all of them.
    """

    sources: Sequence[str]
    greedy: FoundTranslations
    beam: FoundTranslations
    perplexity: float
    beam_size: int
    by_length: dict[str, dict[str, float]]
    text: str
    no_unk: FoundTranslations | None = None

    def searches(self) -> dict[str, FoundTranslations]:
        """All searches, by what their files are called."""
        return {"greedy": self.greedy, "beam": self.beam, **({"no-unk": self.no_unk} if self.no_unk else {})}

    def references(self) -> dict[str, Iterable[str]]:
        """The lines of the files of references, by the names of the files."""
        found = {"": self.beam, **({"no-unk.": self.no_unk} if self.no_unk else {})}
        return {f"{name}reference.txt": map(_on_one_line, result.references) for name, result in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return {
            "beam": {**self.beam.as_dict(), "beam_size": self.beam_size},
            "greedy": self.greedy.as_dict(),
            "perplexity": self.perplexity,
            "text": self.text,
            **cuts(self.beam.translations),
            "bleu_by_source_length": self.by_length,
            **({"no_unk": {**self.no_unk.scores.as_dict(), "lines": len(self.no_unk.lines)}} if self.no_unk else {}),
        }

    def table(self, title: str) -> str:
        """The scores, greedy and beam, with BLEU's signature."""
        no_unk = self.no_unk
        rows = [
            f"{title:<12}{'BLEU':>8}{'chrF':>8}{'TER':>8}{'exact':>8}",
            _row("greedy", self.greedy.scores),
            _row(f"beam {self.beam_size}", self.beam.scores),
            *([_row("no-UNK", no_unk.scores) + f"  {len(no_unk.lines)} lines without unknown words"] if no_unk else []),
            f"perplexity {self.perplexity:.3f} per target piece, {len(self.beam.translations)} lines",
            *told_cuts(self.beam.translations),
            f"BLEU of {self.text} text, {self.beam.scores.signatures['bleu']}",
            *(
                f"{name}: unknown words replaced; BLEU was {result.bleu_before:.2f} before"
                for name, result in (("greedy", self.greedy), (f"beam {self.beam_size}", self.beam))
                if result.bleu_before is not None
            ),
        ]
        return "\n".join(rows)


def evaluate_translations(
    translator: Translator,
    sources: Sequence[str],
    references: Sequence[str],
    options: TranslationEvaluation,
) -> EvaluatedTranslations:
    """Translates all lines greedily and with a beam, and scores both against the references.

    Raises:
        UserError: if there are no lines, or not one reference for each.
    """
    beam = _search(translator, sources, references, options)
    greedy_translator = changed(translator, beam_size=1)
    greedy = _search(greedy_translator, sources, references, options)
    return EvaluatedTranslations(
        sources,
        greedy,
        beam,
        perplexity(greedy_translator.score(sources, references)),
        translator.options.beam_size,
        bleu_by_length(sources, beam.lines, beam.references, options),
        options.text,
        _search_without_unknown(translator, sources, references, options),
    )


def validate_translations(
    sources: Sequence[str], references: Sequence[str], target: Tokenizer, options: TranslationEvaluation
) -> Validation:
    """What a training searches and scores of its validation set: BLEU."""

    def score(found: Sequence[Translation]) -> float:
        return bleu(*scored_text(found, references, target, options), options)

    return Validation("bleu", "BLEU", sources, references, score)


def _search_without_unknown(
    translator: Translator, sources: Sequence[str], references: Sequence[str], options: TranslationEvaluation
) -> FoundTranslations | None:
    """The lines whose words are all known, translated without the unknown word; None if they are none, or all."""
    tokenizers = translator.tokenizers
    ids = zip(tokenizers.source.encode(sources), tokenizers.target.encode(references), strict=True)
    known = [UNK not in source and UNK not in reference for source, reference in ids]
    if all(known) or not any(known):
        return None
    kept_sources, kept_references = (list(compress(lines, known)) for lines in (sources, references))
    return _search(changed(translator, forbid_unknown=True), kept_sources, kept_references, options)


def scored_text(
    translations: Sequence[Translation], references: Sequence[str], target: Tokenizer, options: TranslationEvaluation
) -> tuple[list[str], list[str]]:
    """What is scored, in training and after it: translations and references, as a person writes them or tokenized.

    Args:
        translations: what a model found.
        references: untouched.
        target: how the model's target side is prepared; older papers scored that, by multi-bleu.perl.
        options: say which of the two.
    """
    if options.text == "raw":
        return [translation.text for translation in translations], list(references)
    return [translation.prepared for translation in translations], target.prepare(references)


def bleu_by_length(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], options: TranslationEvaluation
) -> dict[str, dict[str, float]]:
    """Corpus BLEU and number of lines of each span of source lengths, in words between white space."""
    rows = list(zip(sources, hypotheses, references, strict=True))
    spans = {}
    for shortest, longest in pairwise(_SPANS):
        chosen = [row for row in rows if shortest <= len(row[0].split()) < longest]
        if chosen:
            _, found, wanted = zip(*chosen, strict=True)
            name = f"{shortest}-{longest - 1}" if longest < _SPANS[-1] else f"{shortest}+"
            spans[name] = {"bleu": bleu(found, wanted, options), "lines": len(chosen)}
    return spans


def _search(
    translator: Translator, sources: Sequence[str], references: Sequence[str], options: TranslationEvaluation
) -> FoundTranslations:
    searched = search(translator, sources)
    translations, target = searched.translations, translator.tokenizers.target
    lines, scored_references = scored_text(translations, references, target, options)
    before = None
    if translator.options.replace_unknown:
        plain = [_plain(target, found) for found in translations]
        before = bleu(*scored_text(plain, references, target, options), options)
    scores = score(lines, scored_references, options)
    return FoundTranslations(translations, lines, scored_references, scores, searched.seconds, before)


def _plain(target: Tokenizer, found: Translation) -> Translation:
    """A translation with its unknown words as they are."""
    (prepared,) = target.spell([found.ids], found.words)
    return found.reading(prepared, target)


def _row(name: str, scores: Scores) -> str:
    values = (scores.bleu, scores.chrf, scores.ter, scores.exact_match)
    return f"{name:<12}" + "".join(f"{value:8.2f}" for value in values)


def _on_one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
