"""What several tests share: values by formula, tiny networks, and models for the search that are no network."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nmt.data.batch import make_batch
from nmt.model.build import build_model
from nmt.model.cells import StackedCell
from nmt.model.dropout import Dropout
from nmt.model.encoder import Encoder, TorchReader
from nmt.model.fast.layers import LSTM, LSTMCell
from nmt.model.int8 import observed_limits, quantise
from nmt.model.seq2seq import Seq2Seq, TranslationState
from nmt.model.shortlist import Shortlist
from nmt.recipe.model import ModelOptions
from nmt.search.picking import Best
from nmt.search.processors import BlockedNgrams, ForcedPrefixes
from nmt.search.sampling import Sampling, sample
from nmt.search.scoring import best_continuations
from nmt.search.search import search
from nmt.search.types import Choice, Hypothesis, ModelStep, SearchSettings, StepModel
from nmt.tokenizer import EOS
from nmt.training.loss import sequence_loss
from tests.bare import bare

Array = npt.NDArray[np.float64]
Ids = tuple[int, ...]
AnyModule = TypeVar("AnyModule", bound=nn.Module)

ATTENTIONS: dict[str, dict[str, Any]] = {
    "none": {"attention": {"type": "none"}},
    "additive": {"attention": {"type": "additive", "size": 5}, "decoder": {"type": "bahdanau"}},
    "dot": {"attention": {"type": "dot"}},
    "general": {"attention": {"type": "general"}},
    "concat": {"attention": {"type": "concat", "size": 5}},
}
"""Fields of the recipe's `model`: what the fast way unrolls."""

UNFED: dict[str, Any] = {"decoder": {"type": "luong", "input_feeding": False}}
"""Luong's wiring whose steps do not read the attentional vector of the one before."""

MECHANISMS: dict[str, dict[str, Any]] = {
    "location": {"attention": {"type": "location", "positions": 6}},
    "scaled_dot": {"attention": {"type": "scaled_dot"}},
    "normed_additive": {"attention": {"type": "normed_additive", "size": 5}},
    "local_m": {"attention": {"type": "general", "window": {"type": "monotonic", "width": 1}}},
    "local_p": {"attention": {"type": "dot", "window": {"type": "predictive", "width": 2}}},
    "local_p_additive": {
        "attention": {"type": "additive", "size": 5, "window": {"type": "predictive", "width": 1}},
        "decoder": {"type": "bahdanau"},
    },
    "linguistic_coverage": {
        "attention": {"type": "additive", "size": 5, "coverage": "linguistic"},
        "decoder": {"type": "bahdanau"},
    },
    "neural_coverage": {"attention": {"type": "additive", "size": 5, "coverage": "neural"}},
    "summary": {"attention": {"type": "summary"}, "decoder": {"type": "bahdanau"}},
    "rnnsearch": {
        "cell": {"type": "gru_bahdanau"},
        "attention": {"type": "additive", "size": 5},
        "decoder": {"type": "bahdanau", "output": "maxout"},
    },
    "conditional": {
        "cell": {"type": "gru"},
        "attention": {"type": "additive", "size": 5},
        "decoder": {"type": "conditional"},
    },
    "gnmt": {
        "decoder": {"type": "gnmt"},
        "layers": 3,
        "residual": True,
        "encoder": {"layers": 3, "bidirectional": "bottom"},
        "attention": {"type": "normed_additive", "size": 5},
    },
    "see": {"decoder": {"type": "see"}, "attention": {"type": "additive", "size": 5, "coverage": "sum"}},
    "intra_attention": {
        "decoder": {"type": "see", "intra_attention": True},
        "attention": {"type": "additive", "size": 5},
    },
    "tanh": {"cell": {"type": "rnn"}},
    "lstm_layer_norm": {"cell": {"type": "lstm_layer_norm"}},
    "gru_layer_norm": {"cell": {"type": "gru_layer_norm"}, "decoder": {"type": "conditional"}},
    "lstm_multiplicative": {"cell": {"type": "lstm_multiplicative"}},
    "recurrent_dropout": {"cell": {"type": "lstm", "recurrent_dropout": 0.3}},
    "variational_dropout": {"variational_dropout": True},
    "reversed": {"encoder": {"bidirectional": False, "reverse": True}},
    "self_attention": {"encoder": {"self_attention": 2}},
    "residual": {"residual": True, "layers": 2, "encoder": {"layers": 2}},
}
"""The other mechanisms, each in one network."""

POINTERS: dict[str, dict[str, Any]] = {
    "pointer": {"pointer": True},
    "pointer_see": {
        "pointer": True,
        "decoder": {"type": "see"},
        "attention": {"type": "additive", "size": 5, "coverage": "sum"},
    },
}
"""Networks that can copy words, also the last of `tiny_model`'s, which is not in their vocabulary."""


def waves(*shape: int, phase: float = 0.0) -> Tensor:
    """Values in [-1, 1] by a formula, without rank or symmetry that a test could lean on; float64."""
    index = torch.arange(math.prod(shape), dtype=torch.float64) + 1.0
    return torch.sin(0.7 * index**2 + index + phase).reshape(shape)


@torch.no_grad()
def fill(module: AnyModule, scale: float = 0.5) -> AnyModule:
    """Gives every parameter values by a formula, other ones for each."""
    for number, parameter in enumerate(module.parameters()):
        parameter.copy_(scale * waves(*parameter.shape, phase=1.3 * number))
    return module


def tiny_model(name: str, vocab: int = 9, **options: Any) -> Seq2Seq:
    """A network with weights by formula, in evaluation mode; a pointer's does not know the last of the words."""
    vocab -= name in POINTERS
    sizes: dict[str, Any] = {"embedding_size": 5, "hidden_size": 6, "dropout": 0.0}
    named = (ATTENTIONS | MECHANISMS | POINTERS)[name]
    return fill(build_model(ModelOptions.model_validate(sizes | named | options), vocab, vocab)).eval()


def lstm_encoder(embedding: int, units: int, layers: int, both: bool, dropout: float = 0.0) -> Encoder:
    """Torch's stack of LSTMs as an encoder."""
    network = LSTM(
        embedding,
        units,
        layers,
        batch_first=True,
        bidirectional=both,
        dropout=dropout if layers > 1 else 0.0,
    )
    return Encoder([TorchReader(network)], Dropout(dropout))


def lstm_stack(inputs: int, units: int, layers: int, dropout: float = 0.0) -> StackedCell:
    """A decoder's LSTM layers."""
    sizes = [inputs] + [units] * (layers - 1)
    return StackedCell([LSTMCell(size, units) for size in sizes], dropout)


SENTENCES: list[Ids] = [
    (4,),
    (5, 6, 7, 8, 4, 5),
    (8, 8, 4),
    (7, 5, 6, 4, 5, 8, 6, 7, 4),
    (6, 4),
    (5,),
    (4, 6, 8, 5),
    (7, 7),
]


@cache
def practised_model(attention: str, layers: int | None = None) -> Seq2Seq:
    """A network that has begun to learn to write the sentences above backwards; not to be changed.

    So its translations differ from sentence to sentence in words and length, and it is not sure of them. With made-up
    weights it would repeat one word for ever.
    """
    model = tiny_model(attention, hidden_size=8, **({"layers": layers} if layers else {}))
    batch = make_batch(SENTENCES, [sentence[::-1] for sentence in SENTENCES])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    with bare():
        for _ in range(40):
            optimizer.zero_grad()
            loss = sequence_loss(model, batch)
            torch.autograd.backward(loss.objective / loss.tokens)
            optimizer.step()
    return model.requires_grad_(False)


def step_log_probs(model: Seq2Seq, tokens: Tensor, state: TranslationState) -> tuple[Tensor, TranslationState]:
    """What a step of the search gives to every word of the vocabulary, and the state after it."""
    sums = torch.zeros(len(tokens), 1)  # each hypothesis as if it were of a sentence of its own
    words = len(model.output.words.bias) if state.words is None else state.words.size
    step = model.step(tokens, state, Choice(sums, Best(words), EOS))
    best = step.best
    return torch.full_like(best.sums, -torch.inf).scatter(1, best.tokens, best.sums), step.state


