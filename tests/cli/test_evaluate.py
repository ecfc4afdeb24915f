"""`nmt evaluate` and `nmt score` on a small trained model, through the real command."""

import json
import math
from pathlib import Path

import pytest

from nmt import train
from nmt.data.numbers import number_corpus
from tests.bare import bare
from tests.training_runs import run_installed_nmt, run_nmt, tiny_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    figure = "system: known, metric: BLEU of numbers, source: a paper, band: [0, 100]"
    published = f"published=[{{{figure}, value: 50}}, {{{figure}, value: 40, of: validation.greedy.bleu}}]"
    with bare():
        return train(tiny_recipe(folder), [published], run=folder / "runs" / "tiny" / "one")


@pytest.fixture(scope="module")
def files(run: Path) -> tuple[Path, Path]:
    rows = number_corpus("test")[:15]
    source, reference = run.parents[2] / "test.de", run.parents[2] / "test.en"
    source.write_text("".join(row["de"] + "\n" for row in rows), encoding="utf-8")
    reference.write_text("".join(row["en"] + "\n" for row in rows), encoding="utf-8")
    return source, reference


def test_the_newest_finished_run_is_evaluated_on_its_test_split(run: Path) -> None:
    done = run_installed_nmt("evaluate", "--json", cwd=run.parents[2])
    assert done.returncode == 0, done.stderr
    assert "using runs/tiny/one, the newest finished run" in done.stderr
    trained = json.loads((run / "results.json").read_text(encoding="utf-8"))["test"]
    found = json.loads(done.stdout)
    assert found["beam"] == trained["beam"]
    assert found["greedy"] == trained["greedy"]
    assert found["perplexity"] == pytest.approx(trained["perplexity"])
    hashes = json.loads((run / "results.json").read_text(encoding="utf-8"))["hashes"]
    assert found["hashes"] == {"text": hashes["test"], "tokenizers": hashes["tokenizers"]}


def test_published_figures_stand_beside_those_of_their_set(run: Path, tmp_path: Path) -> None:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    own = [results["test"]["beam"]["bleu"], results["validation"]["greedy"]["bleu"]]
    assert [(figure["value"], figure["own"]) for figure in results["published"]] == [(50, own[0]), (40, own[1])]
    row = f"known          50.00{own[0]:8.2f}  0 to 100: inside"
    assert row in (run / "log.txt").read_text(encoding="utf-8")
    done = run_nmt("evaluate", "--model", run, cwd=tmp_path)
    assert row in done.stdout
    assert "40.00" not in done.stdout
    done = run_nmt("evaluate", "--model", run, "--split", "validation[:25]", "--json", cwd=tmp_path)
    assert [figure["own"] for figure in json.loads(done.stdout)["published"]] == own[1:]
    done = run_nmt("evaluate", "--model", run, "--split", "test[:7]", cwd=tmp_path)
    assert "published" not in done.stdout


def test_two_files_give_the_same_as_the_split_they_hold(run: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    source, reference = files
    output = tmp_path / "out" / "hypotheses.txt"
    done = run_nmt(
        "evaluate", "--model", run, "--source", source, "--reference", reference, "--output", output, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == (run / "hypotheses" / "test.beam.txt").read_bytes()
    trained = json.loads((run / "results.json").read_text(encoding="utf-8"))["test"]
    assert f"{trained['beam']['bleu']:.2f}" in done.stdout
    assert trained["beam"]["signatures"]["bleu"] in done.stdout


def test_a_part_of_another_split_and_another_beam(run: Path, tmp_path: Path) -> None:
    options = ["--split", "validation[:7]", "--beam", "2", "--length-penalty", "0", "--json"]
    done = run_nmt("evaluate", "--model", run / "model", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["beam"]["beam_size"] == 2
    assert sum(span["lines"] for span in found["bleu_by_source_length"].values()) == 7


def test_scores_of_given_translations_make_up_the_perplexity(
    run: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    done = run_installed_nmt(
        "score", "--model", run, "--source", files[0], "--target", files[1], "search.batch_size=4", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    scores = [float(line) for line in done.stdout.split()]
    assert len(scores) == 15
    assert all(score < 0 and math.isfinite(score) for score in scores)
    trained = json.loads((run / "results.json").read_text(encoding="utf-8"))["test"]
    assert f"perplexity {trained['perplexity']:.4f} per target piece, 15 lines" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "a"], "give --source and --reference together"),
        (["--source", "a", "--reference", "b", "--split", "test"], "leave out --split and --data"),
        (["--source", "missing.de", "--reference", "missing.en"], "missing.de: No such file or directory"),
        (["--split", "tset"], "tset"),
        (["--model", "nowhere"], "nowhere: no model here"),
        (["--device", "tpu9"], "--device tpu9"),
        (["--output", "."], ".: cannot be written: Is a directory"),
        (["--beam", "0"], "0 is not a whole number from 1 up"),
    ],
)
def test_mistakes_are_one_line(run: Path, tmp_path: Path, options: list[str], message: str) -> None:
    model = [] if "--model" in options else ["--model", str(run)]
    done = run_nmt("evaluate", *model, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""


def test_what_is_read_is_not_written_over(run: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    before = [file.read_bytes() for file in files]
    for output in files:
        done = run_nmt(
            "evaluate", "--model", run, "--source", files[0], "--reference", files[1], "--output", output, cwd=tmp_path
        )
        assert done.returncode == 2
        assert done.stderr == f"nmt: --output {output}: this file is to be read; give another one to write\n"
    assert [file.read_bytes() for file in files] == before


def test_files_of_different_length_give_both_counts(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("eins\nzwei\n", encoding="utf-8")
    (tmp_path / "b").write_text("one\n", encoding="utf-8")
    done = run_nmt("score", "--model", run, "--source", "a", "--target", "b", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "nmt: a has 2 lines, but b has 1\n"
    done = run_nmt("evaluate", "--model", run, "--source", "a", "--reference", "b", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "nmt: a has 2 lines, but b has 1\n"
