"""Unknown words and what takes their place, with weights set by hand."""

from pathlib import Path

import pytest
import torch

from nmt.errors import UserError
from nmt.recipe.search import AlignedTo
from nmt.tokenizer import UNK, UNKNOWN
from nmt.unknown import read_dictionary, replacements
from tests.fixtures_text import write_lines

# Begin, 9, unknown, unknown are read; 9, unknown, unknown, end are predicted.
IDS = [9, UNK, UNK]
SOURCE = ["Anna", "", "Hund"]  # and the end
WEIGHTS = torch.tensor(
    [
        [0.6, 0.1, 0.2, 0.1],
        [0.1, 0.2, 0.3, 0.4],  # most to the end, which is no word
        [0.2, 0.5, 0.1, 0.2],  # most to a blank piece
        [0.0, 0.0, 0.9, 0.1],
    ]
)


@pytest.mark.parametrize(("aligned_to", "expected"), [("predicted", ["Hund", "Anna"]), ("input", ["Anna", "Hund"])])
def test_the_source_word_with_the_largest_weight_is_copied(aligned_to: AlignedTo, expected: list[str]) -> None:
    assert replacements(IDS, WEIGHTS, SOURCE, {}, aligned_to) == expected


def test_or_its_translation() -> None:
    assert replacements(IDS, WEIGHTS, SOURCE, {"Hund": "dog", "hund": "x"}, "predicted") == ["dog", "Anna"]


def test_where_nothing_can_be_copied_the_mark_remains() -> None:
    assert replacements(IDS, WEIGHTS, ["", "", ""], {}, "predicted") == [UNKNOWN, UNKNOWN]
    assert replacements([9], WEIGHTS, SOURCE, {}, "predicted") == []


def test_nor_is_a_word_copied_at_which_nothing_looks() -> None:
    """A window on the end of the source sees no word."""
    weights = WEIGHTS.clone()
    weights[2] = torch.tensor([0.0, 0.3, 0.0, 0.7])
    assert replacements(IDS, weights, SOURCE, {"Anna": "Ann"}, "predicted") == ["Hund", UNKNOWN]


def test_a_dictionary_is_read_and_the_first_translation_wins(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "words.tsv", ["Hund\tdog", "Katze\tcat", "Hund\thound", "New York \t New York"])
    assert read_dictionary(path) == {"Hund": "dog", "Katze": "cat", "New York": "New York"}


@pytest.mark.parametrize("line", ["Hund dog", "Hund\tdog\t0.5", "Hund\t", "\tdog", ""])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str) -> None:
    path = write_lines(tmp_path / "words.tsv", ["Hund\tdog", line])
    with pytest.raises(UserError) as error:
        read_dictionary(path)
    assert str(error.value) == f"{path}:2: expected a source word, a tab and a target word"
    with pytest.raises(UserError, match=r"nowhere\.tsv: No such file"):
        read_dictionary(tmp_path / "nowhere.tsv")