@cache
def exported_model(attention: str, layers: int | None = None) -> Seq2Seq:
    """The same with weights of 8 bits and a shortlist, which has not all words for any sentence."""
    model = deepcopy(practised_model(attention, layers))
    with observed_limits(model) as limits, torch.inference_mode():
        state = model.start(*source_batch([(*sentence, EOS) for sentence in SENTENCES]))
        for token in range(4, 9):
            tokens = torch.full((len(SENTENCES),), token)
            _, state = step_log_probs(model, tokens, state)
    quantise(model, limits)
    by_word = torch.tensor([[word, 4 + (3 * word) % 5] for word in range(9)], dtype=torch.int32)
    model.output.shortlist = Shortlist(by_word, torch.tensor([EOS], dtype=torch.int32), 9)
    return model


def numpy_of(tensor: Tensor) -> Array:
    """The values in float64, for references in numpy."""
    return np.asarray(tensor.detach().double().numpy(), dtype=np.float64)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)


def numpy_softmax(scores: Sequence[float]) -> list[float]:
    """e^x / sum of e^x."""
    exponentials = [math.exp(score) for score in scores]
    return [value / sum(exponentials) for value in exponentials]


def numpy_lstm_cell(cell: nn.LSTMCell, x: Array, hidden: Array, memory: Array) -> tuple[Array, Array]:
    """One step for one row, by the equations in torch's documentation; returns the new hidden and cell state."""
    gates = numpy_of(cell.weight_ih) @ x + numpy_of(cell.bias_ih) + numpy_of(cell.weight_hh) @ hidden
    read, forget, new, write = np.split(gates + numpy_of(cell.bias_hh), 4)
    memory = sigmoid(forget) * memory + sigmoid(read) * np.tanh(new)
    return sigmoid(write) * np.tanh(memory), memory


Table = Callable[[Ids, Ids], list[float]]
"""Log-probabilities of every next token after a source and a prefix (begin not included)."""


def normalised(logits: Sequence[float]) -> list[float]:
    """Log-probabilities from logits, as the float32 numbers that a model would give."""
    return torch.tensor(logits, dtype=torch.float64).log_softmax(dim=0).float().tolist()


def hashed_table(salt: int, vocab: int, sharpness: float, ending: float = 0.0) -> Table:
    """A table of which every entry depends on the source, the whole prefix and the token, without any pattern.

    Args:
        salt: each gives another table.
        vocab: number of tokens.
        sharpness: the range of the logits.
        ending: what is added to the logit of token 1, the end.
    """
    known: dict[tuple[Ids, Ids], list[float]] = {}

    def log_probs(source: Ids, prefix: Ids) -> list[float]:
        if (source, prefix) not in known:
            state = _mix(salt)
            for token in (*source, -1, *prefix):
                state = _mix(state ^ _mix(token + 7))
            logits = [sharpness * _mix(state + token) / 2**64 for token in range(vocab)]
            logits[1] += ending
            known[source, prefix] = normalised(logits)
        return known[source, prefix]

    return log_probs


