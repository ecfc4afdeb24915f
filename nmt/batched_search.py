"""Lines in ids to hypotheses: searched in batches, on all cores."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from nmt.batching import in_batches
from nmt.data.batch import source_tensors
from nmt.errors import UserError
from nmt.guides import Line
from nmt.memory import SMALLER_SEARCH, enough_memory
from nmt.model.dropout import evaluating
from nmt.model.ensemble import Network
from nmt.model.fast.products import goes_fast
from nmt.recipe.search import SearchOptions
from nmt.search.processors import BlockedNgrams, ForcedPrefixes
from nmt.search.sampling import Sampling, sample
from nmt.search.search import scored_as_asked, search
from nmt.search.types import Hypothesis, SearchSettings
from nmt.threads import map_on_cores
from nmt.tokenizer import BOS, EOS, PAD, UNK


def search_settings(options: SearchOptions, n_best: int = 1, only_read: Sequence[int] = ()) -> SearchSettings:
    """The recipe's `search` in the search's own terms.

    Args:
        options: the recipe's.
        n_best: hypotheses of each line, at most the beam.
        only_read: pieces that stand in sources alone; like begin and padding they never come out.
    """
    return SearchSettings(
        bos=BOS,
        eos=EOS,
        banned=(PAD, BOS, *([UNK] if options.forbid_unknown else []), *only_read),
        beam_size=options.beam_size,
        n_best=n_best,
        length_penalty=options.length_penalty,
        max_length_ratio=options.max_length_ratio,
        max_length_extra=options.max_length_extra,
        min_length_ratio=options.min_length_ratio,
        min_length_extra=options.min_length_extra,
        processors=() if options.block_ngrams is None else (BlockedNgrams(options.block_ngrams),),
        coverage_penalty=options.coverage_penalty,
        coverage_penalty_type=options.coverage_penalty_type,
        diversity_groups=options.groups,
        diversity_penalty=options.diversity_penalty,
    )


def search_lines(
    model: Network,
    lines: Sequence[Line],
    settings: SearchSettings,
    batch_size: int,
    sampling: Sampling | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each line, as many as the settings say, best first; or as many drawn at random.

    Lines of similar length are searched together; the result does not depend on that.

    Args:
        model: translates.
        lines: none of them blank.
        settings: how to search.
        batch_size: lines that are searched together, at most.
        sampling: how to draw them; None to search.

    Raises:
        UserError: if the model predicts what are no numbers, or memory runs out.
    """
    find = partial(_search, model, settings, sampling)
    by_cores = uses_cores(model)
    if by_cores:  # every core has its share
        batch_size = min(batch_size, max(math.ceil(len(lines) / torch.get_num_threads()), 1))
    with evaluating(model):
        # The longest ones first, so that no core is left with a long batch when the others have nothing more to do.
        return in_batches(find, lines, batch_size, lambda line: -len(line.source), map_on_cores if by_cores else map)


def uses_cores(model: Network) -> bool:
    """Whether batches are searched side by side, each on one core, and not one after the other on all."""
    return goes_fast(next(model.parameters()))


def _search(
    model: Network, settings: SearchSettings, sampling: Sampling | None, lines: Sequence[Line]
) -> list[list[Hypothesis]]:
    device = next(model.parameters()).device
    src_ids, src_lengths = (tensor.to(device) for tensor in source_tensors([line.source for line in lines]))
    if any(line.prefix for line in lines):
        prefixes = ForcedPrefixes([line.prefix for line in lines], device)
        settings = replace(settings, processors=(*settings.processors, prefixes))
    batch = f"a batch of {src_ids.shape[0]} sentences, source {src_ids.shape[1]} pieces, beam {settings.beam_size}"
    with enough_memory(batch, SMALLER_SEARCH):
        if sampling is None:
            phrases = [line.phrases for line in lines]
            found = search(model, src_ids, src_lengths, settings, phrases if any(phrases) else None)
        else:
            numbers = [sampling.first + line.number for line in lines]
            scored = scored_as_asked(model, settings)
            found = sample(scored, src_ids, src_lengths, settings, settings.n_best, numbers, sampling)
    if not all(hypotheses and math.isfinite(hypotheses[0].log_prob) for hypotheses in found):
        raise UserError("the model predicts values that are no numbers; train it again")
    return found
