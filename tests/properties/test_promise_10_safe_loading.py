"""Promise 10: loading a model executes nothing that the file brings; what is foreign is one clear line."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from nmt.bundle import FORMAT_VERSION, Bundle, load_bundle
from nmt.errors import UserError
from tests.fixtures_text import KINDS, make_bundle, saved
from tests.training_runs import run_nmt

PARTS = ["model.safetensors", "source.model", "recipe.yaml"]


class Trap:
    """Executes something when it is unpickled: it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.mkdir, (str(self.mark), 0o755)


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module", params=KINDS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return KINDS[request.param](make_bundle())


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return saved(bundle, tmp_path / "model")


def test_the_trap_would_snap(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "mark")))
    assert (tmp_path / "mark").is_dir()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("writer", ["pickle", "torch", "old torch"])
def test_a_pickle_is_never_executed(part: str, writer: str, folder: Path, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "mark")
    if writer == "pickle":
        (folder / part).write_bytes(pickle.dumps(trap))
    else:
        torch.save({"weight": trap}, folder / part, _use_new_zipfile_serialization=writer == "torch")
    assert part in refusal(folder)
    assert not trap.mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir ['{mark}']",
        "data: !!python/object/apply:os.mkdir ['{mark}']",
        "data: !!python/object/new:os.mkdir ['{mark}']",
        "data: {{path: !!python/name:os.mkdir '{mark}'}}",
    ],
)
def test_a_recipe_is_never_executed(text: str, folder: Path, tmp_path: Path) -> None:
    (folder / "recipe.yaml").write_text(text.format(mark=tmp_path / "mark"), encoding="utf-8")
    with pytest.raises(UserError):
        load_bundle(folder)
    assert not (tmp_path / "mark").exists()


def test_the_command_says_one_line(folder: Path, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "mark")
    (folder / "model.safetensors").write_bytes(pickle.dumps(trap))
    done = run_nmt("translate", "--model", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nmt: {folder / 'model.safetensors'}: damaged, or no weights of ours: ")
    assert not trap.mark.exists()


def test_foreign_weights_are_refused(bundle: Bundle, folder: Path) -> None:
    weights = folder / "model.safetensors"
    save_file({"lstm.weight": torch.zeros(2, 3)}, weights)
    assert "written in format unknown" in refusal(folder)
    header = {"format": str(FORMAT_VERSION), "tokenizers": bundle.tokenizers.fingerprint}
    save_file({"lstm.weight": torch.zeros(2, 3)}, weights, metadata=header)
    assert "weights and recipe do not fit" in refusal(folder)
    own = {name: tensor.contiguous() for name, tensor in bundle.model.state_dict().items()}
    save_file({**own, "more": torch.zeros(1)}, weights, metadata=header)
    assert refusal(folder).endswith("the first difference is more")
    save_file(own, weights, metadata={**header, "tokenizers": ""})
    assert "the tokenizers are not those" in refusal(folder)
    save_file(own, weights, metadata=header)
    load_bundle(folder)


def test_an_archive_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.safetensors", "w") as archive:
        archive.writestr("../outside", "x")
    assert "damaged, or no weights of ours" in refusal(folder)
    assert not (folder.parent / "outside").exists()


@pytest.fixture(scope="module")
def shared_folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(bundle, tmp_path_factory.mktemp("damaged") / "model")


@pytest.mark.bare
@pytest.mark.parametrize("part", PARTS)
@given(data=st.data())
def test_any_damage_loads_or_is_told(shared_folder: Path, part: str, data: st.DataObject) -> None:
    whole = (shared_folder / part).read_bytes()
    place = data.draw(st.integers(0, min(len(whole), 3000) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=4))
    try:
        (shared_folder / part).write_bytes(whole[:place] + damage + whole[place + len(damage) :])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_bundle(shared_folder)
    except UserError:
        pass
    finally:
        (shared_folder / part).write_bytes(whole)
