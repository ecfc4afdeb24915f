"""The recipe: one YAML file that says data, tokenizer, model, training, search and evaluation.

A recipe states only what differs from the defaults below; `nmt.recipe_file` reads it. Nothing heavy is imported here,
so a mistake is answered at once.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


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
    max_length: Positive = 100
    """Training pairs with a side of more pieces than this are dropped and counted."""
    subword_sampling: PositiveFloat | None = None
    """Train on segmentations sampled anew in each epoch (Kudo 2018), as probable as the model's probability to the
    power of this alpha: the smaller, the more varied. Needs a unigram tokenizer. null: the best segmentation."""
    workers: Positive = 2
    """Processes that tokenize the corpus."""


class TokenizerOptions(Section):
    """A SentencePiece specification; the models trained from it can be shared by recipes."""

    type: Literal["unigram", "bpe", "char", "word"] = "unigram"
    """Kind of SentencePiece model."""
    vocab_size: Annotated[int, Field(ge=8)] = 8000
    """Number of pieces, the four special ones and the 256 bytes included."""
    joint: bool = True
    """One model for both languages (true) or one for each (false)."""
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the characters of the text that get a piece of their own."""
    byte_fallback: bool = True
    """Spell an unknown character in bytes, so that no text is lost (unigram and bpe)."""


class NoAttention(Section):
    """No attention: the decoder sees the source through its first state only (Sutskever et al. 2014)."""

    type: Literal["none"]


class AdditiveAttention(Section):
    """Bahdanau et al. 2015: the query is the state before the step, the context enters the cell."""

    type: Literal["additive"]
    size: Positive = 256
    """Units of the attention's hidden layer (n' in the paper)."""


class DotAttention(Section):
    """Luong et al. 2015, score `dot`; the encoder's states must be as wide as the decoder's."""

    type: Literal["dot"]


class GeneralAttention(Section):
    """Luong et al. 2015, score `general`."""

    type: Literal["general"] = "general"


class ConcatAttention(Section):
    """Luong et al. 2015, score `concat`, with the query after the step."""

    type: Literal["concat"]
    size: Positive = 256
    """Units of the attention's hidden layer."""


Attention = Annotated[
    NoAttention | AdditiveAttention | DotAttention | GeneralAttention | ConcatAttention,
    Field(discriminator="type"),
]


class EncoderOptions(Section):
    """The LSTM encoder."""

    hidden_size: Positive | None = None
    """Units per direction; null: chosen such that the states are as wide as the decoder's."""
    layers: Positive = 1
    """Number of stacked layers."""
    bidirectional: bool = True
    """Read the source in both directions."""


class ModelOptions(Section):
    """The network."""

    embedding_size: Positive = 256
    """Size of the word embeddings."""
    hidden_size: Positive = 512
    """Units of the decoder's LSTM."""
    layers: Positive = 1
    """Layers of the decoder's LSTM."""
    encoder: EncoderOptions = EncoderOptions()
    attention: Attention = GeneralAttention()
    input_feeding: bool = True
    """Feed the attentional vector of a step into the next one (Luong et al. 2015, section 3.3)."""
    bridge: Literal["linear", "copy", "zero"] = "linear"
    """The decoder's first state: linear + tanh of the backward encoder's last state (Bahdanau; without attention, of
    both directions' last states), a copy of the encoder's last states (Luong), or zeros."""
    dropout: Fraction = 0.2
    """Share of units dropped on non-recurrent connections (Zaremba et al. 2014)."""
    tie_output: bool = False
    """Use the target embedding as the output layer's matrix (Press and Wolf 2017)."""
    share_embeddings: bool = False
    """One embedding for source and target; needs a joint tokenizer."""
    init: Literal["uniform", "xavier"] = "uniform"
    """Initial values. uniform: every parameter from [-init_range, init_range] (Luong et al. 2015). xavier: Glorot's
    for matrices, orthogonal recurrent ones, biases 0 and the forget gate's 1."""
    init_range: PositiveFloat = 0.1
    """The range of `init: uniform`."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> "ModelOptions":
        width = self.encoder_width
        if self.encoder.hidden_size is None and width != self.hidden_size:
            raise ValueError("hidden_size must be even for a bidirectional encoder, or give encoder.hidden_size")
        if isinstance(self.attention, DotAttention) and width != self.hidden_size:
            raise ValueError(
                f"attention dot needs encoder states as wide as hidden_size ({self.hidden_size}), "
                f"but they have {width} units"
            )
        if self.bridge == "copy" and (width != self.hidden_size or self.encoder.layers != self.layers):
            raise ValueError("bridge copy needs an encoder with the decoder's layers and width")
        if self.bridge == "zero" and isinstance(self.attention, NoAttention):
            raise ValueError("bridge zero with attention none would hide the source from the decoder")
        return self

    @property
    def encoder_size(self) -> int:
        """Units of the encoder per direction."""
        return self.encoder.hidden_size or self.hidden_size // (2 if self.encoder.bidirectional else 1)

    @property
    def encoder_width(self) -> int:
        """Width of the encoder's states, both directions together."""
        return self.encoder_size * (2 if self.encoder.bidirectional else 1)


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


Schedule = Annotated[
    ConstantSchedule | InverseSqrtSchedule | LinearSchedule | PlateauSchedule, Field(discriminator="type")
]


class TrainingOptions(Section):
    """Objective, optimizer, and which checkpoints to keep."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of initial values, shuffling, dropout and subword sampling."""
    batch_size: Positive = 64
    """Size of a batch, over all processes together: their number changes no more than random draws."""
    batch_unit: Literal["sentences", "tokens"] = "sentences"
    """What `batch_size` counts: sentence pairs, or padded tokens of the longer side."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 0.001
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
    batch_size: Positive = 64
    """Sentences translated together; changes the speed, not the result."""
    max_source_length: Positive = 1000
    """Longer source lines are cut to this many pieces, with a warning."""


class EvaluationOptions(Section):
    """What is scored and shown."""

    bleu_tokenize: Literal["13a", "none", "char", "intl", "zh"] = "13a"
    """sacreBLEU's tokenization for BLEU."""
    lowercase: bool = False
    """Score without regard to case."""
    samples: NonNegative = 3
    """Translations shown after each validation, and attention heat maps drawn at the end."""


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
