"""The recipe: one YAML file that says data, tokenizer, model, training, search and evaluation.

A recipe states only what differs from the defaults below; `nmt.recipe_file` reads it. Nothing heavy is imported here,
so a mistake is answered at once.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
OwnFigure = Literal[
    "test.beam.bleu",
    "test.beam.bleu_before_replacement",
    "test.greedy.bleu",
    "test.no_unk.bleu",
    "test.perplexity",
    "validation.beam.bleu",
    "validation.greedy.bleu",
    "validation.no_unk.bleu",
    "validation.perplexity",
]
"""Figures of a run that published ones are compared with, by their keys in results.json."""


class Section(BaseModel):
    """A part of the recipe: strict types, no unknown keys, unchangeable once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )


class DataOptions(Section):
    """Where the text comes from and which of it is used."""

    path: str | Annotated[list[str], Field(min_length=2, max_length=2)]
    """A hub id, a local folder or file that `datasets` loads, `builtin:numbers`, or two plain text files, one sentence
    a line: `PREFIX` for PREFIX.de and PREFIX.en (if those are `source` and `target`), or a list of the two. `{split}`
    in a file name stands for the split's name; inside [brackets] such a name must be quoted."""
    config: str | None = None
    """The configuration of the dataset, where it has several."""
    train: str = "train"
    """Training split, in the notation of `datasets`: `train`, `train[:10000]`, `train[5%:]`."""
    validation: str = "validation"
    """Validation split; no line of it is ever dropped."""
    test: str | None = "test"
    """Test split; no line of it is ever dropped. null: no test at the end."""
    source: str = "source"
    """Column of the source text, or ending of its file; nested columns with a dot, `translation.de`."""
    target: str = "target"
    """Column of the target text, or ending of its file."""
    source_language: str | None = None
    """Code of the source language, `de`, for `tokenizer.moses`; null: the last part of `source`, as in
    `translation.de`."""
    target_language: str | None = None
    """Code of the target language; null: the last part of `target`."""
    max_length: Positive = 100
    """Training pairs with a side of more pieces than this are dropped and counted."""
    subword_sampling: PositiveFloat | None = None
    """Train on segmentations sampled anew in each epoch (Kudo 2018), as probable as the model's probability to the
    power of this alpha: the smaller, the more varied. Needs a unigram tokenizer. null: the best segmentation."""
    workers: Positive = 2
    """Processes that tokenize the corpus."""

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language, as far as the recipe says them."""
        return (
            self.source_language or self.source.rpartition(".")[2],
            self.target_language or self.target.rpartition(".")[2],
        )


class TokenizerOptions(Section):
    """What text is cut into, and what is done to it before; models trained from a specification can be shared."""

    type: Literal["unigram", "bpe", "char", "word"] = "unigram"
    """Kind of SentencePiece model; word: the most frequent words between white space, each other one unknown."""
    vocab_size: Annotated[int, Field(ge=8)] = 8000
    """Number of pieces, the four special ones and the 256 bytes included; for characters and words the most there
    are."""
    min_frequency: Positive | None = None
    """Only words that occur at least so often in the training text (type word). null: however rare."""
    joint: bool = True
    """One model for both languages (true) or one for each (false)."""
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the characters of the text that get a piece of their own."""
    byte_fallback: bool = True
    """Spell an unknown character in bytes, so that no text is lost (unigram and bpe)."""
    lowercase: bool = False
    """Lower-case the text before anything else; translations are lower-case, too."""
    normalize_punctuation: bool = False
    """One form for each mark, as Moses' normalize-punctuation.perl (by sacremoses)."""
    moses: bool = False
    """Set marks apart from words as Moses' tokenizer.perl (by sacremoses), and put translations together again. Not for
    text that is tokenized already."""

    @property
    def needs_languages(self) -> bool:
        """Whether some of it differs from language to language."""
        return self.moses or self.normalize_punctuation

    @model_validator(mode="after")
    def _fits_type(self) -> "TokenizerOptions":
        if self.min_frequency is not None and self.type != "word":
            raise ValueError("min_frequency needs type: word")
        return self


