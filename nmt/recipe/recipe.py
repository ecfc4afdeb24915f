"""The recipe: one YAML file that says data, tokenizer, model, training, search and evaluation.

A recipe states only what differs from the defaults in the modules beside this one; `nmt.recipe_file` reads it. Nothing
heavy is imported in them, so a mistake is answered at once.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from nmt.recipe.data import DataOptions
from nmt.recipe.evaluation import EvaluationOptions, SummarizationEvaluation, TranslationEvaluation
from nmt.recipe.model import ModelOptions
from nmt.recipe.objective import MinimumRiskObjective
from nmt.recipe.published import PublishedFigure
from nmt.recipe.search import SearchOptions
from nmt.recipe.section import Section
from nmt.recipe.tokenizer import TokenizerOptions
from nmt.recipe.trainer import TrainerOptions
from nmt.recipe.training import TrainingOptions

Key = tuple[str | int, ...]
"""Where a field stands in a recipe."""


class Recipe(Section):
    """One experiment, whole."""

    data: DataOptions
    tokenizer: TokenizerOptions = TokenizerOptions()
    """A specification, or the path of one (relative to the recipe's folder)."""
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()
    trainer: TrainerOptions = TrainerOptions()
    search: SearchOptions = SearchOptions()
    evaluation: EvaluationOptions = TranslationEvaluation()
    published: list[PublishedFigure] = Field(default=[])
    """Published figures that are printed beside our own."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        return complete(given)

    @property
    def searched(self) -> SearchOptions:
        """`search`, with sources cut to no more than those of the training were."""
        longest = min(filter(None, (self.search.max_source_length, self.data.cut_source)))
        return self.search.model_copy(update={"max_source_length": longest})

    @property
    def copies_unknown_words(self) -> bool:
        """Whether words that no vocabulary has can be copied; of pieces nothing is unknown."""
        return self.model.pointer and self.tokenizer.type == "word"


def complete(given: Any) -> Any:
    """What a recipe says, with the defaults that depend on another section: a training of summaries monitors ROUGE."""
    match given:
        case {"evaluation": {"type": "summarization"} | SummarizationEvaluation()}:
            training = given.get("training", {})
            return {**given, "training": {"monitor": "rouge", **training}} if isinstance(training, dict) else given
    return given


def contradictions(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Fields that are right by themselves, but not beside a field of another section: their key, and what they need.

    Args:
        sections: those of a recipe that are sound, by their key.
    """
    for of in (_of_model, _of_data, _of_search, _of_phases, _of_evaluation):
        yield from of(sections)


def _of_model(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    match sections:
        case {"model": ModelOptions() as model, "tokenizer": TokenizerOptions(joint=False)}:
            for field in ("share_embeddings", "pointer"):
                if getattr(model, field):
                    yield ("model", field), "needs tokenizer.joint: true"
    match sections:
        case {"model": ModelOptions(pointer=True), "training": TrainingOptions() as training}:
            if training.label_smoothing:
                yield ("training", "label_smoothing"), "must be 0 with model.pointer: true"
    match sections:
        case {"model": ModelOptions(attends=False) as model, "training": TrainingOptions() as training}:
            if training.coverage_loss:
                yield ("training", "coverage_loss"), f"needs an attention; model.attention is {model.attention.type}"


def _of_data(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    match sections:
        case {
            "data": DataOptions(subword_sampling=float()),
            "tokenizer": TokenizerOptions(type="bpe" | "char" | "word"),
        }:
            yield ("data", "subword_sampling"), "needs tokenizer.type: unigram"
    match sections:
        case {"data": DataOptions() as data, "tokenizer": TokenizerOptions(needs_languages=True)}:
            for side, language in zip(("source", "target"), data.languages, strict=True):
                if not re.fullmatch("[a-z]{2,3}", language):
                    need = f"tokenizer.moses and normalize_punctuation need a language such as de, not {language!r}"
                    yield ("data", f"{side}_language"), need


def _of_phases(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    key = ("training", "phases")
    match sections:
        case {"training": TrainingOptions(early_epochs=early), "trainer": TrainerOptions(max_epochs=int() as most)}:
            if 0 < early >= most:
                yield key, f"they take {early} epochs; trainer.max_epochs ({most}) must be more"
    match sections:
        case {"training": TrainingOptions(coverage_loss=0.0) as training, "model": ModelOptions(has_coverage=False)}:
            if not all(phase.coverage for phase in training.phases):
                yield key, "coverage: false needs model.attention.coverage or training.coverage_loss"
    match sections:
        case {"training": TrainingOptions() as training, "data": DataOptions() as data}:
            for side in ("cut_source", "cut_target"):
                longest = getattr(data, side) or data.max_length
                if any((getattr(phase, side) or 0) > longest for phase in training.phases):
                    yield key, f"{side} must be at most {longest}, to which the data are cut or else dropped"
    match sections:
        case {"training": TrainingOptions(shuffle="once"), "trainer": TrainerOptions(limit_train_batches=int())}:
            yield ("trainer", "limit_train_batches"), "needs training.shuffle: epoch; else each has the same batches"


def _of_search(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    match sections:
        case {"model": ModelOptions(attends=False) as model, "search": SearchOptions() as search}:
            need = f"needs an attention; model.attention is {model.attention.type}"
            if search.coverage_penalty:
                yield ("search", "coverage_penalty"), need
            if search.replace_unknown:
                yield ("search", "replace_unknown"), need
    match sections:
        case {"search": SearchOptions(replace_unknown=False, dictionary=str())}:
            yield ("search", "dictionary"), "needs search.replace_unknown: true"


_MEASURE_OF_THE_OTHER = {"translation": "rouge", "summarization": "bleu"}


def _of_evaluation(sections: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    if (evaluation := sections.get("evaluation")) is None:
        return
    missing, why = _MEASURE_OF_THE_OTHER[evaluation.type], f"evaluation.type is {evaluation.type}"
    match sections:
        case {"training": TrainingOptions() as training}:
            if training.monitor == missing:
                yield ("training", "monitor"), f"{missing} is not measured where {why}"
            if isinstance(training.objective, MinimumRiskObjective) and missing == "bleu":
                yield ("training", "objective"), f"minimum_risk is a risk in BLEU, which is not measured where {why}"
    for number, figure in enumerate(sections.get("published", [])):
        if figure.of is not None and f".{missing}" in figure.of:
            yield ("published", number, "of"), f"{figure.of} is not measured where {why}"
