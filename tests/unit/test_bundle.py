"""A trained model on disk: what is written is what is read."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nmt import bundle as module
from nmt.bundle import (
    FORMAT_VERSION,
    Bundle,
    check_writable,
    find_bundle,
    load_bundle,
    read_tokenizers,
    save_bundle,
    write_tokenizers,
)
from nmt.errors import UserError
from nmt.preparation import Preparation
from nmt.translator import Translator
from tests.fixtures_text import SOURCES, make_bundle, saved, tokenizer_pair

ATTENTIONS: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "additive": {"type": "additive", "size": 5, "coverage": "neural"},
    "dot": {"type": "dot"},
    "general": {"type": "general"},
    "concat": {"type": "concat", "size": 5},
}
FILES = ["model.safetensors", "recipe.yaml", "source.model"]


def translations(bundle: Bundle) -> list[str]:
    return list(Translator(bundle.model, bundle.tokenizers, bundle.recipe.search)(SOURCES[:5]))


def assert_same(one: Bundle, other: Bundle) -> None:
    assert one.recipe == other.recipe
    assert one.tokenizers.fingerprint == other.tokenizers.fingerprint
    states = one.model.state_dict(), other.model.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- round trip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize(
    "sharing",
    [{}, {"tie_output": True}, {"share_embeddings": True}, {"tie_output": True, "share_embeddings": True}],
    ids=["apart", "tied", "shared", "tied and shared"],
)
def test_what_is_written_is_what_is_read(attention: str, joint: bool, sharing: dict[str, bool], tmp_path: Path) -> None:
    if not joint and "share_embeddings" in sharing:
        return  # the recipe refuses it
    before = make_bundle(
        joint=joint,
        tokenizer={"joint": joint},
        model={"attention": ATTENTIONS[attention], "layers": 2, **sharing},
        search={"beam_size": 2},
    )
    after = load_bundle(saved(before, tmp_path / "model"))
    assert_same(before, after)
    assert names(tmp_path / "model") == (FILES if joint else [*FILES, "target.model"])
    assert (after.tokenizers.source is after.tokenizers.target) == joint
    assert (after.model.src_embedding is after.model.tgt_embedding) == sharing.get("share_embeddings", False)
    assert (after.model.output.words.weight is after.model.tgt_embedding.weight) == sharing.get("tie_output", False)
    assert not after.model.training
    if attention == "general":
        assert translations(after) == translations(before)


def test_a_shared_tensor_is_written_once(tmp_path: Path) -> None:
    sizes = {"embedding_size": 12, "hidden_size": 12}
    folder = saved(make_bundle(model={**sizes, "tie_output": True, "share_embeddings": True}), tmp_path / "model")
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        embeddings = [name for name in file.keys() if file.get_tensor(name).shape == (350, 12)]  # noqa: SIM118
        assert len(embeddings) == 1
        assert file.metadata() == {"format": str(FORMAT_VERSION), "tokenizers": tokenizer_pair().fingerprint}


def test_the_bundle_of_a_run_is_found(tmp_path: Path) -> None:
    before = make_bundle()
    saved(before, tmp_path / "run" / "model")
    assert find_bundle(tmp_path / "run") == find_bundle(tmp_path / "run" / "model") == tmp_path / "run" / "model"
    assert_same(load_bundle(tmp_path / "run"), before)


def test_weights_in_another_precision_are_read(tmp_path: Path) -> None:
    before = make_bundle()
    before.model.to(torch.bfloat16)
    after = load_bundle(saved(before, tmp_path / "model"))
    for name, tensor in after.model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor.bfloat16(), before.model.state_dict()[name])


@pytest.mark.parametrize("joint", [True, False])
def test_tokenizers_are_kept_by_runs_as_well(joint: bool, tmp_path: Path) -> None:
    pair = tokenizer_pair(joint=joint)
    write_tokenizers(pair, tmp_path)
    assert read_tokenizers(tmp_path, make_bundle().recipe).fingerprint == pair.fingerprint


@pytest.mark.parametrize(
    "fields", [{"moses": True}, {"lowercase": True}, {"moses": True, "normalize_punctuation": True}]
)
@pytest.mark.parametrize("joint", [True, False])
def test_what_is_done_to_text_is_read_again(joint: bool, fields: dict[str, bool], tmp_path: Path) -> None:
    before = make_bundle(joint=joint, tokenizer={"joint": joint, **fields})
    after = load_bundle(saved(before, tmp_path / "model"))
    assert_same(before, after)
    assert names(tmp_path / "model") == (FILES if joint else [*FILES, "target.model"])
    assert after.tokenizers.joint == joint
    for side in ("source", "target"):
        read, written = getattr(after.tokenizers, side), getattr(before.tokenizers, side)
        assert read.preparation == written.preparation != Preparation()
        assert read.encode(["Ja, z.B. L'ÉTÉ!"]) == written.encode(["Ja, z.B. L'ÉTÉ!"])
    assert translations(after) == translations(before)
    recipe = (tmp_path / "model" / "recipe.yaml").read_text(encoding="utf-8")
    (name,) = list(fields)[:1]
    (tmp_path / "model" / "recipe.yaml").write_text(recipe.replace(f"{name}: true", f"{name}: false"), encoding="utf-8")
    with pytest.raises(UserError, match="the tokenizers are not those"):
        load_bundle(tmp_path / "model")


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.complex64, torch.int32])
def test_weights_of_another_kind_are_refused(kind: torch.dtype, tmp_path: Path) -> None:
    folder = saved(make_bundle(), tmp_path / "model")
    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file({name: weight.to(kind) for name, weight in load_file(path).items()}, path, metadata=header)
    with pytest.raises(UserError, match="which this nmt does not read"):
        load_bundle(folder)


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    folder = saved(make_bundle(), tmp_path / "model")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_bundle(folder)
    assert torch.equal(torch.get_rng_state(), before)


# -- saving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("umask", "folder_mode", "file_mode"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600)])
def test_those_may_read_a_bundle_whom_the_umask_allows(
    umask: int, folder_mode: int, file_mode: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        folder = saved(make_bundle(joint=False, tokenizer={"joint": False}), tmp_path / "new" / "model")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == folder_mode
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {file_mode}


def test_a_bundle_replaces_the_one_before(tmp_path: Path) -> None:
    folder = saved(make_bundle(joint=False, tokenizer={"joint": False}), tmp_path / "model")
    after = make_bundle(model={"hidden_size": 10})
    assert_same(load_bundle(saved(after, folder)), after)
    assert names(folder) == FILES
    assert names(tmp_path) == ["model"]


def test_an_empty_folder_is_filled_and_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may stand in it, or it may be a disk of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    check_writable(Path())
    assert names(folder) == []
    bundle = make_bundle()
    save_bundle(bundle, Path().resolve())
    assert names(Path()) == FILES
    assert names(tmp_path) == ["here"]
    assert_same(load_bundle(Path()), bundle)


@pytest.mark.parametrize("step", ["save_file", "rename"])
def test_an_interrupted_save_leaves_an_empty_folder_empty(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    rename = Path.rename

    def interrupted(*arguments: Any, **_: Any) -> Any:
        if step == "rename" and arguments[0].name != "model.safetensors":
            return rename(*arguments)
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        if step == "rename":
            patched.setattr(Path, "rename", interrupted)
        else:
            patched.setattr(module, step, interrupted)
        with pytest.raises(OSError, match="the disk is gone"):
            save_bundle(make_bundle(), folder)
    assert names(folder) == []


@pytest.mark.parametrize("step", ["write_tokenizers", "dump_recipe", "save_file", "rename"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_save_leaves_the_old_bundle_whole(
    step: str, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = make_bundle(), make_bundle(model={"hidden_size": 10})
    folder = saved(before, tmp_path / "model")

    def interrupted(*_: object, **__: object) -> None:
        raise error

    rename = Path.rename

    def interrupted_rename(path: Path, target: Path) -> Path:
        if path.name.startswith(".model-") and not path.name.endswith("-old"):
            raise error
        return rename(path, target)

    with monkeypatch.context() as patched:
        if step == "rename":
            patched.setattr(Path, "rename", interrupted_rename)
        else:
            patched.setattr(module, step, interrupted)
        with pytest.raises(error):
            save_bundle(after, folder)
        with pytest.raises(error):
            save_bundle(after, tmp_path / "deeper" / "model")
    assert_same(load_bundle(folder), before)
    assert names(tmp_path) == ["deeper", "model"]
    assert names(tmp_path / "deeper") == []
    assert_same(load_bundle(saved(after, folder)), after)


# -- damaged and foreign files: see promise 10 for files that would do harm -----------------------------------------


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated weights": (lambda folder: cut(folder / FILES[0], -10), r"model\.safetensors: damaged"),
    "truncated header": (lambda folder: cut(folder / FILES[0], 100), r"model\.safetensors: damaged"),
    "empty weights": (lambda folder: cut(folder / FILES[0], 0), r"model\.safetensors: damaged"),
    "garbage": (lambda folder: (folder / FILES[0]).write_bytes(bytes(range(256)) * 9), r"model\.safetensors: damaged"),
    "no weights": (lambda folder: (folder / FILES[0]).unlink(), "no model here; expected"),
    "no recipe": (lambda folder: (folder / FILES[1]).unlink(), r"recipe\.yaml: No such file"),
    "no tokenizer": (lambda folder: (folder / FILES[2]).unlink(), r"source\.model: No such file"),
    "no target tokenizer": (lambda folder: (folder / "target.model").unlink(), "the tokenizers are not those"),
    "swapped tokenizers": (
        lambda folder: (folder / "target.model").write_bytes((folder / "source.model").read_bytes()),
        "the tokenizers are not those",
    ),
    "damaged tokenizer": (lambda folder: cut(folder / FILES[2], 500), r"source\.model: "),
    "unknown key": (lambda folder: replace_in(folder / FILES[1], "hidden_size", "hiden_size"), "did you mean"),
    "other sizes": (
        lambda folder: replace_in(folder / FILES[1], "hidden_size: 12", "hidden_size: 14"),
        "weights and recipe do not fit; the first difference is ",
    ),
    "more layers": (
        lambda folder: replace_in(folder / FILES[1], "  layers: 1\n  encoder", "  layers: 2\n  encoder"),
        "weights and recipe do not fit; the first difference is ",
    ),
    "sizes beyond all memory": (
        lambda folder: replace_in(folder / FILES[1], "hidden_size: 12", "hidden_size: 1200000000"),
        "no network can be built",
    ),
    "empty recipe": (lambda folder: cut(folder / FILES[1], 0), r"data: this key is missing"),
    "recipe of bytes": (lambda folder: (folder / FILES[1]).write_bytes(b"\xff\xfe"), "not UTF-8 text"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_one_clear_line(damage: str, tmp_path: Path) -> None:
    folder = saved(make_bundle(joint=False, tokenizer={"joint": False}), tmp_path / "model")
    harm, expected = DAMAGES[damage]
    harm(folder)
    with pytest.raises(UserError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert re.search(expected, message), message
    assert str(folder) in message
    if damage != "unknown key":  # each wrong line of a recipe is told
        assert "\n" not in message


def test_a_folder_without_a_model_says_what_is_expected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(__file__)):
        with pytest.raises(UserError, match=r"^[^\n]+: no model here; expected [^\n]+\(model\.safetensors\)$"):
            load_bundle(path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match=r"has not finished; go on with [^\n]+ --resume$"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(("version", "told"), [("2", "format 2"), ("4", "format 4"), ("", "format unknown")])
def test_another_format_is_refused_by_its_version(version: str, told: str, tmp_path: Path) -> None:
    folder = saved(make_bundle(), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", metadata={"format": version})
    (folder / "recipe.yaml").write_text("what: another recipe looks like\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"^[^\n]+: written in {told}, but this nmt reads format 3;[^\n]+$"):
        load_bundle(folder)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle()
    with torch.no_grad():
        next(bundle.model.parameters())[0, 0] = torch.nan
    with pytest.raises(UserError, match="hold values that are no numbers"):
        load_bundle(saved(bundle, tmp_path / "model"))


def test_a_loaded_model_separates_lines_as_the_trained_one(tmp_path: Path) -> None:
    bundle = make_bundle(tokenizer={"line_separator": "<eou>"})
    loaded = load_bundle(saved(bundle, tmp_path / "model"))
    assert loaded.tokenizers.encode_sources(["eins\r\nzwei\n"]) == bundle.tokenizers.encode_sources(["eins <eou> zwei"])
    assert loaded.tokenizers.encode_sources(["eins\nzwei"]) != make_bundle().tokenizers.encode_sources(["eins\nzwei"])
