"""Links of words: formats, and the alignment error rate against figures by hand and a count in loops."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.links import GoldLinks, Link, alignment_errors, pharaoh, read_gold
from tests.fixtures_text import write_lines


def gold(sure: list[Link], possible: list[Link]) -> GoldLinks:
    return GoldLinks(frozenset(sure), frozenset(sure + possible))


def test_the_error_rate_by_hand() -> None:
    wanted = [gold([(0, 0), (1, 1)], [(1, 2), (2, 2)]), gold([(0, 1)], [])]
    found = [[(0, 0), (1, 2), (3, 3)], [(0, 0)]]  # of four links one is sure, two are possible; three are sure in all
    errors = alignment_errors(found, wanted)
    assert errors.aer == pytest.approx(1 - (1 + 2) / (4 + 3))
    assert errors.precision == pytest.approx(2 / 4)
    assert errors.recall == pytest.approx(1 / 3)
    assert str(errors) == "alignment error rate 0.5714, precision 0.5000, recall 0.3333"


def test_all_right_and_all_wrong() -> None:
    wanted = [gold([(0, 0)], [(1, 0)])]
    assert alignment_errors([[(0, 0), (1, 0)]], wanted).aer == 0
    assert alignment_errors([[(0, 0)]], wanted).aer == 0
    assert alignment_errors([[]], wanted).aer == 1
    assert alignment_errors([[(5, 5)]], wanted).aer == 1


LINKS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8)


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=4))
def test_the_error_rate_in_loops(pairs: list[tuple[list[Link], list[Link], list[Link]]]) -> None:
    if not any(sure for _, sure, _ in pairs):
        with pytest.raises(UserError, match="needs sure links"):
            alignment_errors([found for found, _, _ in pairs], [gold(sure, more) for _, sure, more in pairs])
        return
    errors = alignment_errors([found for found, _, _ in pairs], [gold(sure, more) for _, sure, more in pairs])
    counts = dict.fromkeys(["A", "S", "AS", "AP"], 0)
    for found, sure, more in pairs:
        for i in range(4):
            for j in range(4):
                is_found, is_sure = (i, j) in found, (i, j) in sure
                is_possible = is_sure or (i, j) in more
                counts["A"] += is_found
                counts["S"] += is_sure
                counts["AS"] += is_found and is_sure
                counts["AP"] += is_found and is_possible
    assert errors.aer == pytest.approx(1 - (counts["AS"] + counts["AP"]) / (counts["A"] + counts["S"]))
    assert errors.recall == pytest.approx(counts["AS"] / counts["S"])
    if counts["A"]:
        assert errors.precision == pytest.approx(counts["AP"] / counts["A"])


def test_pharaoh_there_and_back(tmp_path: Path) -> None:
    links = [[(0, 0), (2, 1)], [], [(10, 4)]]
    path = write_lines(tmp_path / "found", [pharaoh(line) for line in links])
    assert path.read_text() == "0-0 2-1\n\n10-4\n"
    assert read_gold(path, [(11, 5)] * 3) == [gold(line, []) for line in links]


def test_sure_and_possible_links(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "gold", ["0-0 1p2  2?0", "", "1-1 1p1"])
    assert read_gold(path, [(3, 3)] * 3) == [gold([(0, 0)], [(1, 2), (2, 0)]), gold([], []), gold([(1, 1)], [])]


def test_a_link_on_each_line(tmp_path: Path) -> None:
    lines = ["0001 1 1 S", "0001 2 3 P", "1 3 1 P 0.5", "0003 2 2", "3 1 0 S", "0003 0 1"]
    path = write_lines(tmp_path / "gold", lines)
    assert read_gold(path, [(3, 3)] * 3) == [gold([(0, 0)], [(1, 2), (2, 0)]), gold([], []), gold([(1, 1)], [])]


def test_the_links_of_a_sentence_after_its_number(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "gold", ["SENT: 0", "S 0 0", "P 1 2", "P 2 0", "", "SENT: 2", "S 1 1", "P 1 1", ""])
    assert read_gold(path, [(3, 3)] * 3) == [gold([(0, 0)], [(1, 2), (2, 0)]), gold([], []), gold([(1, 1)], [])]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0-0", "0_1"], "gold:2: '0_1' is no link; expected 1-2 (sure), 1p2 or 1?2 (possible)"),
        (
            ["0-0", "3-1"],
            "gold:2: a link of source word 3 and target word 1, counted from 0, but sentence pair 2 has 3",
        ),
        (["0-0", "1-3"], "gold:2: a link of source word 1 and target word 3"),
        (["0-0"], "gold has 1 lines, but there are 2 sentence pairs"),
        (["0-0", "", "1-1"], "gold:3: links of sentence pair 3, but there are 2"),
        (["0-0", "", ""], "gold has 3 lines, but there are 2 sentence pairs"),
        (["1 1 1", "3 1 1"], "gold:2: links of sentence pair 3, but there are 2"),
        (["1 1 1", "0 1 1"], "gold:2: expected a link, sentence source target from 1"),
        (["1 1 1", "1 1-1"], "gold:2: expected a link"),
        (["SENT: 1", "S 0 3"], "gold:2: a link of source word 0 and target word 3"),
        (["SENT: 2", "S 0 0"], "gold:2: links of sentence pair 3, but there are 2"),
        (["SENT: 0", "S 0-0"], "gold:2: expected SENT: and a number, or S or P and a link, all from 0"),
        (["1 1 4"], "gold:1: a link of source word 0 and target word 3"),
    ],
)
def test_what_is_no_gold_of_these_sentences_is_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write_lines(tmp_path / "gold", lines)
    with pytest.raises(UserError) as error:
        read_gold(path, [(3, 3), (3, 3)])
    assert str(error.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(error.value)