class MonotonicWindow(Section):
    """Local attention, local-m: the window moves on by a word at each step (Luong et al. 2015, section 3.2)."""

    type: Literal["monotonic"]
    width: Positive = 10
    """D: the window holds so many words on each side of its centre."""


class PredictiveWindow(Section):
    """Local attention, local-p: each step predicts where to look, and a Gaussian favours its centre (section 3.2)."""

    type: Literal["predictive"]
    width: Positive = 10
    """D: the window holds so many words on each side of its centre; sigma is D / 2."""


Window = Annotated[MonotonicWindow | PredictiveWindow, Field(discriminator="type")]


class NoAttention(Section):
    """No attention: the decoder sees the source through its first state only (Sutskever et al. 2014)."""

    type: Literal["none"]


class SummaryAttention(Section):
    """No attention: every step sees the same summary c = tanh(V h) of the source (Cho et al. 2014; RNNencdec)."""

    type: Literal["summary"]


class AdditiveAttention(Section):
    """The score v' tanh(W s + U h) of Bahdanau et al. 2015; `concat` is Luong's name for it."""

    type: Literal["additive", "concat"]
    size: Positive = 256
    """Units of the attention's hidden layer (n' in Bahdanau et al. 2015)."""
    window: Window | None = None
    """Look at a part of the source only; null: at all of it."""
    coverage: Literal["linguistic", "neural"] | None = None
    """Let the score know how much of each source word has been translated (Tu et al. 2016)."""


class NormedAdditiveAttention(Section):
    """The additive score with a normalised v, `normed_bahdanau` of tensorflow/nmt."""

    type: Literal["normed_additive"]
    size: Positive = 256
    """Units of the attention's hidden layer."""


class DotAttention(Section):
    """Luong et al. 2015, score `dot`; the encoder's states must be as wide as the decoder's."""

    type: Literal["dot"]
    window: Window | None = None
    """Look at a part of the source only; null: at all of it."""


class GeneralAttention(Section):
    """Luong et al. 2015, score `general`."""

    type: Literal["general"] = "general"
    window: Window | None = None
    """Look at a part of the source only; null: at all of it."""


class ScaledDotAttention(Section):
    """The score `general` with a learned factor, `scaled_luong` of tensorflow/nmt."""

    type: Literal["scaled_dot"]


class LocationAttention(Section):
    """Luong et al. 2015, score `location`: it does not look at the source, but at places."""

    type: Literal["location"]
    positions: Positive = 128
    """Source words from this one on are never looked at."""


Attention = Annotated[
    NoAttention
    | SummaryAttention
    | AdditiveAttention
    | NormedAdditiveAttention
    | DotAttention
    | GeneralAttention
    | ScaledDotAttention
    | LocationAttention,
    Field(discriminator="type"),
]


class EncoderOptions(Section):
    """The recurrent encoder."""

    hidden_size: Positive | None = None
    """Units per direction; null: chosen such that the states are as wide as the decoder's."""
    layers: Positive = 1
    """Number of stacked layers."""
    bidirectional: bool | Literal["bottom"] = True
    """Read the source in both directions: in all layers, or in the bottom one only (GNMT, Wu et al. 2016)."""
    reverse: bool = False
    """Read it from the last word to the first (Sutskever et al. 2014); for a unidirectional encoder."""
    self_attention: Positive | None = None
    """Heads of an attention of the encoder's states to each other; null: none."""


