"""`nmt align` and `nmt translate --replace-unknown`, through the real command."""

import json
from pathlib import Path

import pytest

from nmt.translator import Translator
from nmt.unknown import read_dictionary
from tests.fixtures_text import SOURCES, TARGETS, make_bundle, practised_bundle, saved, write_lines
from tests.training_runs import run_installed_nmt, run_nmt

PAIRS = [
    *zip(SOURCES[:4], TARGETS[:4], strict=True),
    ("", ""),
    ("eins zwei", ""),
    ("", "one"),
    (" drei ", "three  four"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("align")
    return {
        "--model": saved(practised_bundle(), folder / "model"),
        "--source": write_lines(folder / "a.de", [source for source, _ in PAIRS]),
        "--target": write_lines(folder / "a.en", [target for _, target in PAIRS]),
    }


def arguments(files: dict[str, Path]) -> list[str | Path]:
    return [part for pair in files.items() for part in pair]


def test_links_on_as_many_lines(files: dict[str, Path], tmp_path: Path) -> None:
    done = run_installed_nmt("align", *arguments(files), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert lines.pop() == ""
    aligned = Translator.load(files["--model"], "cpu").align_all(*zip(*PAIRS, strict=True))
    assert lines == [" ".join(f"{i}-{j}" for i, j in pair.words.links()) for pair in aligned]
    assert lines[4:7] == ["", "", ""]
    for (_, target), line in zip([*PAIRS[:4], PAIRS[7]], [*lines[:4], lines[7]], strict=True):
        assert [link.partition("-")[2] for link in line.split()] == [str(j) for j in range(len(target.split()))]


def test_all_weights_and_pictures(files: dict[str, Path], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    options = ["--format", "jsonl", "search.alignment=input", "--png", pictures]
    done = run_nmt("align", *arguments(files), *map(str, options), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    translate = Translator.load(files["--model"], "cpu", alignment="input")
    for line, pair in zip(done.stdout.splitlines(), translate.align_all(*zip(*PAIRS, strict=True)), strict=True):
        assert json.loads(line) == json.loads(json.dumps(pair.as_dict()))
        assert json.loads(line)["pieces"]["target"][0] == "<s>"
    assert sorted(path.name for path in pictures.iterdir()) == [f"{number}.png" for number in range(1, len(PAIRS) + 1)]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures.iterdir())


def test_the_error_rate_of_its_own_links_is_zero(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "gold").write_text(run_nmt("align", *arguments(files), cwd=tmp_path).stdout, encoding="utf-8")
    done = run_nmt("align", *arguments(files), "--gold", "gold", cwd=tmp_path)
    assert done.stdout == (tmp_path / "gold").read_text(encoding="utf-8")
    assert done.stderr == f"alignment error rate 0.0000, precision 1.0000, recall 1.0000, {len(PAIRS)} pairs\n"


def test_mistakes_are_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    saved(make_bundle(model={"attention": {"type": "none"}}, search={"max_source_length": 99}), tmp_path / "plain")
    write_lines(tmp_path / "gold", ["0-0", "99-0"])
    write_lines(tmp_path / "one", ["eins"])
    for changed, options, message in (
        ({"--model": Path("plain")}, [], "this model has no attention (model.attention), so it aligns nothing"),
        ({"--source": Path("one")}, [], f"one has 1 lines, but {files['--target']} has {len(PAIRS)}"),
        ({}, ["--gold", "gold"], "gold:2: a link of source word 99 and target word 0, counted from 0, but"),
        ({}, ["--gold", "nowhere"], "nowhere: No such file or directory"),
        ({}, ["--of", "input", "search.alignment=input"], "--of and search.alignment=input say the same; give one"),
        ({}, ["--png", "one"], f"{tmp_path}/one/1.png: cannot be written: {tmp_path}/one is a file, not a folder"),
    ):
        done = run_nmt("align", *arguments({**files, **changed}), *options, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"nmt: {message}")
        assert len(done.stderr.splitlines()) == 1


def test_what_the_replacement_of_unknown_words_needs_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    write_lines(tmp_path / "words.tsv", ["eins one"])
    for options, message in (
        (["--replace-unknown", "--dictionary", "words.tsv"], "words.tsv:1: expected a source word, a tab and a"),
        (["--dictionary", "words.tsv"], "search.dictionary: needs search.replace_unknown: true"),
    ):
        done = run_nmt("translate", "--model", files["--model"], *options, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"nmt: {message}")
    done = run_nmt("translate", "--model", files["--model"], "--no-replace-unknown", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dictionary_is_learned_from_the_training_text(tmp_path: Path) -> None:
    """Of words as the model's tokenizer has them; what comes out can be read for the replacement."""
    data = {"path": str(tmp_path / "{split}"), "source": "de", "target": "en"}
    model = saved(make_bundle(data=data, tokenizer={"type": "word"}), tmp_path / "model")
    pairs = [("ein Hund", "a dog"), ("ein Haus", "a house"), ("Hund", "dog"), ("", "x")] * 3
    for side, lines in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
        write_lines(tmp_path / f"train.{side}", list(lines))
    done = run_installed_nmt("lexicon", "--model", model, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ein\ta\nHund\tdog\nHaus\thouse\n"
    (tmp_path / "words.tsv").write_text(done.stdout, encoding="utf-8")
    assert read_dictionary(tmp_path / "words.tsv") == {"ein": "a", "Hund": "dog", "Haus": "house"}
