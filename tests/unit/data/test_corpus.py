"""Text from every origin, the same text from all of them; and what is said when there is none."""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Translation

from nmt.data.corpus import iterate_text, load_split, text_hash
from nmt.data.numbers import number_corpus
from nmt.errors import UserError
from nmt.recipe.data import DataOptions
from tests.fixtures_text import write_lines

Rows = list[dict[str, str]]

# What readers of tables like to take for quotation, numbers, missing values, or the end of a line.
ROWS: Rows = [
    {"source": 'Er sagte: "Nein', "target": '"No", he said'},
    {"source": "null", "target": "NA"},
    {"source": "12", "target": "007"},
    {"source": "2020-01-01", "target": "nan"},
    {"source": "a\u2028b\x0bc\x85d\u2029e\x0cf", "target": "ä 漢字 🙂 'it''s'"},
    {"source": " vorn und hinten ", "target": "comma, semicolon; \\n #"},
    {"source": "<b>", "target": "true"},
]


def jsonl(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text(jsonl(rows), encoding="utf-8")


def write_gzip(path: Path, rows: Rows) -> None:
    path.write_bytes(gzip.compress(jsonl(rows).encode()))


def write_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows), encoding="utf-8")


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["number", "source", "target"])
        writer.writeheader()
        writer.writerows({"number": number, **row} for number, row in enumerate(rows))


def write_tsv(path: Path, rows: Rows) -> None:
    lines = ["source\ttarget", *(f"{row['source']}\t{row['target']}" for row in rows)]
    write_lines(path, lines)


def write_parquet(path: Path, rows: Rows) -> None:
    Dataset.from_list(rows).to_parquet(path)


def write_arrow(path: Path, rows: Rows) -> None:
    Dataset.from_list(rows).save_to_disk(path.parent / "saved")
    next((path.parent / "saved").glob("*.arrow")).rename(path)


FORMATS: dict[str, Callable[[Path, Rows], None]] = {
    "jsonl": write_jsonl,
    "jsonl.gz": write_gzip,
    "json": write_json,
    "csv": write_csv,
    "tsv": write_tsv,
    "parquet": write_parquet,
    "arrow": write_arrow,
}


def load(path: Path | str | list[Path], split: str = "train", **fields: Any) -> Rows:
    """The rows of a split, after checking that there are the two columns and nothing else."""
    where = [str(part) for part in path] if isinstance(path, list) else str(path)
    dataset = load_split(DataOptions(path=where, **fields), split)
    assert sorted(dataset.column_names) == ["source", "target"]
    return [dict(row) for row in dataset]


def refusal(path: Path | str | list[Path], split: str = "train", **fields: Any) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(UserError) as caught:
        load(path, split, **fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small file with the columns `source` and `target`."""
    path = tmp_path / "table.jsonl"
    write_jsonl(path, [{"source": f"s{number}", "target": f"t{number}"} for number in range(20)])
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset as it lies on the hub: a README whose header says which file is which split."""
    place = tmp_path / "corpus"
    place.mkdir()
    header = {
        "default": {"train": "train.jsonl", "validation": "validation.jsonl"},
        "other": {"validation": "other.jsonl.gz"},
    }
    lines = ["---", "configs:"]
    for name, files in header.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [line for split, file in files.items() for line in (f"  - split: {split}", f"    path: {file}")]
    write_lines(place / "README.md", [*lines, "---", "# A corpus"])
    write_jsonl(place / "train.jsonl", ROWS)
    write_jsonl(place / "validation.jsonl", ROWS[:2])
    write_gzip(place / "other.jsonl.gz", ROWS[2:5])
    return place


# -- origins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_text(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{ending}"
    FORMATS[ending](path, ROWS)
    assert load(path) == ROWS
    assert load(path, "train[1:3]") == ROWS[1:3]
    assert load(path, source="target", target="source") == [
        {"source": row["target"], "target": row["source"]} for row in ROWS
    ]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_name_of_the_split_can_be_part_of_the_file_name(ending: str, tmp_path: Path) -> None:
    for split, rows in (("train", ROWS), ("validation", ROWS[:2])):
        FORMATS[ending](tmp_path / f"{split}.{ending}", rows)
    path = tmp_path / ("{split}." + ending)
    assert load(path, "train[:50%]") == ROWS[:4]
    assert load(path, "validation") == ROWS[:2]
    assert str(tmp_path / f"test.{ending}") in refusal(path, "test")


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending not in ("json", "arrow")])
def test_a_folder_without_a_header_gives_the_same_text(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split, rows in (("train", ROWS), ("validation", ROWS[:2])):
        FORMATS[ending](folder / f"{split}.{ending}", rows)
    assert load(folder) == ROWS
    assert load(folder, "validation") == ROWS[:2]


def test_a_folder_of_text_files_says_how_to_name_them(tmp_path: Path) -> None:
    for side in ("de", "en"):
        write_lines(tmp_path / f"train.{side}", ["eins"])
    assert f"write data.path='{tmp_path}/{{split}}'" in refusal(tmp_path, source="de", target="en")
    assert "the only name in braces that is known is {split}" in refusal(
        tmp_path / "{splitt}", source="de", target="en"
    )


def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert load(Path("~/rows.jsonl")) == ROWS
    assert str(tmp_path / "no.jsonl") in refusal(Path("~/no.jsonl"))


def test_a_folder_with_a_header(folder: Path) -> None:
    assert load(folder) == ROWS
    assert load(folder, "train[2:]") == ROWS[2:]
    assert load(folder, "validation") == ROWS[:2]
    assert load(folder, "validation", config="other") == ROWS[2:5]
    assert load(folder, "train+validation") == ROWS + ROWS[:2]
    assert "is no split" in refusal(folder, "train[:2]+validation")


def test_a_folder_saved_to_disk(tmp_path: Path) -> None:
    DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:3])).save_to_disk(tmp_path / "several")
    assert load(tmp_path / "several", "test[1:]") == ROWS[1:3]
    assert "has no split validation, but train, test" in refusal(tmp_path / "several", "validation")
    for split, rows in (("train", ROWS), ("test", ROWS[:3])):
        Dataset.from_list(rows).save_to_disk(tmp_path / f"one-{split}")
    assert load(tmp_path / "one-train", "train[:2]") == ROWS[:2]
    assert load(tmp_path / "one-{split}", "test") == ROWS[:3]
    assert "has one split, train" in refusal(tmp_path / "one-train", "test")