class ModelOptions(Section):
    """The network."""

    cell: Literal["lstm", "gru", "gru_bahdanau", "rnn", "lstm_layer_norm", "gru_layer_norm", "lstm_multiplicative"] = (
        "lstm"
    )
    """The recurrent cell of encoder and decoder: LSTM; the gated recurrent unit as cuDNN has it, or with the reset gate
    where Bahdanau et al. 2015 place it; tanh alone; with layer normalisation (Ba et al. 2016); multiplicative
    (Krause et al. 2016)."""
    embedding_size: Positive = 256
    """Size of the word embeddings."""
    hidden_size: Positive = 512
    """Units of the decoder's layers."""
    layers: Positive = 1
    """Layers of the decoder."""
    encoder: EncoderOptions = EncoderOptions()
    decoder: Literal["luong", "bahdanau", "conditional", "gnmt"] = "luong"
    """How the decoder and the attention are wired. luong: the attention follows the step, and an attentional vector
    predicts the word. bahdanau: the attention goes before the step, and the context enters the cell. conditional: it
    stands between two cells (Nematus). gnmt: the bottom layer asks, all layers read the context."""
    attention: Attention = GeneralAttention()
    input_feeding: bool = True
    """Feed the attentional vector of a step into the next one (Luong et al. 2015, section 3.3); decoder luong only."""
    deep_output: Literal["tanh", "maxout"] = "tanh"
    """What predicts the word in the decoders bahdanau and conditional: tanh of the new state, the context and the word
    before, or the maxout of half as many pairs of Bahdanau et al. 2015, which reads the state before the step."""
    residual: bool = False
    """Add what a layer reads to what it gives, where both have the same width (Wu et al. 2016, section 3.1)."""
    bridge: Literal["linear", "mean", "copy", "zero"] = "linear"
    """The decoder's first state: linear + tanh of the backward encoder's last state (Bahdanau; without attention, of
    both directions' last states), or of the mean of the encoder's states (Nematus), a copy of the encoder's last
    states (Luong), or zeros."""
    dropout: Fraction = 0.2
    """Share of units dropped on non-recurrent connections (Zaremba et al. 2014)."""
    embedding_dropout: Fraction | None = None
    """That of the word embeddings; null: as `dropout`."""
    memory_dropout: Fraction | None = None
    """That of the encoder's states, which the attention sees; null: as `dropout`."""
    output_dropout: Fraction | None = None
    """That of what predicts the words; null: as `dropout`."""
    variational_dropout: bool = False
    """Drop the same units at all steps of a sentence, and of the recurrent connections, too (Gal and Ghahramani
    2016)."""
    recurrent_dropout: Fraction = 0.0
    """Share of an LSTM's candidates that are not written to its memory (Semeniuta et al. 2016)."""
    tie_output: bool = False
    """Use the target embedding as the output layer's matrix (Press and Wolf 2017)."""
    share_embeddings: bool = False
    """One embedding for source and target; needs a joint tokenizer."""
    init: Literal["uniform", "xavier", "bahdanau"] = "uniform"
    """Initial values. uniform: every parameter from [-init_range, init_range] (Luong et al. 2015). xavier: Glorot's
    for matrices, orthogonal recurrent ones, biases 0 and the forget gate's 1. bahdanau: orthogonal recurrent matrices,
    biases and v of the attention 0, its matrices from N(0, 0.001^2), all others from N(0, 0.01^2)."""
    init_range: PositiveFloat = 0.1
    """The range of `init: uniform`."""
    forget_bias: NonNegativeFloat | None = None
    """First bias of an LSTM's forget gate; null: what `init` says."""

    @model_validator(mode="after")
    def _fits(self) -> "ModelOptions":
        problem = next((what for wrong, what in self._problems() if wrong), None)
        if problem:
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[tuple[bool, str]]:
        width, encoder, attention = self.encoder_width, self.encoder, self.attention
        none = isinstance(attention, NoAttention)
        has_deep_output = self.decoder in ("bahdanau", "conditional")
        layers_match = width == self.hidden_size and encoder.layers == self.layers
        yield (
            encoder.hidden_size is None and width != self.hidden_size,
            "hidden_size must be even for a bidirectional encoder, or give encoder.hidden_size",
        )
        yield (
            isinstance(attention, DotAttention) and width != self.hidden_size,
            f"attention dot needs encoder states as wide as hidden_size ({self.hidden_size}), but they have {width} "
            "units",
        )
        yield (
            self.bridge == "copy" and not (layers_match or self.copies_by_direction),
            "bridge copy needs an encoder with the decoder's layers and width",
        )
        yield (
            self.bridge == "zero" and none,
            "bridge zero with attention none would hide the source from the decoder",
        )
        yield (
            encoder.reverse and bool(encoder.bidirectional),
            "encoder.reverse is for a unidirectional encoder; a bidirectional one reads both ways",
        )
        yield (
            encoder.bidirectional == "bottom" and encoder.layers < 2,
            "encoder.bidirectional bottom needs encoder.layers of 2 or more",
        )
        yield (
            encoder.self_attention is not None and width % encoder.self_attention > 0,
            f"encoder.self_attention must divide the width of the encoder's states, {width}",
        )
        yield (
            encoder.self_attention is not None and not self.attends,
            f"encoder.self_attention is for what an attention reads; attention {attention.type} reads none of it",
        )
        yield (
            none and self.decoder != "luong",
            f"decoder {self.decoder} needs an attention; with none the decoder has no wiring to choose",
        )
        yield self.decoder == "conditional" and self.layers > 1, "decoder conditional has layers: 1"
        yield self.decoder == "gnmt" and self.layers < 2, "decoder gnmt needs layers of 2 or more"
        yield (
            isinstance(attention, AdditiveAttention) and None not in (attention.window, attention.coverage),
            "attention.window and attention.coverage exclude each other",
        )
        yield (
            self.deep_output == "maxout" and not has_deep_output,
            "deep_output maxout needs decoder bahdanau or conditional",
        )
        yield (
            self.deep_output == "maxout" and self.hidden_size % 2 == 1,
            "deep_output maxout needs an even hidden_size",
        )
        yield (
            self.variational_dropout and self.decoder not in ("luong", "bahdanau"),
            "variational_dropout needs decoder luong or bahdanau",
        )
        yield self.forget_bias is not None and not self.has_cell_state, "forget_bias is of LSTMs"
        yield self.recurrent_dropout > 0 and self.cell != "lstm", "recurrent_dropout needs cell lstm"

    def of_trained(self) -> dict[str, Any]:
        """What a trained network depends on: all but initial values and the dropout that is no part of a cell."""
        training = {"dropout", "embedding_dropout", "memory_dropout", "output_dropout", "init", "init_range"}
        return self.model_dump(exclude=training)

    @property
    def encoder_size(self) -> int:
        """Units of the encoder per direction."""
        halved = self.encoder.bidirectional is True
        return self.encoder.hidden_size or self.hidden_size // (2 if halved else 1)

    @property
    def encoder_width(self) -> int:
        """Width of the encoder's states, both directions together."""
        return self.encoder_size * (2 if self.encoder.bidirectional is True else 1)

    @property
    def copies_by_direction(self) -> bool:
        """Whether each direction of an encoder layer can begin a layer of the decoder."""
        both, layers = self.encoder.bidirectional is True, 2 * self.encoder.layers
        return both and self.encoder_size == self.hidden_size and layers == self.layers

    @property
    def attends(self) -> bool:
        """Whether there is an attention whose weights say where a step looks."""
        return not isinstance(self.attention, NoAttention | SummaryAttention)

    @property
    def has_cell_state(self) -> bool:
        """Whether the recurrent cell has a state beside the hidden one."""
        return self.cell.startswith("lstm")


class ConstantSchedule(Section):
    """Warm up linearly, then keep the learning rate."""

    type: Literal["constant"] = "constant"
    warmup_steps: NonNegative = 0


class InverseSqrtSchedule(Section):
    """Warm up linearly, then decay with the inverse square root of the step (Vaswani et al. 2017)."""

    type: Literal["inverse_sqrt"]
    warmup_steps: Positive = 1000


class LinearSchedule(Section):
    """Warm up linearly, then decay linearly to zero at the last step of the training."""

    type: Literal["linear"]
    warmup_steps: NonNegative = 0


class PlateauSchedule(Section):
    """Multiply the learning rate by `factor` when validation has not improved for more than `patience` rounds."""

    type: Literal["plateau"]
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    patience: NonNegative = 1


class HalvingSchedule(Section):
    """Keep the learning rate, then multiply it by `factor` again and again (Luong et al. 2015, section 4.1)."""

    type: Literal["halving"]
    start: NonNegative
    """After so many epochs or steps the rate falls for the first time. Luong et al. 2015: 5 epochs, with dropout 8."""
    every: Positive = 1
    """From then on it falls again whenever so many more are done."""
    unit: Literal["epochs", "steps"] = "epochs"
    """What `start` and `every` count."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5


Schedule = Annotated[
    ConstantSchedule | InverseSqrtSchedule | LinearSchedule | PlateauSchedule | HalvingSchedule,
    Field(discriminator="type"),
]


class LikelihoodObjective(Section):
    """The likelihood of reference words after those before them."""

    type: Literal["likelihood"] = "likelihood"


class LinearDecay(Section):
    """`offset` - `slope` * step, but at least `minimum`."""

    type: Literal["linear"]
    slope: PositiveFloat
    offset: NonNegativeFloat = 1.0
    minimum: Fraction = 0.0


class ExponentialDecay(Section):
    """`base` to the power of the step."""

    type: Literal["exponential"]
    base: Annotated[float, Field(gt=0.0, lt=1.0)]


class InverseSigmoidDecay(Section):
    """`speed` / (`speed` + exp(step / `speed`)): a half after about `speed` * ln(`speed`) steps."""

    type: Literal["inverse_sigmoid"]
    speed: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]


Decay = Annotated[LinearDecay | ExponentialDecay | InverseSigmoidDecay, Field(discriminator="type")]


class ScheduledSamplingObjective(Section):
    """The likelihood of reference words after words of which ever more are the model's own (Bengio et al. 2015)."""

    type: Literal["scheduled_sampling"]
    decay: Decay
    """How the probability falls with which a word that is read is the reference's (section 2.4)."""


