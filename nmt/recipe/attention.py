"""The attentions that `model.attention` may be, and their windows."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Positive, Section


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
    """No attention: every step sees the same summary of the source, made of the encoder's last state."""

    type: Literal["summary"]
    projection: bool = True
    """Let the summary be c = tanh(V h) of the last state h (Cho et al. 2014); false: h itself (RNNencdec of Bahdanau et
    al. 2015, appendix A.2.2)."""


class AdditiveAttention(Section):
    """The score v' tanh(W s + U h) of Bahdanau et al. 2015; `concat` is Luong's name for it."""

    type: Literal["additive", "concat"]
    size: Positive = 256
    """Units of the attention's hidden layer (n' in Bahdanau et al. 2015)."""
    window: Window | None = None
    """Look at a part of the source only; null: at all of it."""
    coverage: Literal["linguistic", "neural", "sum"] | None = None
    """Let the score know how much of each source word has been translated (Tu et al. 2016), or, sum, how much it has
    been looked at (See et al. 2017, section 2.3)."""


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
    positions: Positive = 101
    """Source words from this one on are never looked at. What no training sentence has is never learned: give
    `data.max_length` + 1, for the end is looked at, too."""


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