def test_one_text_file_is_its_own_translation(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "copy.txt", ["eins", "zwei", "drei"])
    assert load(path, "train[1:]", source="text", target="text") == [
        {"source": text, "target": text} for text in ("zwei", "drei")
    ]


@pytest.mark.parametrize("column", ["source", "target"])
def test_one_column_for_both_sides(column: str, table: Path) -> None:
    letter = column[0]
    expected = [{"source": f"{letter}{number}", "target": f"{letter}{number}"} for number in range(2)]
    assert load(table, "train[:2]", source=column, target=column) == expected


def test_two_text_files(tmp_path: Path) -> None:
    for split, size in (("train", 30), ("validation", 3)):
        for side in ("de", "en"):
            write_lines(tmp_path / f"{split}.{side}", [f"{side} {number}" for number in range(size)])
    named = [tmp_path / "{split}.de", tmp_path / "{split}.en"]
    expected = [{"source": f"de {number}", "target": f"en {number}"} for number in range(30)]
    assert load(named) == expected
    assert load(named, "train[:10]") == expected[:10]
    assert load(named, "train[10%:]") == expected[3:]
    assert load(named, "train[-5:]") == expected[-5:]
    assert load(named, "train[:100]") == expected
    assert load(named, "train[40:50]") == load(named, "train[9:4]") == []
    assert load(named, "validation") == expected[:3]
    assert load([tmp_path / "train.de", tmp_path / "train.en"]) == expected


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    odd = ["a\u2028b\u2029c", "d\x0be\x0cf", "g\x85h\x1ci", "k\rl", "", "  ", "\u2028", '"q\t']
    source = write_lines(tmp_path / "a.de", odd)
    target = tmp_path / "a.en"
    target.write_bytes(b"".join(b"%d\r\n" % number for number in range(len(odd)))[:-2])  # CRLF, and none at the end
    assert load([source, target]) == [{"source": text, "target": str(place)} for place, text in enumerate(odd)]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    source, target = tmp_path / "a.de", write_lines(tmp_path / "a.en", ["one"])
    source.write_bytes(b"\xef\xbb\xbfeins\n")
    assert load([source, target]) == [{"source": "eins", "target": "one"}]
    source.write_bytes(b"\xef\xbb\xbf")
    assert refusal([source, target]).startswith(f"data.path: no text can be read from {source} and {target}: ")


