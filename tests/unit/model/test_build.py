"""Every network that a recipe can describe: whole, trainable, of the right size, with the initial values asked for."""

import itertools
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from nmt.data.batch import Batch, make_batch
from nmt.model.build import build_model
from nmt.model.initial_values import Scheme, bahdanau, initialise, uniform, xavier
from nmt.model.seq2seq import Seq2Seq
from nmt.recipe.attention import AdditiveAttention, GeneralAttention, NoAttention
from nmt.recipe.decoder import BahdanauWiring
from nmt.recipe.model import EncoderOptions, ModelOptions
from nmt.tokenizer import PAD
from nmt.training.loss import sequence_loss
from tests.helpers import ATTENTIONS, MECHANISMS, UNFED, fill, tiny_model, waves

BATCH = make_batch([[4, 5, 6, 7], [5]], [[6, 4], [7, 8, 5, 4]])

COMBINATIONS = [
    combination
    for combination in itertools.product(
        ATTENTIONS, ("linear", "copy", "zero"), (1, 2), (True, False), (True, False), (True, False)
    )
    if combination[:2] != ("none", "zero") and sum(combination[2:]) % 2 == 0
]
"""Half of them: any three of the last four settings still come together in every way."""


def gradients(model: Seq2Seq, batch: Batch) -> dict[str, torch.Tensor]:
    """The gradient of the loss for each parameter; one that has no part in it has none."""
    torch.autograd.backward(sequence_loss(model, batch, label_smoothing=0.1).objective)
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize(("attention", "bridge", "layers", "bidirectional", "tied", "shared"), COMBINATIONS)
def test_every_parameter_of_every_network_is_used(
    attention: str, bridge: str, layers: int, bidirectional: bool, tied: bool, shared: bool
) -> None:
    encoder = EncoderOptions(layers=layers, bidirectional=bidirectional)
    options: dict[str, Any] = {"bridge": bridge, "layers": layers, "encoder": encoder}
    model = tiny_model(attention, tie_output=tied, share_embeddings=shared, **options)
    outputs, weights = model(BATCH.src_ids, BATCH.src_lengths, BATCH.tgt_in)
    assert outputs.shape == (2, 5, 6)
    assert outputs.isfinite().all()
    assert (weights is None) == (attention == "none")
    assert model.output(outputs).shape == (2, 5, 9)
    found = gradients(model, BATCH)
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, gradient in found.items():
        assert gradient.isfinite().all(), name
        assert gradient.any(), name


@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
def test_luongs_networks_work_without_input_feeding(attention: str) -> None:
    model = tiny_model(attention, **UNFED)
    assert all(gradient.any() for gradient in gradients(model, BATCH).values())
    fed = tiny_model(attention)
    assert sum(map(torch.numel, fed.parameters())) - sum(map(torch.numel, model.parameters())) == 4 * 6 * 6


def test_a_decoder_that_cannot_know_the_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="bridge: zero with attention none would hide the source"):
        ModelOptions(attention=NoAttention(type="none"), bridge="zero")


@pytest.mark.parametrize("bidirectional", [True, False])
def test_without_attention_the_linear_bridge_reads_all_of_the_encoders_last_state(bidirectional: bool) -> None:
    model = tiny_model("none", encoder=EncoderOptions(bidirectional=bidirectional))
    assert isinstance(model.bridge, nn.Module)
    assert model.bridge.get_parameter("hidden.weight").shape == (6, 6)
    encoded = model.encoder(model.src_embedding(BATCH.src_ids), BATCH.src_lengths)
    hidden, _ = model.bridge(encoded, BATCH.src_lengths)
    linear = model.bridge.get_submodule("hidden")
    torch.testing.assert_close(hidden[0], torch.tanh(linear(encoded.hidden[0])))


def test_a_bridge_may_read_both_directions_beside_an_attention() -> None:
    model = tiny_model("general", bridge="both")
    encoded = model.encoder(model.src_embedding(BATCH.src_ids), BATCH.src_lengths)
    hidden, _ = model.bridge(encoded, BATCH.src_lengths)
    assert isinstance(model.bridge, nn.Module)
    linear = model.bridge.get_submodule("hidden")
    torch.testing.assert_close(hidden[0], torch.tanh(linear(encoded.hidden[0])))
    assert all(gradient.any() for gradient in gradients(model, BATCH).values())


@pytest.mark.parametrize("projection", [True, False])
def test_the_summary_is_the_last_state_or_made_of_it(projection: bool) -> None:
    named = {"attention": {"type": "summary", "projection": projection}, "encoder": {"bidirectional": False}}
    model = fill(
        build_model(ModelOptions.model_validate({"hidden_size": 6, "embedding_size": 5, **named}), 9, 9)
    ).eval()
    encoded = model.encoder(model.src_embedding(BATCH.src_ids), BATCH.src_lengths)
    last = encoded.memory[torch.arange(2), BATCH.src_lengths - 1]
    assert torch.equal(encoded.hidden[-1], last) != projection
    assert torch.equal(model.decoder.keys(encoded)[:, 0], encoded.hidden[-1])
    assert ("encoder.refinements.0.last.weight" in model.state_dict()) == projection
    assert set(gradients(model, BATCH)) == {name for name, _ in model.named_parameters()}


