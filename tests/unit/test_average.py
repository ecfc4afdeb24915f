"""The mean of models whose weights are set by hand."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nmt.average import average, best_checkpoints, last_checkpoints
from nmt.bundle import Bundle, load_bundle, write_tokenizers
from nmt.errors import UserError
from nmt.recipe_file import dump_recipe
from nmt.translator import Translator
from tests.fixtures_text import SOURCES, exported, make_bundle, saved

Scores = Sequence[float]


def filled(value: float) -> Bundle:
    """A model of which every weight is the same."""
    bundle = make_bundle()
    for parameter in bundle.model.parameters():
        parameter.fill_(value)
    return bundle


def write_run(folder: Path, bundles: Sequence[Bundle], scores: Scores, mode: str = "bleu") -> Path:
    """A run's folder with a checkpoint of each model, after 10, 20, ... steps; the last one also as `last.ckpt`."""
    recipe = bundles[0].recipe
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"monitor": mode})})
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    write_tokenizers(bundles[0].tokenizers, folder / "tokenizers")
    best = {f"/moved/checkpoints/{n}.ckpt": torch.tensor(score) for n, score in enumerate(scores, start=1)}
    callbacks = {"best": {"monitor": "validation/x", "best_k_models": best}, "last": {"monitor": None}}
    for number, bundle in enumerate(bundles, start=1):
        state = {f"model.{name}": weight for name, weight in bundle.model.state_dict().items()}
        checkpoint = {"state_dict": state, "global_step": 10 * number, "callbacks": callbacks}
        for name in (str(number), "last"):
            torch.save(checkpoint, folder / "checkpoints" / f"{name}.ckpt")
    return folder


def values(bundle: Bundle) -> set[float]:
    return {value for parameter in bundle.model.parameters() for value in parameter.flatten().tolist()}


def test_the_mean_of_bundles(tmp_path: Path) -> None:
    paths = [saved(filled(value), tmp_path / str(value)) for value in (0.0, 1.0, 5.0)]
    assert values(average(paths)) == {2.0}
    bundles = [make_bundle(steps=steps) for steps in (0, 1)]
    found = average([saved(bundle, tmp_path / f"m{number}") for number, bundle in enumerate(bundles)])
    for name, weight in found.model.state_dict().items():
        pair = [bundle.model.state_dict()[name].double() for bundle in bundles]
        torch.testing.assert_close(weight.double(), (pair[0] + pair[1]) / 2)


def test_the_mean_of_a_model_with_itself_translates_like_it(tmp_path: Path) -> None:
    bundle = make_bundle(steps=5)
    path = saved(bundle, tmp_path / "model")
    again = load_bundle(saved(average([path, path]), tmp_path / "mean"))
    assert again.recipe == bundle.recipe
    found, expected = (Translator.from_bundle(each, "cpu")(SOURCES[:8]) for each in (again, bundle))
    assert found == expected


def test_the_mean_of_checkpoints(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [filled(value) for value in (0.0, 1.0, 4.0, 8.0)], [20.0, 40.0, 10.0, 30.0])
    assert [path.name for path in last_checkpoints(run, 3)] == ["2.ckpt", "3.ckpt", "last.ckpt"]  # the same as 4.ckpt
    assert [path.name for path in best_checkpoints(run, 3)] == ["2.ckpt", "4.ckpt", "1.ckpt"]
    assert values(average(last_checkpoints(run, 2))) == {6.0}
    assert values(average(best_checkpoints(run, 2))) == {4.5}
    assert values(average([run / "checkpoints" / "1.ckpt", saved(filled(3.0), tmp_path / "model")])) == {1.5}
    for choose, message in (
        (last_checkpoints, "checkpoints holds 4 different"),
        (best_checkpoints, "run kept the 4 best"),
    ):
        with pytest.raises(UserError, match=f"{message}.*, not 5; training.average says how many a training keeps"):
            choose(run, 5)


def test_the_best_of_perplexity_are_the_lowest(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [filled(value) for value in (0.0, 1.0, 4.0)], [20.0, 40.0, 10.0], "perplexity")
    assert [path.name for path in best_checkpoints(run, 2)] == ["3.ckpt", "1.ckpt"]


def test_what_has_no_mean_is_one_line(tmp_path: Path) -> None:
    model = saved(filled(1.0), tmp_path / "model")
    torch.save([1], tmp_path / "list.ckpt")
    others = {
        "apart": (saved(make_bundle(joint=False), tmp_path / "apart"), "its tokenizers are not those of"),
        "large": (
            saved(make_bundle(model={"hidden_size": 14}), tmp_path / "large"),
            "model.hidden_size is 14, but 12",
        ),
        "small": (saved(exported(make_bundle()), tmp_path / "small"), "an exported model has no mean with others"),
        "nowhere": (tmp_path / "nowhere", "no model here"),
        "list": (tmp_path / "list.ckpt", "recipe.yaml: No such file or directory"),
    }
    for path, message in others.values():
        with pytest.raises(UserError, match=message) as error:
            average([model, path])
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="a mean takes several models"):
        average([model])
    with pytest.raises(UserError, match="no run here"):
        last_checkpoints(tmp_path / "nowhere", 2)


def test_a_checkpoint_that_is_none_or_does_not_fit_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [filled(1.0), filled(2.0)], [1.0, 2.0])
    one, two = run / "checkpoints" / "1.ckpt", run / "checkpoints" / "2.ckpt"
    torch.save([1], two)
    with pytest.raises(UserError, match=r"2\.ckpt: damaged, or no checkpoint"):
        average([one, two])
    wrong = {"state_dict": {"model.odd": torch.zeros(2)}}
    torch.save(wrong, two)
    with pytest.raises(UserError, match=r"2\.ckpt: its weights have other shapes than those of"):
        average([one, two])
    with pytest.raises(UserError, match=r"2\.ckpt: its weights do not fit its recipe"):
        average([two, two])
