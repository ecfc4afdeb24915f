"""The training objective and its honest relative, the negative log-likelihood."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.data.batch import Batch
from nmt.model.fast.cross_entropy import linear_cross_entropy
from nmt.model.fast.products import goes_fast
from nmt.model.seq2seq import Predictions, Seq2Seq
from nmt.tokenizer import PAD


@dataclass(frozen=True)
class Loss:
    """Sums over a batch.

    Attributes:
        objective: what is differentiated: cross-entropy against the smoothed targets and a coverage loss, or a risk.
        nll: negative log-likelihood in nats, without smoothing and gradient; its mean's exponential is perplexity.
        tokens: number of target tokens, the ends included.
        terms: number of what the objective is a sum of, tokens or sentences: what its gradient is divided by.
    """

    objective: Float[Tensor, ""]
    nll: Float[Tensor, ""]
    tokens: Int[Tensor, ""]
    terms: Int[Tensor, ""]


def sequence_loss(model: Seq2Seq, batch: Batch, label_smoothing: float = 0.0, coverage: float = 0.0) -> Loss:
    """Predicts every target token from those before it; padding is never even projected onto the vocabulary.

    Args:
        model: the network.
        batch: the sentence pairs.
        label_smoothing: share of the probability that is spread evenly over the vocabulary.
        coverage: lambda of See et al. 2017, equation 13, with which `coverage_loss` is added to the objective.
    """
    real = batch.tgt_out != PAD
    found = model.predictions(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
    loss = _of_predictions(model, found, label_smoothing)
    if not coverage:
        return loss
    assert found.weights is not None
    return replace(loss, objective=loss.objective + coverage * coverage_loss(found.weights, real))


def validation_sums(model: Seq2Seq, batch: Batch) -> Float[Tensor, "4"]:
    """What a validation sums up over its batches.

    Returns:
        Negative log-likelihood, number of target tokens, coverage loss (0 without attention) and p_gen (0 without a
        pointer).
    """
    real = batch.tgt_out != PAD
    found = model.predictions(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
    loss = _of_predictions(model, found, 0.0)
    nothing = loss.nll.new_zeros(())
    covered = nothing if found.weights is None else coverage_loss(found.weights, real)
    made = nothing if found.gates is None else found.gates.sigmoid().sum()
    return torch.stack([loss.nll, loss.tokens, covered, made])


def _of_predictions(model: Seq2Seq, found: Predictions, label_smoothing: float) -> Loss:
    tokens = torch.tensor(len(found.targets), device=found.targets.device)
    if goes_fast(found.outputs):
        words = model.output.words
        inputs = model.output.before_words(found.outputs)
        objective, nll = linear_cross_entropy(
            inputs, words.weight, words.bias, found.targets, label_smoothing, found.copies
        )
        return Loss(objective, nll, tokens, tokens)
    if found.copies is None:
        return smoothed_cross_entropy(model.output(found.outputs), found.targets, label_smoothing)
    nll = -found.copies.mixed(model.output.log_probs(found.outputs, found.targets)).sum()
    return Loss(nll, nll.detach(), tokens, tokens)


def coverage_loss(weights: Float[Tensor, "batch tgt src"], real: Bool[Tensor, "batch tgt"]) -> Float[Tensor, ""]:
    """How much is looked at again: sum over steps and places of min(a_i^t, c_i^t) (See et al. 2017, equation 12).

    c_i^t is the sum of a_i over the steps before.

    Args:
        weights: the attention.
        real: True for the steps that count.
    """
    before = nn.functional.pad(weights[:, :-1].cumsum(dim=1), (0, 0, 1, 0))
    return (torch.minimum(weights, before).sum(dim=2) * real).sum()


def smoothed_cross_entropy(
    logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"], label_smoothing: float
) -> Loss:
    """Cross-entropy with the share `label_smoothing` spread evenly over the vocabulary.

    Szegedy et al. 2016, section 7. Computed at least in float32.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_probs = logits.log_softmax(dim=-1)
    nll = nn.functional.nll_loss(log_probs, targets, reduction="sum")
    objective = nll
    if label_smoothing:
        uniform = -log_probs.mean(dim=-1).sum()
        objective = (1.0 - label_smoothing) * nll + label_smoothing * uniform
    tokens = torch.tensor(len(targets), device=targets.device)
    return Loss(objective, nll.detach(), tokens, tokens)
