"""`nmt report` on small trained models, through the real command."""

import json
import re
import shutil
from pathlib import Path

import pytest

from nmt import train
from tests.bare import bare
from tests.training_runs import run_installed_nmt, run_nmt, tiny_recipe
from tests.unit.report.test_page import check_page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two that share a test set, and one with another; the first and the last without attention."""
    folder = tmp_path_factory.mktemp("report")
    changes: dict[str, dict[str, dict[str, object]]] = {
        "plain": {"model": {"attention": {"type": "none"}}},
        "general": {"trainer": {"log_every_n_steps": 3}, "model": {"pointer": True}},
        "<other>": {"data": {"test": "validation[:12]"}, "model": {"attention": {"type": "none"}}},
    }
    with bare():
        return {name: train(tiny_recipe(folder, **change), run=folder / name) for name, change in changes.items()}


def test_page_and_markdown_hold_what_the_runs_reached(runs: dict[str, Path], tmp_path: Path) -> None:
    done = run_installed_nmt("report", *runs.values(), "--against", runs["general"], "-o", "out/here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out/here/index.html\n"
    assert sorted(path.name for path in (tmp_path / "out" / "here").iterdir()) == ["index.html", "report.md"]
    page = (tmp_path / "out" / "here" / "index.html").read_text(encoding="utf-8")
    text = (tmp_path / "out" / "here" / "report.md").read_text(encoding="utf-8")
    reader = check_page(page)
    for run in runs.values():
        results = json.loads((run / "results.json").read_text(encoding="utf-8"))
        for shown in (f"{results['test']['beam']['bleu']:.2f}", f"{results['parameters']:,}"):
            assert shown in reader.text
            assert shown in text
    assert results["test"]["beam"]["signatures"]["bleu"] in reader.text
    titles = ["Scores", "Significance", "What differs", "Size and time", "Learning curves", "BLEU by source length"]
    titles += ["Alignments", "Gradient by distance", "Translations"]
    expected = [*titles, "Copied words", *(title for title in titles if title != "What differs")]
    assert re.findall(r"^### (.*)$", text, flags=re.MULTILINE) == expected
    assert reader.text.count(", general") == 3  # of the run that copies
    assert reader.text.count("different sets") == 1
    assert "Against general" in text
    assert "Intervals" in text  # the other test set has one run
    assert 'class="matrix"' in page


def test_without_the_text_the_report_says_why(runs: dict[str, Path], tmp_path: Path) -> None:
    moved = shutil.copytree(runs["general"], tmp_path / "moved")
    recipe = moved / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("test[:15]", "test[:14]"), encoding="utf-8")
    done = run_nmt("report", moved, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert text.count("The text of the set is not at hand: moved: data.path: the text has changed since") == 2
    assert "### Translations" in text
    check_page((tmp_path / "report" / "index.html").read_text(encoding="utf-8"))


def test_a_model_that_cannot_be_loaded_is_left_out(runs: dict[str, Path], tmp_path: Path) -> None:
    damaged = shutil.copytree(runs["plain"], tmp_path / "damaged")
    (damaged / "model" / "model.safetensors").write_bytes(b"no weights")
    done = run_nmt("report", damaged, runs["general"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^Left out: .*damaged\. .*damaged, or no weights of ours", text, flags=re.MULTILINE)) == 2
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="matrix"') > 0
    check_page(page)
    done = run_nmt("report", damaged, "-o", "alone", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Left out: damaged" in (tmp_path / "alone" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["{plain}", "{plain}"], "plain: this run was named already"),
        (["nowhere"], "nowhere: no finished run, for there is no results.json; nmt train writes it last"),
        (["{plain}", "--against", "{general}"], "general: name one of the runs of the report"),
        (["{plain}", "-o", "{plain}/log.txt"], "cannot be written"),
        ([], "the following arguments are required: RUN"),
    ],
)
def test_mistakes_are_one_line(runs: dict[str, Path], tmp_path: Path, options: list[str], message: str) -> None:
    folders = {"plain": runs["plain"], "general": runs["general"]}
    done = run_nmt("report", *(option.format(**folders) for option in options), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == []
