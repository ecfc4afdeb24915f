"""Intervals and significance: the same numbers as the sacrebleu command gives."""

import re
import subprocess
import sys
from pathlib import Path

from nmt.report.collect import comparable, read_runs
from nmt.report.significance import bootstrap, significance
from tests.finished_runs import finished_run, worse
from tests.fixtures_text import write_lines


def test_the_numbers_are_those_of_the_sacrebleu_command(tmp_path: Path) -> None:
    folders = [
        finished_run(tmp_path / name, lines) for name, lines in (("a", worse(5)), ("b", worse(3)), ("c", worse(1)))
    ]
    (shared,) = comparable(read_runs(folders))
    chosen = shared.runs[1]
    found = bootstrap(shared, chosen)
    files = [write_lines(tmp_path / f"{number}.txt", worse(every)) for number, every in enumerate((3, 5, 1))]
    command = [sys.executable, "-m", "sacrebleu", str(folders[0] / "hypotheses" / "test.reference.txt")]
    options = ["-m", "bleu", "chrf", "--paired-bs", "--format", "text", "--width", "4"]  # its JSON fails on float32
    done = subprocess.run([*command, "-i", *map(str, files), *options], capture_output=True, text=True, check=True)
    estimates = re.findall(r"([\d.]+) \(([\d.]+) ± ([\d.]+)\)", done.stdout)
    p_values = re.findall(r"\(p = ([\d.]+)\)", done.stdout)
    for column, name in enumerate(("BLEU", "chrF2")):
        of_metric = found.estimates[name]
        shown = [(f"{one.score:.4f}", f"{one.mean:.4f}", f"{one.margin:.4f}") for one in of_metric]
        assert shown == estimates[column::2]
        assert [f"{one.p_value:.4f}" for one in of_metric[1:]] == p_values[column::2]
        assert of_metric[0].p_value is None
        assert found.signatures[name] in done.stdout


def test_the_sign_says_whether_a_difference_is_more_than_chance(tmp_path: Path) -> None:
    lines = {"good": worse(16), "same": worse(15), "bad": worse(1), "copy": worse(16)}
    (shared,) = comparable(read_runs([finished_run(tmp_path / name, found) for name, found in lines.items()]))
    rows = {row[0]: row for row in significance(shared, shared.runs[0]).tables[0].rows}
    assert list(rows) == ["good", "same", "bad", "copy"]
    assert rows["good"][3] == "–"
    assert str(rows["same"][3]).startswith("= ")
    assert rows["copy"][3] == "="
    assert str(rows["bad"][3]).startswith("▼ ")
    turned = {row[0]: row for row in significance(shared, shared.runs[2]).tables[0].rows}
    assert list(turned) == ["bad", "good", "same", "copy"]
    assert str(turned["good"][3]).startswith("▲ ")


def test_a_single_run_has_its_interval(tmp_path: Path) -> None:
    (shared,) = comparable(read_runs([finished_run(tmp_path / "only", worse(3))]))
    (table,) = significance(shared, shared.runs[0]).tables
    assert table.caption == "Intervals"
    assert [row[0] for row in table.rows] == ["only"]
    assert "±" in str(table.rows[0][2])
