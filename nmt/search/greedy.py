"""Greedy search: the most probable continuation at every step."""

import torch
from jaxtyping import Int
from torch import Tensor

from nmt.search.scoring import allowed_log_probs, length_penalty
from nmt.search.types import Hypothesis, SearchSettings, State, StepModel


@torch.inference_mode()
def greedy_search(
    model: StepModel[State],
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    settings: SearchSettings,
) -> list[Hypothesis]:
    """Translates a batch; equal to a beam of one. Finished sentences leave the batch.

    Returns:
        One hypothesis for each sentence, in order.
    """
    state = model.start(src_ids, src_lengths)
    sentences = torch.arange(len(src_ids), device=src_ids.device)  # those still open, by their place in the batch
    previous = torch.full_like(sentences, settings.bos)
    tokens: list[list[int]] = [[] for _ in src_ids]
    log_probs = torch.zeros(len(src_ids), device=src_ids.device)
    length = 0
    while len(sentences):
        step = model.step(previous, state)
        # Sums are compared, as in beam search: rounding may make two of them equal, and then both choose the same.
        sums = log_probs[sentences, None, None] + step.log_probs[:, None]
        best, tokens_at_step = allowed_log_probs(sums, length, src_lengths[sentences], settings)[:, 0].topk(1)
        log_probs[sentences], previous = best[:, 0], tokens_at_step[:, 0]
        still_open = previous != settings.eos
        rows = still_open.nonzero()[:, 0]
        sentences, previous, state = sentences[rows], previous[rows], step.state.select(rows, rows)
        for sentence, token in zip(sentences.tolist(), previous.tolist(), strict=True):
            tokens[sentence].append(token)
        length += 1
    lengths = torch.tensor([len(found) + 1 for found in tokens])
    scores = log_probs.cpu() / length_penalty(lengths, settings.length_penalty)
    return [Hypothesis(*values) for values in zip(tokens, log_probs.tolist(), scores.tolist(), strict=True)]