class MinimumRiskObjective(Section):
    """The expected loss in BLEU of some of the model's own translations of a sentence (Shen et al. 2016).

    For a model that can translate already: `training.start_from`.
    """

    type: Literal["minimum_risk"]
    samples: Positive = 100
    """Translations drawn for each sentence; those that come twice count once. The reference is added to them."""
    sharpness: PositiveFloat = 0.005
    """The power (alpha) to which their probabilities are raised before they are made to sum to one."""


Objective = Annotated[
    LikelihoodObjective | ScheduledSamplingObjective | MinimumRiskObjective, Field(discriminator="type")
]


class TrainingOptions(Section):
    """Batches, first weights, objective, optimizer, and which checkpoints to keep."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of initial values, shuffling, dropout and subword sampling."""
    batch_size: Positive = 64
    """Size of a batch, over all processes together: their number changes no more than random draws."""
    batch_unit: Literal["sentences", "tokens"] = "sentences"
    """What `batch_size` counts: sentence pairs, or padded tokens of the longer side."""
    sort_window: Positive = 100
    """So many batches are cut from sentences sorted by length together: the more, the less padding. 1: not sorted."""
    shuffle: Literal["epoch", "once"] = "epoch"
    """epoch: sentences and batches in another order in each epoch. once: sentences before the first one only, each
    window's batches from short to long (with `sort_window: 20` those of Bahdanau et al. 2015, appendix B.2)."""
    start_from: str | None = None
    """A finished run or a bundle whose weights are the initial values. The tokenizers are its own; `tokenizer` and
    `model` (but for dropout) must be the same."""
    source_embeddings: str | None = None
    """A text file of word vectors (word2vec, GloVe, fastText), the initial embeddings of the source words in it."""
    target_embeddings: str | None = None
    """The same for target words."""
    objective: Objective = LikelihoodObjective()
    """What is learned."""
    normalization: Literal["tokens", "sentences"] = "tokens"
    """What the gradient of a batch, a sum, is divided by: its target tokens, or its sentences (as in
    tensorflow/nmt). `learning_rate` and `trainer.gradient_clip_val` go with it. A risk is always per sentence."""
    optimizer: Literal["adam", "adamw", "sgd", "adadelta", "adagrad"] = "adam"
    """adadelta: rho 0.95 and epsilon 1e-6, as in Bahdanau et al. 2015, appendix B.2, with `learning_rate: 1.0`."""
    learning_rate: PositiveFloat = 0.001
    adagrad_accumulator: NonNegativeFloat = 0.0
    """Initial sum of squared gradients of `optimizer: adagrad` (See et al. 2017: 0.1)."""
    weight_decay: NonNegativeFloat = 0.0
    schedule: Schedule = ConstantSchedule()
    label_smoothing: Fraction = 0.0
    """Share of the probability spread over the vocabulary (Szegedy et al. 2016)."""
    monitor: Literal["bleu", "perplexity"] = "bleu"
    """What on the validation set decides about the best checkpoint, early stopping and the plateau."""
    patience: Positive | None = None
    """Stop after this many validations without improvement; null: never."""
    average: Positive = 1
    """Test the mean of this many best checkpoints; 1: the best one."""

    @model_validator(mode="after")
    def _one_beginning(self) -> "TrainingOptions":
        if self.start_from is not None and (self.source_embeddings or self.target_embeddings):
            raise ValueError("start_from has embeddings of its own; leave source_embeddings and target_embeddings out")
        return self

    @property
    def monitor_mode(self) -> Literal["min", "max"]:
        """Whether the monitored score is better when it is lower or higher."""
        return "max" if self.monitor == "bleu" else "min"