def lstm(inputs: int, units: int) -> int:
    """Parameters of an LSTM layer: four gates, each with two matrices and torch's two biases."""
    return 4 * (units * inputs + units * units + 2 * units)


def size(model: nn.Module) -> int:
    """Number of parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameter_count_of_sees_network() -> None:
    """See et al. 2017, section 5: 21,499,600 without pointer and coverage.

    Their query has the cell state and a bias, their memory none in the score, their bridge reads both directions, and
    TensorFlow's LSTM has one bias for torch's two.
    """
    options = ModelOptions.model_validate(
        {
            "embedding_size": 128,
            "hidden_size": 256,
            "encoder": {"hidden_size": 256},
            "decoder": {"type": "see"},
            "attention": {"type": "additive", "size": 512},
            "share_embeddings": True,
        }
    )
    more = (256 * 512 + 512) - 512 + 2 * 256 * 256 - 3 * 4 * 256
    assert size(build_model(options, 50_000, 50_000)) == 21_499_600 - more


def test_parameter_count_of_luongs_network() -> None:
    emb, hid, enc, layers, src_vocab, tgt_vocab = 5, 6, 4, 2, 11, 13
    options = ModelOptions(
        embedding_size=emb,
        hidden_size=hid,
        layers=layers,
        encoder=EncoderOptions(hidden_size=enc, layers=2),
        attention=GeneralAttention(),
    )
    embeddings = src_vocab * emb + tgt_vocab * emb
    encoder = 2 * (lstm(emb, enc) + lstm(2 * enc, enc))
    bridge = 2 * (enc + 1) * layers * hid
    decoder = lstm(emb + hid, hid) + lstm(hid, hid)
    attention = hid * 2 * enc + (2 * enc + hid) * hid  # W_a and W_c
    output = (hid + 1) * tgt_vocab
    expected = embeddings + encoder + bridge + decoder + attention + output
    assert size(build_model(options, src_vocab, tgt_vocab)) == expected


def test_parameter_count_of_bahdanaus_network_with_one_embedding_for_all() -> None:
    emb, hid, att, vocab = 5, 6, 7, 11
    options = ModelOptions(
        embedding_size=emb,
        hidden_size=hid,
        attention=AdditiveAttention(type="additive", size=att),
        decoder=BahdanauWiring(type="bahdanau"),
        bridge="copy",
        tie_output=True,
        share_embeddings=True,
    )
    encoder = 2 * lstm(emb, hid // 2)
    decoder = lstm(emb + hid, hid)
    attention = hid * att + (hid + 1) * att + att
    deep_output = (hid + hid + emb + 1) * hid
    output = hid * emb + vocab  # to the embedding's width, and a bias for each word
    expected = vocab * emb + encoder + decoder + attention + deep_output + output
    assert size(build_model(options, vocab, vocab)) == expected


@pytest.mark.parametrize("embedding_size", [5, 6])
def test_tied_and_shared_weights_are_one_tensor(embedding_size: int) -> None:
    def pointers(**options: bool) -> tuple[int, int, int]:
        model = tiny_model("general", embedding_size=embedding_size, **options)
        assert model.output.words.bias.shape == (9,)
        tensors = (model.src_embedding.weight, model.tgt_embedding.weight, model.output.words.weight)
        return tensors[0].data_ptr(), tensors[1].data_ptr(), tensors[2].data_ptr()

    assert len(set(pointers())) == 3
    src, tgt, output = pointers(tie_output=True)
    assert src != tgt == output
    src, tgt, output = pointers(share_embeddings=True)
    assert src == tgt != output
    assert len(set(pointers(tie_output=True, share_embeddings=True))) == 1


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_parameter_of_every_mechanism_is_used(mechanism: str) -> None:
    model = tiny_model(mechanism)
    found = gradients(model, BATCH)
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, gradient in found.items():
        assert gradient.isfinite().all(), name
        assert gradient.any(), name


@pytest.mark.parametrize("mechanism", [*ATTENTIONS, *MECHANISMS])
def test_every_network_learns_in_mixed_precision(mechanism: str) -> None:
    """As on a GPU: products in bfloat16, near what float32 gives."""
    model = tiny_model(mechanism)
    expected = sequence_loss(model, BATCH).nll
    with torch.autocast("cpu", torch.bfloat16):
        loss = sequence_loss(model, BATCH, label_smoothing=0.1)
    assert loss.nll.dtype == torch.float32
    torch.testing.assert_close(loss.nll, expected, rtol=0.03, atol=0.0)
    torch.autograd.backward(loss.objective)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("options", "scheme", "forget_bias"),
    [
        ({}, uniform(0.1), None),
        (
            {"init": {"type": "uniform", "range": 0.03}, "cell": {"type": "lstm", "forget_bias": 1.0}},
            uniform(0.03),
            1.0,
        ),
        ({"init": {"type": "xavier"}}, xavier, 1.0),
        ({"init": {"type": "xavier"}, "cell": {"type": "lstm", "forget_bias": 0.0}}, xavier, 0.0),
        ({"init": {"type": "bahdanau"}}, bahdanau, None),
    ],
)
def test_initial_values_are_those_of_the_recipe(
    options: dict[str, Any], scheme: Scheme, forget_bias: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seeded(model: nn.Module, scheme: Scheme, forget_bias: float | None) -> None:
        torch.manual_seed(3)
        initialise(model, scheme, forget_bias)

    monkeypatch.setattr("nmt.model.build.initialise", seeded)
    recipes = ModelOptions.model_validate({"embedding_size": 5, "hidden_size": 6, **options})
    model = build_model(recipes, 9, 9)
    expected = tiny_model("general")
    seeded(expected, scheme, forget_bias)
    for (name, parameter), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        assert torch.equal(parameter, other), name


def outputs_in_training(source: list[int], network: str = "general", **changes: Any) -> torch.Tensor:
    """What a network in training mode, otherwise without dropout, gives for a source."""
    model = tiny_model(network, **changes).train()
    batch = make_batch([source], [[5, 6]])
    outputs, _ = model(batch.src_ids, batch.src_lengths, batch.tgt_in)
    return torch.as_tensor(outputs)


def test_each_dropout_is_where_its_name_says() -> None:
    everything = 0.9999999
    one, other = [4, 5, 6], [7, 8, 4]
    without = outputs_in_training(one)
    assert not torch.equal(without, outputs_in_training(other))
    # No word is seen any more, but their number is.
    assert torch.equal(
        outputs_in_training(one, embedding_dropout=everything), outputs_in_training(other, embedding_dropout=everything)
    )
    assert not torch.equal(outputs_in_training(one, memory_dropout=everything), without)
    blind: dict[str, Any] = {
        "memory_dropout": everything,
        "bridge": "zero",
    }  # nothing of the source reaches the decoder
    assert torch.equal(outputs_in_training(one, **blind), outputs_in_training(other, **blind))
    assert not outputs_in_training(one, output_dropout=everything).any()
    summary: dict[str, Any] = {"network": "summary", "bridge": "zero"}
    assert not torch.equal(outputs_in_training(one, **summary), outputs_in_training(other, **summary))
    blind = {**summary, "memory_dropout": everything}
    assert torch.equal(outputs_in_training(one, **blind), outputs_in_training(other, **blind))


@pytest.mark.parametrize("layers", [{}, {"residual": True, "layers": 2, "encoder": {"layers": 2}}])
def test_a_reversed_source_is_its_words_turned_around_and_then_its_end_mark(layers: dict[str, Any]) -> None:
    """Sutskever et al. 2014, section 3.3 and figure 1."""
    encoder = {**layers.get("encoder", {}), "bidirectional": False}
    turning = tiny_model("reversed", **{**layers, "encoder": {**encoder, "reverse": True}}).encoder
    plain = tiny_model("reversed", **{**layers, "encoder": encoder}).encoder
    embedded, lengths, order = waves(1, 4, 5).float(), torch.tensor([4]), [2, 1, 0, 3]
    found, wanted = turning(embedded, lengths), plain(embedded[:, order], lengths)
    torch.testing.assert_close(found.memory[:, order], wanted.memory)
    torch.testing.assert_close(found.hidden, wanted.hidden)


def test_a_bidirectional_encoder_may_begin_twice_as_many_layers() -> None:
    options = {"layers": 2, "hidden_size": 6, "encoder": {"hidden_size": 6, "layers": 1}, "bridge": "copy"}
    model = build_model(ModelOptions.model_validate(options), 9, 9)
    outputs, _ = model(BATCH.src_ids, BATCH.src_lengths, BATCH.tgt_in)
    assert outputs.shape == (2, 5, 6)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_embedding_of_padding_has_no_influence(attention: str) -> None:
    model = fill(tiny_model(attention))
    before = sequence_loss(model, BATCH)
    found = gradients(model, BATCH)
    assert not found["src_embedding.weight"][PAD].any()
    assert not found["tgt_embedding.weight"][PAD].any()
    with torch.no_grad():
        model.src_embedding.weight[PAD] = 1000.0
        model.tgt_embedding.weight[PAD] = -1000.0
    assert torch.equal(sequence_loss(model, BATCH).objective, before.objective)
