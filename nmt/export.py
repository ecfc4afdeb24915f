"""Makes a trained model small and fast for translating on a CPU: weights of 8 bits, and a lexical shortlist."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nmt.bundle import Bundle, save_bundle
from nmt.data.corpus import load_split, load_texts
from nmt.data.lexicon import Lexicon, learn_lexicon
from nmt.errors import UserError
from nmt.evaluation.evaluate import Evaluation, evaluate_translator
from nmt.model.int8 import is_quantised, observed_limits, quantise
from nmt.model.shortlist import Shortlist
from nmt.recipe.data import DataOptions
from nmt.tokenizer import TokenizerPair
from nmt.translator import Translator

_FREQUENT = 100  # target pieces that may always come
_MOST_PAIRS = 200_000  # that a shortlist is learned from
_SAMPLE = 256  # validation lines that are translated to see how large the inputs of each layer become


@dataclass(frozen=True)
class Exported:
    """An exported model and the one it was made of, on the same set.

    Attributes:
        bundle: what was exported.
        before: the model that it was made of.
        after: the exported one.
        split: the set, as the recipe names it.
        shortlist: what it holds, how many candidates a sentence has on average, and the share of the reference's pieces
            that they hold; None without one.
        mib: what the weights take before and after.
    """

    bundle: Bundle
    before: Evaluation
    after: Evaluation
    split: str
    shortlist: dict[str, Any] | None
    mib: tuple[float, float]

    def table(self) -> str:
        """The scores of both, the shortlist, speed and size."""
        rows = [f"on {self.split}:", self.before.table("before"), "", self.after.table("after"), ""]
        if self.shortlist:
            recall, mean, pieces = self.shortlist["recall"], self.shortlist["mean"], len(self.bundle.tokenizers.target)
            rows.append(
                f"shortlist: {mean:.0f} of {pieces} pieces for a sentence, {recall:.1%} of the references' pieces"
            )
        beam, greedy = self._gains()
        rows.append(
            f"speed: {beam:.1f} times as fast with a beam of {self.after.beam_size}, {greedy:.1f} times greedily"
        )
        rows.append(f"size: {self.mib[1]:.1f} MiB instead of {self.mib[0]:.1f}")
        return "\n".join(rows)

    def _gains(self) -> tuple[float, float]:
        """How many times as fast the exported model was, with a beam and greedily."""
        before, after = self.before, self.after
        return before.beam.seconds / after.beam.seconds, before.greedy.seconds / after.greedy.seconds

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a result file."""
        return {
            "split": self.split,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "shortlist": self.shortlist,
            "times_as_fast": dict(zip(("beam", "greedy"), self._gains(), strict=True)),
            "mib": dict(zip(("before", "after"), self.mib, strict=True)),
            "weights": "int8" if is_quantised(self.bundle.model) else "float32",
            "versions": {package: version(package) for package in ("nmt", "torch")},
        }


def export(
    bundle: Bundle, data: DataOptions, int8: bool, candidates: int, say: Callable[[str], None] = lambda _: None
) -> Exported:
    """Makes a model small and fast, and evaluates it beside the one it was made of.

    Args:
        bundle: the model; it stays as it is.
        data: where its text lies. The shortlist is learned from the training split, the range of the numbers in 8 bits
            from the validation split, and both models are evaluated on the test split, or on the validation split where
            there is none.
        int8: whether weights get 8 bits.
        candidates: translations of each source piece in the shortlist; 0 for none.
        say: told before each part of the work.

    Raises:
        UserError: if nothing is asked for, the model was exported before, or the text is not there.
    """
    if not int8 and not candidates:
        raise UserError("nothing to export: float32 weights without a shortlist are the model as it is")
    if bundle.is_exported:
        raise UserError("this model was exported before; give the run that it was made of")
    if bundle.model.pointer is not None:
        raise UserError("a model with model.pointer cannot be exported: a shortlist has no words that are only copied")
    split = data.test or data.validation
    sources, references = load_texts(data, split)
    model = deepcopy(bundle.model)
    shortlist = None
    if int8:
        say("weights of 8 bits: translating some validation lines, for the range of their inputs")
        sample, _ = load_texts(data, data.validation)
        with observed_limits(model) as limits:
            Translator.from_bundle(Bundle(model, bundle.recipe, bundle.tokenizers), "cpu").translate(sample[:_SAMPLE])
        quantise(model, limits)
    if candidates:
        say("shortlist: learning from the training text which pieces translate which")
        lexicon = _lexicon(data, bundle.tokenizers, candidates)
        by_word, always = torch.from_numpy(lexicon.by_word), torch.from_numpy(lexicon.always)
        model.output.shortlist = Shortlist(by_word, always, len(bundle.tokenizers.target))
        texts = bundle.tokenizers.source.encode(sources), bundle.tokenizers.target.encode(references)
        recall, mean = lexicon.recall(*texts)
        shortlist = {"candidates": candidates, "always": len(lexicon.always), "mean": mean, "recall": recall}
    exported = Bundle(model, bundle.recipe, bundle.tokenizers)
    say(f"translating {split} with both models, {len(sources)} lines, greedily and with a beam")
    translators = [Translator.from_bundle(each, "cpu") for each in (bundle, exported)]
    for translator in translators:
        translator.translate(sources[: translator.options.batch_size])  # what runs first is not to seem slower
    before, after = (
        evaluate_translator(translator, sources, references, bundle.recipe.evaluation) for translator in translators
    )
    return Exported(exported, before, after, split, shortlist, (_mib(bundle), _mib(exported)))


def _mib(bundle: Bundle) -> float:
    weights = {tensor.data_ptr(): tensor for tensor in bundle.model.state_dict().values()}  # shared ones once
    return float(sum(tensor.nbytes for tensor in weights.values())) / 2**20


def save_export(exported: Exported, folder: Path) -> None:
    """Writes the bundle, with `results.json` beside the weights.

    Raises:
        UserError: if the folder cannot be written.
    """
    try:
        results = json.dumps(exported.as_dict(), indent=2, ensure_ascii=False) + "\n"
        save_bundle(exported.bundle, folder, {"results.json": results})
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _lexicon(data: DataOptions, tokenizers: TokenizerPair, candidates: int) -> Lexicon:
    training = load_split(data, data.train)
    step = max(-(-len(training) // _MOST_PAIRS), 1)
    training = training.select(range(0, len(training), step))
    sources, targets = (
        tokenizer.encode([text or "" for text in training[side]])
        for side, tokenizer in (("source", tokenizers.source), ("target", tokenizers.target))
    )
    both = ((s[: data.cut_source], t[: data.cut_target]) for s, t in zip(sources, targets, strict=True))
    usable = [pair for pair in both if max(map(len, pair)) <= data.max_length]  # what the training used
    return learn_lexicon(
        [source for source, _ in usable],
        [target for _, target in usable],
        len(tokenizers.source),
        len(tokenizers.target),
        candidates,
        _FREQUENT,
        joint=tokenizers.joint,
    )
