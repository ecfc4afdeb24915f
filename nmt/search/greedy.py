"""Greedy search: the most probable continuation at every step."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.scoring import length_penalty
from nmt.search.types import Hypothesis, SearchSettings, State, StepModel


@torch.inference_mode()
def greedy_search(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> list[Hypothesis]:
    """Translates a batch; equal to a beam of one. Finished sentences leave the batch.

    It keeps no histories, so it takes no processors; a beam of one does.

    Returns:
        One hypothesis for each sentence, in order.

    Raises:
        ValueError: if there are processors.
    """
    if settings.processors:
        raise ValueError("greedy search takes no processors; a beam of one does")
    settings = replace(settings, beam_size=1)
    state = model.start(src_ids, src_lengths)
    sentences = torch.arange(len(src_ids), device=src_ids.device)  # those still open, by their place in the batch
    previous = torch.full_like(sentences, settings.bos)
    sums = torch.zeros(len(src_ids), device=src_ids.device)
    log_probs = [0.0] * len(src_ids)
    columns: list[Tensor] = []  # the tokens of each step, the end wherever a sentence is no longer open
    while len(sentences):
        step = model.step(previous, state, settings.choice(len(columns), src_lengths[sentences], sums[:, None]))
        previous, sums = step.best.tokens[:, 0], step.best.sums[:, 0]
        columns.append(torch.full_like(src_lengths, settings.eos).index_copy(0, sentences, previous))
        state, ended = step.state, previous == settings.eos
        if ended.any():
            for sentence, log_prob in zip(sentences[ended].tolist(), sums[ended].tolist(), strict=True):
                log_probs[sentence] = log_prob
            rows = (~ended).nonzero()[:, 0]
            sentences, previous, sums, state = sentences[rows], previous[rows], sums[rows], state.select(rows, rows)
    found = [tokens[: tokens.index(settings.eos)] for tokens in torch.stack(columns, dim=1).tolist()]
    lengths = torch.tensor([len(tokens) + 1 for tokens in found])
    scores = torch.tensor(log_probs) / length_penalty(lengths, settings.length_penalty)
    return [Hypothesis(*values) for values in zip(found, log_probs, scores.tolist(), strict=True)]