@pytest.mark.parametrize("features", [None, Features({"translation": Translation(languages=["de", "en"])})])
def test_nested_columns(features: Features | None, tmp_path: Path) -> None:
    nested = [{"translation": {"de": row["source"], "en": row["target"]}} for row in ROWS]
    Dataset.from_list(nested, features=features).to_parquet(tmp_path / "nested.parquet")
    assert load(tmp_path / "nested.parquet", source="translation.de", target="translation.en") == ROWS
    message = refusal(tmp_path / "nested.parquet", source="translation.de", target="translation.eng")
    assert "no column translation.eng; it has translation.de, translation.en; did you mean translation.en?" in message


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_of_texts(ending: str, tmp_path: Path, own_cache: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"source": ["One. ", None, "Two."], "target": ["first", "second"]},
        {"source": [], "target": None},
        {"source": ["three"], "target": []},
    ]
    path = tmp_path / f"lists.{ending}"
    getattr(Dataset.from_list(rows), {"jsonl": "to_json", "parquet": "to_parquet"}[ending])(path)
    wanted = [("One.  Two.", "first"), ("One.  Two.", "second"), ("", ""), ("three", "")]
    for _ in range(2):  # the second time from the cache
        assert [(row["source"], row["target"]) for row in load(path)] == wanted
    assert [row["target"] for row in load(path, "train[1:]", target="source")] == ["", "three"]
    assert len(list(own_cache.rglob("nmt/*.arrow"))) == 2
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_the_embedded_corpus() -> None:
    rows = load("builtin:numbers", "validation[:10]", source="de", target="en")
    assert rows == [{"source": row["de"], "target": row["en"]} for row in number_corpus("validation")[:10]]
    assert "train, validation, test" in refusal("builtin:numbers", "valid", source="de", target="en")


def test_missing_text_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "gaps.jsonl"
    path.write_text('{"source": "a", "target": null}\n{"source": null, "target": "b"}\n', encoding="utf-8")
    dataset = load_split(DataOptions(path=str(path)), "train")
    assert list(iterate_text(dataset, "source")) == ["a", ""]
    assert list(iterate_text(dataset, "target")) == ["", "b"]
    full = Dataset.from_dict({"source": ["a", ""], "target": ["", "b"]})
    assert text_hash(dataset) == text_hash(full)


def test_the_hash_is_that_of_text_and_order() -> None:
    def digest(*pairs: tuple[str, str]) -> str:
        return text_hash(Dataset.from_dict({"source": [a for a, _ in pairs], "target": [b for _, b in pairs]}))

    different = [
        digest(("a", "x"), ("b", "y")),
        digest(("b", "y"), ("a", "x")),
        digest(("a", "y"), ("b", "x")),
        digest(("a ", "x"), ("b", "y")),
        digest(("x", "a"), ("y", "b")),
        digest(("a", "x")),
    ]
    assert len(set(different)) == len(different)
    assert digest(("a", "x"), ("b", "y")) == different[0]


# -- the cache ----------------------------------------------------------------------------------------------------


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    texts = [write_lines(tmp_path / name, ["alt"]) for name in ("a.de", "a.en")]
    table = tmp_path / "a.jsonl"
    write_jsonl(table, [{"source": "alt", "target": "alt"}])
    single = write_lines(tmp_path / "a.txt", ["alt"])
    for text in ("alt", "neu"):  # of the same length, so that only the time differs
        for path in (*texts, single):
            write_lines(path, [text])
        write_jsonl(table, [{"source": text, "target": text}])
        for path in (*texts, single, table):
            os.utime(path, ns=(0, 10**18 + (text == "neu") * 10**9))
        for _ in range(2):
            assert load(texts) == load(table) == [{"source": text, "target": text}]
            assert load(single, source="text", target="text") == [{"source": text, "target": text}]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write_lines(tmp_path / name, ["eins", "zwei"]) for name in ("a.de", "a.en")]
    first = load(files)

    def unreadable(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("nmt.data.corpus.read_lines", unreadable)
    assert load(files) == first


# -- refusals -----------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named(table: Path, folder: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    assert refusal(missing) == f"data.path: there is no file or folder {missing}"
    assert str(tmp_path / "none.de") in refusal([tmp_path / "none.de", table])
    assert "train" in (message := refusal(folder, "valid")) and "validation" in message
    assert "other" in refusal(folder, "validation", config="another")
    assert "has no column sorce; it has source, target; did you mean source?" in refusal(table, source="sorce")
    assert "has no column xyz; it has source, target" in (message := refusal(table, target="xyz"))
    assert "did you mean" not in message
    (semicolons := tmp_path / "semicolons.csv").write_text("source;target\neins;one\n", encoding="utf-8")
    assert refusal(semicolons).endswith(
        "it has source;target; the columns of a .csv have commas between them, those of a .tsv tabs"
    )


def test_a_single_file_has_one_split(table: Path, tmp_path: Path) -> None:
    text = write_lines(tmp_path / "a.txt", ["eins"])
    for path in (table, text, [text, text]):
        message = refusal(path, "validation", source="text", target="text")
        assert "has one split, train, but not validation" in message
        assert "{split}" in message


def test_files_of_different_length_are_refused_with_both_numbers(tmp_path: Path) -> None:
    files = [write_lines(tmp_path / "a.de", ["eins"] * 3), write_lines(tmp_path / "a.en", ["one"] * 4)]
    message = refusal(files)
    assert f"{files[0]} has 3 lines, but {files[1]} has 4" in message


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "txt"])
def test_an_empty_file_is_refused(ending: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / f"a.{ending}", [])
    assert refusal(path, source="text", target="text") == f"data.path: {path} is empty"
    assert refusal([path, path]) == f"data.path: {path} is empty"


