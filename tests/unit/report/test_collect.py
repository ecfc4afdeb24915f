"""Which runs a report takes, what it calls them, and which of them it compares."""

import json
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.report.collect import comparable, read_runs
from tests.finished_runs import REFERENCES, finished_run, worse


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/base/2026-11-21_20-12-17"], ["base"]),
        (["runs/base/2026-11-21_20-12-17", "runs/feed/2026-11-21_20-12-17_2"], ["base", "feed"]),
        (["base/2026-11-21_20-12-17", "base/2026-11-22_08-00-00"], ["2026-11-21_20-12-17", "2026-11-22_08-00-00"]),
        (["one/a", "two/a", "b"], ["one/a", "two/a", "b"]),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(tmp_path: Path, folders: list[str], names: list[str]) -> None:
    runs = read_runs([finished_run(tmp_path / folder, REFERENCES) for folder in folders])
    assert [run.name for run in runs] == names


def test_runs_of_the_same_text_scored_alike_stand_together(tmp_path: Path) -> None:
    lower = {"lowercase": True}
    runs = read_runs(
        [
            finished_run(tmp_path / "a", REFERENCES),
            finished_run(tmp_path / "other-text", REFERENCES, text="two"),
            finished_run(tmp_path / "b", worse(2)),
            finished_run(tmp_path / "other-case", REFERENCES, evaluation=lower),
            finished_run(
                tmp_path / "tokenized", [f"{line} ." for line in REFERENCES], [f"{line} ." for line in REFERENCES]
            ),
            finished_run(tmp_path / "validated", REFERENCES, split="validation"),
            finished_run(tmp_path / "other-case-too", REFERENCES, evaluation=lower),
        ]
    )
    names = [[run.name for run in shared.runs] for shared in comparable(runs)]
    assert names == [["a", "b", "validated"], ["other-text"], ["other-case", "other-case-too"], ["tokenized"]]
    assert runs[5].lines("beam") == REFERENCES


def test_what_is_no_finished_run_is_one_line(tmp_path: Path) -> None:
    sound = finished_run(tmp_path / "sound", REFERENCES)
    with pytest.raises(UserError, match="sound: this run was named already"):
        read_runs([sound, sound.parent / "." / "sound"])
    with pytest.raises(UserError, match=r"missing: no finished run, for there is no results\.json"):
        read_runs([tmp_path / "missing"])
    for number, content in enumerate(("{", "[]", json.dumps({"model": {}}))):
        damaged = finished_run(tmp_path / f"damaged-{number}", REFERENCES)
        (damaged / "results.json").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=r"results\.json: damaged, or not the results of a run"):
            read_runs([damaged])
    cut = finished_run(tmp_path / "cut", REFERENCES)
    (cut / "hypotheses" / "test.beam.txt").write_text("one line\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"cut: 1 translations of a set of 16 lines"):
        comparable(read_runs([sound, cut]))
