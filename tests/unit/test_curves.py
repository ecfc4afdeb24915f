"""The file of the learning curves."""

from pathlib import Path

from nmt.curves import append_point, read_curves


def test_what_is_appended_is_read_by_name_and_step(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    append_point(path, 50, loss=4.5)
    append_point(path, 60, perplexity=30.25, bleu=1.5)
    append_point(path, 100, loss=3.25)
    assert read_curves(path) == {
        "loss": [(50, 4.5), (100, 3.25)],
        "perplexity": [(60, 30.25)],
        "bleu": [(60, 1.5)],
    }


def test_a_run_without_the_file_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "curves.jsonl") == {}


def test_of_steps_that_a_resumed_run_takes_again_the_later_line_counts_and_half_a_line_is_left_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "curves.jsonl"
    for step in (10, 20, 30):
        append_point(path, step, loss=float(step))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 40, "lo\n')
    append_point(path, 20, loss=0.5)
    assert read_curves(path) == {"loss": [(10, 10.0), (20, 0.5), (30, 30.0)]}


def test_after_half_a_line_a_new_one_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    append_point(path, 10, loss=1.0)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 20, "lo')
    append_point(path, 20, loss=0.5)
    append_point(path, 30, loss=0.25)
    assert read_curves(path) == {"loss": [(10, 1.0), (20, 0.5), (30, 0.25)]}
