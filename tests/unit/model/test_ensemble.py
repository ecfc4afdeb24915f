"""Ensembles, against the mean of their members' probabilities, and in the search."""

import math
from functools import cache

import pytest
import torch

from nmt.data.batch import make_batch, source_tensors
from nmt.model.ensemble import Ensemble
from nmt.model.seq2seq import Seq2Seq
from nmt.search.search import search
from nmt.search.types import SearchSettings
from nmt.tokenizer import BOS, EOS, PAD
from tests.helpers import (
    SENTENCES,
    Ids,
    Table,
    assert_same_hypotheses,
    exported_model,
    practised_model,
    slow_beam,
)

SETTINGS = SearchSettings(BOS, EOS, banned=(PAD, BOS), beam_size=4, n_best=2, max_length_ratio=1.0, max_length_extra=2)


def members() -> list[Seq2Seq]:
    """Three networks that do not agree."""
    return [practised_model(attention) for attention in ("general", "additive", "none")]


def mean_table(models: list[Seq2Seq]) -> Table:
    """The mean of the probabilities that the models' training passes give, in float64."""

    @cache
    def log_probs(source: Ids, prefix: Ids) -> list[float]:
        batch = make_batch([source[:-1]], [prefix])  # the end of the source is added there
        shares = [
            model.output(model(batch.src_ids, batch.src_lengths, batch.tgt_in)[0][0, -1]).double().softmax(dim=0)
            for model in models
        ]
        mean = [math.fsum(each) / len(models) for each in zip(*(share.tolist() for share in shares), strict=True)]
        return [math.log(share) for share in mean]

    return log_probs


@pytest.mark.bare
@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_ensemble_searches_by_the_mean_of_the_probabilities(beam_size: int) -> None:
    settings = SearchSettings(BOS, EOS, (PAD, BOS), beam_size, min(beam_size, 2), 1.0, 1.0, 2)
    table = mean_table(members())
    found = search(Ensemble(members()), *source_tensors(SENTENCES), settings)
    alone = search(members()[0], *source_tensors(SENTENCES), settings)
    for sentence, hypotheses in zip(SENTENCES, found, strict=True):
        expected = slow_beam(table, (*sentence, EOS), settings).finished[: settings.n_best]
        assert_same_hypotheses(hypotheses, expected)
    assert found != alone


def test_twice_the_same_network_is_that_network() -> None:
    model = practised_model("general")
    found = search(Ensemble([model, model]), *source_tensors(SENTENCES), SETTINGS)
    for ours, expected in zip(found, search(model, *source_tensors(SENTENCES), SETTINGS), strict=True):
        assert_same_hypotheses(ours, expected)


def test_nor_does_the_number_of_logits_at_once_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = search(Ensemble(members()), *source_tensors(SENTENCES), SETTINGS)
    monkeypatch.setattr("nmt.model.output._LOGITS_AT_ONCE", {"cpu": 20})
    found = search(Ensemble(members()), *source_tensors(SENTENCES), SETTINGS)
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_hypotheses(ours, theirs)


def test_given_targets_are_scored_by_the_mean_probability_of_each_token() -> None:
    targets = SENTENCES[::-1]
    batch = make_batch(SENTENCES, targets)
    real = batch.tgt_out != PAD
    with torch.inference_mode():
        found = Ensemble(members()).log_probs(batch.src_ids, batch.src_lengths, batch.tgt_in, batch.tgt_out, real)
    table = mean_table(members())
    expected = [
        table((*source, EOS), target[:place])[token]
        for source, target in zip(SENTENCES, targets, strict=True)
        for place, token in enumerate([*target, EOS])
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_its_attention_is_the_mean_of_those_that_have_one() -> None:
    batch = make_batch(SENTENCES[:2], SENTENCES[1::-1])
    inputs = (batch.src_ids, batch.src_lengths, batch.tgt_in)
    general, additive, none = members()
    found = Ensemble([general, additive, none]).weights(*inputs)
    one, other = general.weights(*inputs), additive.weights(*inputs)
    assert found is not None
    assert one is not None
    assert other is not None
    torch.testing.assert_close(found, (one + other) / 2)
    assert Ensemble([none, none]).weights(*inputs) is None


def test_members_must_predict_the_whole_vocabulary() -> None:
    with pytest.raises(ValueError, match="predict the whole vocabulary"):
        Ensemble([practised_model("general"), exported_model("general")])
    with pytest.raises(ValueError, match="predict the whole vocabulary"):
        Ensemble([])