def _mix(value: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    value = (value * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) % 2**64
    return value ^ value >> 31


def restricted(table: Table, may_come: Callable[[Ids, Ids, int], bool]) -> Table:
    """The same table without what may not come after a source and a prefix; what is left keeps its probability."""

    def log_probs(source: Ids, prefix: Ids) -> list[float]:
        answers = enumerate(table(source, prefix))
        return [answer if may_come(source, prefix, token) else -math.inf for token, answer in answers]

    return log_probs


def repeats(prefix: Ids, token: int, size: int) -> bool:
    """Whether the last `size` tokens of a prefix and a token stand in the prefix, too."""
    run = (*prefix, token)[-size:]
    return len(run) == size and any(prefix[place : place + size] == run for place in range(len(prefix)))


@dataclass(frozen=True)
class TableState:
    """The sources, and each row's own source and prefix (None before the begin token)."""

    sources: tuple[Ids, ...]
    rows: tuple[tuple[Ids, Ids | None], ...]

    def select(self, sentences: Tensor, rows: Tensor) -> "TableState":
        """See `nmt.search.types.SearchState`."""
        return TableState(
            tuple(self.sources[sentence] for sentence in sentences.tolist()),
            tuple(self.rows[row] for row in rows.tolist()),
        )


@dataclass
class TableModel:
    """A `StepModel` that looks its answers up. It insists on the order of the rows, and notes what it was asked.

    Attributes:
        table: the answers.
        bos: the token that must come first.
        asked: for every step, the source of each row.
    """

    table: Table
    bos: int = 0
    asked: list[list[Ids]] = field(default_factory=list)

    def start(self, src_ids: Tensor, src_lengths: Tensor) -> TableState:
        """See `StepModel`."""
        pairs = zip(src_ids.tolist(), src_lengths.tolist(), strict=True)
        sources = tuple(tuple(ids[:length]) for ids, length in pairs)
        return TableState(sources, tuple((source, None) for source in sources))

    def step(self, tokens: Tensor, state: TableState, choice: Choice) -> ModelStep[TableState]:
        """See `StepModel`."""
        beam, rest = divmod(len(state.rows), len(state.sources))
        assert rest == 0
        rows: list[tuple[Ids, Ids | None]] = []
        for number, (token, (source, prefix)) in enumerate(zip(tokens.tolist(), state.rows, strict=True)):
            assert source == state.sources[number // beam]
            assert prefix is not None or token == self.bos
            rows.append((source, () if prefix is None else (*prefix, token)))
        self.asked.append([source for source, _ in rows])
        log_probs = torch.tensor([self.table(source, prefix or ()) for source, prefix in rows])
        return ModelStep(best_continuations(log_probs, choice), TableState(state.sources, tuple(rows)))


def source_batch(sources: Sequence[Ids], padding: int = 0, columns: int = 0) -> tuple[Tensor, Tensor]:
    """Right-padded sources with `columns` more than needed, and their lengths."""
    width = max(map(len, sources)) + columns
    ids = torch.tensor([[*source, *[padding] * (width - len(source))] for source in sources])
    return ids, torch.tensor([len(source) for source in sources])


def normalise(log_prob: float, tokens: int, alpha: float) -> float:
    """The score of a hypothesis of so many tokens, the end not counted: Wu et al. 2016, equation 14."""
    return float(log_prob / ((5 + tokens + 1) / 6) ** alpha)


def longest(source: Ids, settings: SearchSettings) -> int:
    """Most tokens of a translation of a source."""
    return math.floor(settings.max_length_ratio * len(source)) + settings.max_length_extra


def next_tokens(length: int, source: Ids, vocab: int, settings: SearchSettings) -> list[int]:
    """What may follow `length` tokens."""
    most = longest(source, settings)
    fewest = min(math.ceil(settings.min_length_ratio * len(source)) + settings.min_length_extra, most)
    words = [token for token in range(vocab) if token != settings.eos and token not in settings.banned]
    return (words if length < most else []) + ([settings.eos] if length >= fewest else [])


def all_hypotheses(table: Table, source: Ids, settings: SearchSettings) -> list[Hypothesis]:
    """Every hypothesis that there is, best first."""
    vocab = len(table(source, ()))
    complete: list[Hypothesis] = []
    pending: list[tuple[Ids, float]] = [((), 0.0)]
    while pending:
        prefix, log_prob = pending.pop()
        answers = table(source, prefix)
        for token in next_tokens(len(prefix), source, vocab, settings):
            total = log_prob + answers[token]
            if total == -math.inf:
                continue
            if token == settings.eos:
                score = normalise(total, len(prefix), settings.length_penalty)
                complete.append(Hypothesis(list(prefix), total, score))
            else:
                pending.append(((*prefix, token), total))
    return sorted(complete, key=lambda found: -found.score)


@dataclass(frozen=True)
class SlowBeam:
    """What a beam search of one sentence finds that never stops early.

    Attributes:
        finished: all hypotheses that ended, best first.
        widths: the number of open hypotheses before each step.
        useful: the number of steps before no open hypothesis could become one of the n best any more.
    """

    finished: list[Hypothesis]
    widths: list[int]
    useful: int


def slow_beam(
    table: Table, source: Ids, settings: SearchSettings, handicap: Callable[[Ids], float] = lambda _: 0.0
) -> SlowBeam:
    """The search as its module describes it, one sentence and one hypothesis at a time, to the very end.

    Args:
        table: the probabilities.
        source: the sentence.
        settings: how to search.
        handicap: what is added to all continuations of a hypothesis while the best of them are chosen.
    """
    vocab, alpha, most = len(table(source, ())), settings.length_penalty, longest(source, settings)
    open_ones: list[tuple[Ids, float]] = [((), 0.0)]
    finished: list[Hypothesis] = []
    widths: list[int] = []
    useful = 0
    for length in range(most + 1):
        if not open_ones:
            break
        widths.append(len(open_ones))
        goal = finished[settings.n_best - 1].score if len(finished) >= settings.n_best else -math.inf
        if useful == length and normalise(open_ones[0][1], most, alpha) > goal:
            useful = length + 1
        candidates = [
            (prefix, token, log_prob + table(source, prefix)[token])
            for prefix, log_prob in open_ones
            for token in next_tokens(length, source, vocab, settings)
            if table(source, prefix)[token] > -math.inf
        ]
        candidates.sort(key=lambda candidate: -candidate[2] - handicap(candidate[0]))
        best = candidates[: settings.beam_size - len(finished)]
        open_ones = [((*prefix, token), total) for prefix, token, total in best if token != settings.eos]
        finished += [
            Hypothesis(list(prefix), total, normalise(total, length, alpha))
            for prefix, token, total in best
            if token == settings.eos
        ]
        finished.sort(key=lambda found: -found.score)
    return SlowBeam(finished, widths, useful)


def assert_same_hypotheses(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    """The same tokens in the same order, with the same numbers up to float32's rounding, which adds up over steps."""
    assert [hypothesis.tokens for hypothesis in found] == [hypothesis.tokens for hypothesis in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert math.isclose(ours.log_prob, theirs.log_prob, rel_tol=5e-5, abs_tol=5e-5)
        assert math.isclose(ours.score, theirs.score, rel_tol=5e-5, abs_tol=5e-5)


SEARCHES: dict[str, dict[str, Any]] = {
    "blocked": {"processors": (BlockedNgrams(1),)},
    "covered": {"coverage_penalty": 0.3},
    "unrepeated": {"coverage_penalty": 0.3, "coverage_penalty_type": "summary"},
    "diverse": {"diversity_groups": 2, "diversity_penalty": 1.0},
    "prefixed": {},
    "constrained": {},
    "sampled": {},
}
"""What can be asked of a search, besides beam and lengths, as settings."""


def asked_search(
    asked: str, model: StepModel[Any], batch: tuple[Tensor, Tensor], settings: SearchSettings, numbers: Sequence[int]
) -> list[list[Hypothesis]]:
    """One of `SEARCHES`; what it asks of a sentence depends on the sentence's number alone."""
    settings = replace(settings, **SEARCHES[asked])
    if asked == "sampled":
        return sample(model, *batch, settings, 3, numbers, Sampling(seed=5, temperature=0.8, top_k=4))
    if asked == "prefixed":
        prefixes = [SENTENCES[number % len(SENTENCES)][: number % 3] for number in numbers]
        settings = replace(settings, processors=(ForcedPrefixes(prefixes, batch[0].device),))
    if asked != "constrained":
        return search(model, *batch, settings)
    phrases = [[SENTENCES[number % len(SENTENCES)][:2]] * (number % 3 > 0) for number in numbers]
    return search(model, *batch, settings, phrases)
