"""Minimum risk training: the expected loss of the network's own translations (Shen et al. 2016)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.data.batch import Batch, target_tensors
from nmt.metrics import sentence_bleu
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.evaluation import TranslationEvaluation
from nmt.search.sampling import Sampling, sample
from nmt.search.types import SearchSettings
from nmt.tokenizer import PAD, Tokenizer
from nmt.training.drawing import drawing
from nmt.training.loss import Loss

Ids = Sequence[int]


@dataclass(frozen=True)
class MinimumRisk:
    """The risk of every sentence: the expected cost of its candidates, the reference among them (section 3).

    Attributes:
        sharpness: alpha of the distribution over the candidates.
        propose: gives candidates for every sentence of a batch, as ids without begin and end; twins count once.
        cost: what each of some candidates costs beside the reference.
    """

    sharpness: float
    propose: Callable[[Seq2Seq, Batch], Sequence[Sequence[Ids]]]
    cost: Callable[[Sequence[Ids], Ids], Sequence[float]]

    def __call__(self, model: Seq2Seq, batch: Batch, step: int) -> Loss:
        """See `nmt.training.objective.Objective`; the objective is summed over sentences.

        The negative log-likelihood is that of the references.
        """
        real = batch.tgt_out != PAD
        references = [[word for word in ids if word != PAD][:-1] for ids in batch.tgt_out.tolist()]
        candidates = [
            _without_twins([reference, *proposed])
            for reference, proposed in zip(references, self.propose(model, batch), strict=True)
        ]
        costs = [self.cost(some, reference) for some, reference in zip(candidates, references, strict=True)]
        log_probs = candidate_log_probs(model, batch, candidates)
        risks = expected_costs(log_probs, _rows(costs, like=log_probs), self.sharpness)
        sentences = real.any(dim=1)  # a process without a share has a sentence without words
        nll = -log_probs[sentences, 0].detach().sum()
        return Loss((risks * sentences).sum(), nll, real.sum(), sentences.sum())


def expected_costs(
    log_probs: Float[Tensor, "batch candidates"], costs: Float[Tensor, "batch candidates"], sharpness: float
) -> Float[Tensor, " batch"]:
    """The sum over candidates of Q(y) cost(y), where Q(y) is P(y) ** sharpness, made to sum to one over the candidates.

    Shen et al. 2016, section 3: the risk over a subset of all translations. Its gradient is the sum over candidates of
    sharpness * Q(y) * (cost(y) - expected cost) times that of log P(y).

    Args:
        log_probs: natural, of each candidate; -inf where a sentence has no more of them.
        costs: of each candidate.
        sharpness: alpha of the paper.
    """
    return ((sharpness * log_probs).softmax(dim=1) * costs).sum(dim=1)


def candidate_log_probs(
    model: Seq2Seq, batch: Batch, candidates: Sequence[Sequence[Ids]]
) -> Float[Tensor, "batch candidates"]:
    """The log-probability of every candidate translation of each sentence; -inf where a sentence has no more.

    A sentence is read once for all of its candidates, so that they share the dropout of the encoder, too.
    """
    device = batch.src_ids.device
    tgt_in, tgt_out = (ids.to(device) for ids in target_tensors([ids for some in candidates for ids in some]))
    places = torch.tensor([(row, place) for row, some in enumerate(candidates) for place in range(len(some))])
    sentences, columns = places.to(device).unbind(1)
    real = tgt_out != PAD
    words = model.log_probs(batch.src_ids, batch.src_lengths, tgt_in, tgt_out, real, sentences)
    sums = words.new_zeros(len(tgt_in)).index_add(0, real.nonzero()[:, 0], words)
    table = sums.new_full((len(candidates), max(map(len, candidates))), -torch.inf)
    return table.index_put((sentences, columns), sums)


def _without_twins(candidates: Iterable[Ids]) -> list[Ids]:
    """Each once, in the order in which they came first."""
    return list(dict.fromkeys(tuple(ids) for ids in candidates))


def _rows(costs: Sequence[Sequence[float]], like: Float[Tensor, "batch candidates"]) -> Tensor:
    """Costs as a tensor, 0 where there is no candidate."""
    rows = [[*some, *[0.0] * (like.shape[1] - len(some))] for some in costs]
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class Sampler:
    """Draws translations from the network: algorithm 1.

    Attributes:
        samples: how many of each sentence.
        settings: what may come in a translation, and how long it may be; of a beam of one.
    """

    samples: int
    settings: SearchSettings

    def __call__(self, model: Seq2Seq, batch: Batch) -> list[list[list[int]]]:
        """The translations of each sentence, as ids without begin and end."""
        sampling = Sampling(seed=int(torch.randint(2**62, ())))
        with drawing(model):
            found = sample(
                model, batch.src_ids, batch.src_lengths, self.settings, self.samples, range(len(batch)), sampling
            )
        return [[drawn.tokens for drawn in some] for some in found]


@dataclass(frozen=True)
class Bleu:
    """1 - BLEU of single sentences, from 0 to 1: the paper's -BLEU but for a constant, which no gradient sees.

    It is that of the text that is evaluated, detokenized or not, so that what is learned is what is evaluated,
    whatever the pieces. The reference is what its pieces spell.
    """

    tokenizer: Tokenizer
    options: TranslationEvaluation

    def __call__(self, candidates: Sequence[Ids], reference: Ids) -> list[float]:
        """The cost of each candidate."""
        text_of = self.tokenizer.spell if self.options.text == "tokenized" else self.tokenizer.decode
        wanted, *texts = text_of([reference, *candidates])
        return [1.0 - score / 100.0 for score in sentence_bleu(texts, wanted, self.options)]