def test_a_column_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"source": 1, "target": [1], "text": "a"}\n', encoding="utf-8")
    assert "data.source: column source" in (message := refusal(path, target="text"))
    assert "is not text, but int64" in message
    assert "data.target: column target" in refusal(path, source="text")


@pytest.mark.parametrize("line", [1, 2, 4000])
def test_bytes_that_are_no_text_are_refused_with_their_line(line: int, tmp_path: Path) -> None:
    good = write_lines(tmp_path / "a.de", [f"zeile {number}" for number in range(5000)])
    lines = good.read_bytes().split(b"\n")
    lines[line - 1] = b"ab\xff"
    bad = tmp_path / "a.en"
    bad.write_bytes(b"\n".join(lines))
    assert refusal([good, bad]) == f"{bad}:{line}: not UTF-8 text (byte 2 of the line)"
    single = bad.rename(tmp_path / "a.txt")
    assert refusal(single, source="text", target="text") == f"{single}:{line}: not UTF-8 text (byte 2 of the line)"


def test_a_table_with_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"source": "a", "target": "b"}\n{"source": "a\xff", "target": "b"}\n')
    assert refusal(path) == f"data.path: column source of {path} is not UTF-8 text"
    assert load(path, source="target", target="target")


@pytest.mark.parametrize("split", ["train[:10", "train[:x]", "train[]", "train[:10]]", "", "[:10]"])
def test_a_bad_slice_is_refused(split: str, table: Path, tmp_path: Path) -> None:
    text = write_lines(tmp_path / "a.txt", ["eins"])
    for path in (table, [text, text]):
        assert "split" in refusal(path, split)


def test_a_damaged_file_is_refused_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"source": "a", "target": "b"}\n{"source": \n', encoding="utf-8")
    assert "JSON parse error" in refusal(path)
    assert not caplog.records
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 but nothing more")
    assert str(path) in refusal(path)


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    for name in ("a.docx", "a.txt.gz", "a"):
        path = write_lines(tmp_path / name, ["eins"])
        assert refusal(path).endswith("none of the known endings .jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt")


def test_a_hub_that_cannot_be_reached_is_one_line_at_once(tmp_path: Path) -> None:
    code = (
        "from nmt.data.corpus import load_split\n"
        "from nmt.errors import UserError\n"
        "from nmt.recipe.data import DataOptions\n"
        "try:\n"
        "    load_split(DataOptions(path='nobody/no-such-corpus'), 'train')\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    (message,) = done.stdout.splitlines()
    assert message.startswith("data.path: datasets cannot load split train of nobody/no-such-corpus: ")
    assert message.endswith("there is no folder nobody/no-such-corpus here")


def test_two_text_files_are_named_by_their_common_beginning(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / f"{split}.de").write_text(f"{split} eins\nzwei\n", encoding="utf-8")
        (tmp_path / f"{split}.en").write_text(f"{split} one\ntwo\n", encoding="utf-8")
    options = DataOptions(path=f"{tmp_path}/{{split}}", source="de", target="en")
    assert load_split(options, "train")[:] == {"source": ["train eins", "zwei"], "target": ["train one", "two"]}
    assert load_split(options, "valid[1:]")[:] == {"source": ["zwei"], "target": ["two"]}
    single = DataOptions(path=f"{tmp_path}/train", source="en", target="de")
    assert load_split(single, "train[:1]")[:] == {"source": ["train one"], "target": ["train eins"]}
    with pytest.raises(UserError, match=r"has one split, train, but not valid"):
        load_split(single, "valid")
    with pytest.raises(UserError, match=r"no file or folder \S+/test, and no pair of text files \S+/test.de and \S+"):
        load_split(options, "test")
