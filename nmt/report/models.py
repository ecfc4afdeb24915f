"""What is computed with a run's own model, one run after the other, so that one model is in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.align import Alignment
from nmt.bundle import load_bundle
from nmt.data.corpus import iterate_text, load_split, text_hash
from nmt.errors import UserError
from nmt.recipe.evaluation import SummarizationEvaluation
from nmt.report.collect import Run, SharedSet
from nmt.report.gradients import reach
from nmt.summaries.documents import documents
from nmt.translator import Translator


@dataclass(frozen=True)
class Texts:
    """A set as its recipe loads it.

    Attributes:
        sources: of all pairs.
        references: of all pairs.
        lines: what was searched: the sources, of summaries each document once.
    """

    sources: Sequence[str]
    references: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True)
class Inspection:
    """What a model does with the text.

    Attributes:
        alignments: of each sentence that was asked for; None where the model has no attention.
        norms: of the gradient, by distance; none if there is no sentence to measure.
        copies: the alignment of the words of each sentence that is to show copied words; none without a pointer.
    """

    alignments: Sequence[Alignment | None]
    norms: Sequence[float]
    copies: Sequence[Alignment] = ()


def load_set(shared: SharedSet) -> Texts:
    """The text of the set, from where the first of the runs that finds it has it.

    Raises:
        UserError: if it is no longer there, or has changed since.
    """
    problem = UserError("")
    for run in shared.runs:
        try:
            return _load_set(run)
        except UserError as error:
            problem = error
    raise problem


def _load_set(run: Run) -> Texts:
    data = run.recipe.data
    split = data.test if run.split == "test" else data.validation
    assert split is not None
    dataset = load_split(data, split)
    if text_hash(dataset) != run.results["hashes"][run.split]:
        raise UserError(f"{run.name}: data.path: the text has changed since this run translated it")
    sources, references = (list(iterate_text(dataset, side)) for side in ("source", "target"))
    summarizes = isinstance(run.recipe.evaluation, SummarizationEvaluation)
    return Texts(sources, references, documents(sources, references).sources if summarizes else sources)


def inspect(run: Run, texts: Texts, lines: Sequence[int], copied: Sequence[int]) -> Inspection:
    """Aligns the given lines with the model's translations of them, and measures its gradients.

    Args:
        run: whose model it is.
        texts: the set.
        lines: numbers of the lines whose pieces are aligned.
        copied: of those whose words are, by a model with a pointer.

    Raises:
        UserError: if the run has no model that can be loaded.
    """
    bundle = load_bundle(run.folder)
    translator = Translator.from_bundle(bundle, "cpu")
    sources = [texts.lines[line] for line in lines]
    found = [translations[0] for translations in translator.translate(sources)]
    alignments = [translator.align(*pair) for pair in zip(sources, found, strict=True)]
    sources = [texts.lines[line] for line in copied] if bundle.recipe.model.pointer else []
    copies = [pair.words for pair in translator.align_all(sources, translator(sources))]
    return Inspection(alignments, reach(bundle, texts.sources, texts.references), copies)  # reach is in float64: last
