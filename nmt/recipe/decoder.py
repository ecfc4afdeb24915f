"""The wirings of decoder and attention that `model.decoder` may be."""

from typing import Annotated, Literal

from pydantic import Field

from nmt.recipe.section import Section

DeepOutput = Literal["tanh", "maxout"]
"""What predicts a word from state, context and the word before."""


class LuongWiring(Section):
    """The attention follows the step, and an attentional vector predicts the word (Luong et al. 2015, section 3)."""

    type: Literal["luong"] = "luong"
    input_feeding: bool = True
    """Feed the attentional vector of a step into the next one (Luong et al. 2015, section 3.3)."""


class BahdanauWiring(Section):
    """The attention goes before the step, and the context enters the cell (Bahdanau et al. 2015, appendix A.2.2)."""

    type: Literal["bahdanau"]
    output: DeepOutput = "tanh"
    """What predicts the word: tanh of the new state, the context and the word before, or the maxout of half as many
    pairs of Bahdanau et al. 2015, which reads the state before the step."""


class ConditionalWiring(Section):
    """The attention stands between two cells (Nematus, Sennrich et al. 2017)."""

    type: Literal["conditional"]
    output: DeepOutput = "tanh"
    """What predicts the word: tanh of the new state, the context and the word before, or the maxout of half as many
    pairs, which reads the state before the step."""


class GnmtWiring(Section):
    """The bottom layer asks, all layers read the context (`gnmt_v2` of tensorflow/nmt)."""

    type: Literal["gnmt"]


class SeeWiring(Section):
    """The cell reads word and context merged, and state and new context predict the word (See et al. 2017)."""

    type: Literal["see"]
    intra_attention: bool = False
    """Look at the states of the steps before, too: what is seen of them helps to predict the word, and to choose
    between making and copying it (the intra-decoder attention of Paulus et al. 2018, section 2.2)."""


Wiring = Annotated[
    LuongWiring | BahdanauWiring | ConditionalWiring | GnmtWiring | SeeWiring, Field(discriminator="type")
]