class TrainerOptions(Section):
    """Arguments of Lightning's Trainer, under its own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Positive | Literal["auto"] | Annotated[list[NonNegative], Field(min_length=1)] = "auto"
    num_nodes: Positive = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """auto: bf16-mixed on a GPU that has it, else 32-true."""
    max_epochs: Positive | None = 10
    max_steps: Annotated[int, Field(ge=-1)] = -1
    max_time: Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}:\d{2}$")] | None = None
    """Stop after this time, DD:HH:MM:SS."""
    val_check_interval: Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    check_val_every_n_epoch: Positive | None = 1
    accumulate_grad_batches: Positive = 1
    gradient_clip_val: NonNegativeFloat | None = 1.0
    deterministic: bool = False
    log_every_n_steps: Positive = 50

    @model_validator(mode="after")
    def _ends(self) -> "TrainerOptions":
        if self.max_epochs is None and self.max_steps == -1:
            raise ValueError("give max_epochs or max_steps; max_time alone does not say how many steps to plan")
        interval = self.val_check_interval
        within_epochs = interval not in (None, 1.0)
        if self.accumulate_grad_batches > 1 and within_epochs:
            # Else a checkpoint could fall between two batches of one step, and a resumed run would lose a gradient.
            if not isinstance(interval, int) or interval % self.accumulate_grad_batches:
                raise ValueError("val_check_interval must be a multiple of accumulate_grad_batches")
            if self.check_val_every_n_epoch is None:
                raise ValueError("check_val_every_n_epoch: null cannot be had with accumulate_grad_batches")
        return self


AlignedTo = Literal["predicted", "input"]
"""Which of a step's two target tokens its attention belongs to."""


class SearchOptions(Section):
    """Beam search."""

    beam_size: Positive = 5
    length_penalty: NonNegativeFloat = 1.0
    """Alpha of Wu et al. 2016, equation 14: scores are divided by ((5 + length) / 6) ** alpha. 0: none."""
    max_length_ratio: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    """A translation has at most max_length_ratio * source pieces (the end included) + max_length_extra pieces."""
    max_length_extra: Annotated[int, Field(ge=1, le=100_000)] = 20
    min_length_ratio: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    """A translation has at least min_length_ratio * source pieces (the end included)."""
    block_ngrams: Positive | None = None
    """No run of this many pieces comes twice in a translation (Paulus et al. 2018, section 2.5). null: any may."""
    coverage_penalty: NonNegativeFloat = 0.0
    """Beta of Wu et al. 2016, equation 14: scores fall by what of the source a translation has not looked at. Needs an
    attention. 0: none."""
    diversity_groups: Positive = 1
    """Groups of the beam, each of which keeps away from the words of those before it (Vijayakumar et al. 2018)."""
    diversity_penalty: NonNegativeFloat = 0.5
    """What a word costs for each hypothesis of an earlier group that has it at the same place (lambda of the paper)."""
    forbid_unknown: bool = False
    """No translation holds the unknown piece (Bahdanau et al. 2015, table 1, "No UNK")."""
    batch_size: Positive = 64
    """Sentences translated together; changes the speed, not the result."""
    max_source_length: Positive = 1000
    """Longer source lines are cut to this many pieces, with a warning."""
    alignment: AlignedTo = "predicted"
    """Whose alignment the attention of a step is: that of the token it predicts, or of the token it reads (Luong et al.
    2015, footnote 14: `input` for scores that compare states, `predicted` for the location score)."""
    replace_unknown: bool = False
    """Put the source word that it looks at most in the place of each unknown word (Luong et al. 2015, section 4), or
    what `dictionary` has for it."""
    dictionary: str | None = None
    """A file of translations for `replace_unknown`: source word, tab, target word on each line; the first one wins."""

    @model_validator(mode="after")
    def _groups_are_equal(self) -> "SearchOptions":
        if self.beam_size % self.diversity_groups:
            raise ValueError(f"diversity_groups ({self.diversity_groups}) must divide beam_size ({self.beam_size})")
        return self


class EvaluationOptions(Section):
    """What is scored and shown."""

    text: Literal["raw", "tokenized"] = "raw"
    """raw: translations as a person writes them, against untouched references. tokenized: both as the target side of
    the tokenizer is prepared (`tokenizer.moses`, `lowercase`), which is what older papers scored; needs
    `bleu_tokenize: none`."""
    bleu_tokenize: Literal["13a", "none", "char", "intl", "zh"] = "13a"
    """sacreBLEU's tokenization for BLEU."""
    lowercase: bool = False
    """Score without regard to case."""
    samples: NonNegative = 3
    """Translations shown after each validation, and attention heat maps drawn at the end."""

    @model_validator(mode="after")
    def _tokenized_once(self) -> "EvaluationOptions":
        if self.text == "tokenized" and self.bleu_tokenize != "none":
            raise ValueError("text: tokenized needs bleu_tokenize: none")
        return self


class PublishedFigure(Section):
    """A figure of a paper or a toolkit, and what is expected of ours."""

    system: str
    """What it is called there."""
    metric: str
    """What exactly was measured: the score, the test set, tokenization, case, the scorer."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """The figure itself."""
    source: str
    """Where it was read: authors, year, table, arXiv id or file."""
    languages: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    """Source and target language of the text that was measured, as in [de, en]; a run of other languages does not show
    the figure. null: every run of the recipe does."""
    of: OwnFigure | None = "test.beam.bleu"
    """Which of our figures is set beside it, by its key in results.json: `beam.bleu`, `greedy.bleu`, `no_unk.bleu` or
    `perplexity` of `test` or `validation`, or `test.beam.bleu_before_replacement` (of unknown words). null: none, for
    we measure nothing like it."""
    band: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """From where to where our figure is expected; null: there is no telling."""
    differs: str | None = None
    """In what our protocol differs from the published one; null: in nothing that is known."""

    @model_validator(mode="after")
    def _band_fits(self) -> "PublishedFigure":
        if self.band is not None and self.band[0] > self.band[1]:
            raise ValueError(f"the band must rise, but {self.band[0]:g} is above {self.band[1]:g}")
        if self.band is not None and self.of is None:
            raise ValueError("a band needs a figure of ours to be compared with: give `of`")
        return self


class Recipe(Section):
    """One experiment, whole."""

    data: DataOptions
    tokenizer: TokenizerOptions = TokenizerOptions()
    """A specification, or the path of one (relative to the recipe's folder)."""
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()
    trainer: TrainerOptions = TrainerOptions()
    search: SearchOptions = SearchOptions()
    evaluation: EvaluationOptions = EvaluationOptions()
    published: list[PublishedFigure] = []
    """Published figures that are printed beside our own."""


def contradictions(sections: Mapping[str, Section]) -> Iterator[tuple[tuple[str, str], str]]:
    """Fields that are right by themselves, but not beside a field of another section: their key, and what they need.

    Args:
        sections: those of a recipe that are sound, by their key.
    """
    match sections:
        case {"model": ModelOptions(share_embeddings=True), "tokenizer": TokenizerOptions(joint=False)}:
            yield ("model", "share_embeddings"), "needs tokenizer.joint: true"
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
