"""`nmt summarize`: documents in, as many summaries out, as texts or in objects."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import main
from nmt.translator import Translator
from tests.fixtures_text import make_bundle, saved, write_lines

DOCUMENTS = ["eins zwei drei", "", "vier fünf sechs sieben acht neun", " ", "zehn"]
Run = Callable[..., tuple[list[str], str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model that reads four words of a document, in which the ends of lines stand as a mark."""
    lines = {"type": "word", "line_separator": "<eou>"}
    data = {"cut_source": 4, "max_length": 100, "source": "talk.document", "target": "summary"}
    bundle = make_bundle(data=data, tokenizer=lines, evaluation={"type": "summarization"})
    return saved(bundle, tmp_path_factory.mktemp("summaries") / "model")


@pytest.fixture
def nmt(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command with some lines on standard input: those of standard output, and standard error."""

    def run(lines: list[str], *arguments: str) -> tuple[list[str], str]:
        with write_lines(tmp_path / "stdin", lines).open() as file:
            monkeypatch.setattr("sys.stdin", file)
            code = main(["summarize", "--model", str(model), "--device", "cpu", *arguments])
        found = capsys.readouterr()
        errors = [line for line in found.err.splitlines() if not line.startswith("nmt: warning")]
        assert code == (2 if errors else 0)
        return found.out.splitlines(), found.err

    return run


def summaries(model: Path, documents: list[str], n_best: int = 1, **search: Any) -> list[list[str]]:
    found = Translator.load(model, "cpu", **search).translate(documents, n_best)
    return [[best.text for best in each] for each in found]


def test_a_summary_for_each_document_and_a_count_of_those_cut(nmt: Run, model: Path) -> None:
    found, said = nmt(DOCUMENTS)
    assert found == [text for (text,) in summaries(model, DOCUMENTS)]
    assert (found[1], found[3]) == ("", "")
    cut = "1 of 5 documents were cut to their first 4 pieces (search.max_source_length)"
    assert said == f"nmt: warning: {cut}\n"
    assert nmt(["eins zwei"])[1] == ""
    assert nmt([]) == ([], "")


def test_lengths_are_pieces_whatever_the_document(nmt: Run, model: Path) -> None:
    lengths = {"max_length_ratio": 0.0, "max_length_extra": 7, "min_length_ratio": 0.0, "min_length_extra": 6}
    found, _ = nmt(DOCUMENTS, "--max-length", "7", "--min-length", "6", "--beam", "2", "--n-best", "2")
    expected = summaries(model, DOCUMENTS, 2, beam_size=2, **lengths)
    assert found == [text for each in expected for text in [*each, ""][:2]]
    assert {len(text.split()) for text in found} <= {0, 6, 7}
    assert len(found) == 2 * len(DOCUMENTS)
    said = "nmt: --min-length 8 is more than --max-length 7\n"
    assert nmt(DOCUMENTS, "--max-length", "7", "--min-length", "8")[1] == said
    said = "nmt: --max-length and search.max_length_extra=3 say the same; give one of them\n"
    assert nmt(DOCUMENTS, "--max-length", "7", "search.max_length_extra=3")[1] == said


def test_objects_come_out_with_their_summaries(nmt: Run, model: Path) -> None:
    objects: list[dict[str, Any]] = [
        {"id": 3, "talk": {"document": "eins zwei\ndrei"}},
        {"talk": {"document": "\ud83d"}, "summary": "ein É"},
        {"talk": {"document": ["eins zwei", "", "drei"]}},
    ]
    found, _ = nmt([json.dumps(each) for each in objects], "--format", "jsonl", "--n-best", "2")
    expected = summaries(model, ["eins zwei <eou> drei", "?", "eins zwei drei"], 2)
    rows = [json.loads(line) for line in found]
    assert [[best["text"] for best in row["summaries"]] for row in rows] == expected
    assert all(best.keys() == {"text", "score", "log_prob", "tokens"} for row in rows for best in row["summaries"])
    assert {**rows[0], "summaries": None} == {**objects[0], "summaries": None}
    assert rows[1]["summary"] == "ein É"
    for blank in ('{"text": " "}', '{"text": null}'):
        (row,) = [json.loads(line) for line in nmt(["", blank, " "], *FIELD)[0]]
        assert [best["text"] for best in row["summaries"]] == [""]


FIELD = ["--format", "jsonl", "--field", "text"]


@pytest.mark.parametrize("command", ["summarize", "translate"])
def test_a_model_of_another_command_is_named(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    of = {"summarize": saved(make_bundle(), tmp_path / "translator"), "translate": model}
    with write_lines(tmp_path / "stdin", ["eins"]).open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert main([command, "--model", str(of[command]), "--device", "cpu"]) == 0
    other = "translate" if command == "summarize" else "summarize"
    assert f"warning: {of[command]} was trained for nmt {other} " in capsys.readouterr().err


def test_a_field_is_read_as_a_training_reads_its_column(nmt: Run, model: Path) -> None:
    objects: list[dict[str, Any]] = [
        {"talk": {"document": "eins"}},
        {"talk.document": "eins", "talk": {"document": "zwei"}},
        {"talk": {"document": ["eins", None, ""]}},
        {"talk": {"document": None}},
        {"talk": None},
        {"talk": {"document": []}},
    ]
    found, _ = nmt([json.dumps(each) for each in objects], *FIELD[:3], "talk.document")
    (one,) = summaries(model, ["eins"])[0]
    assert [json.loads(line)["summaries"][0]["text"] for line in found] == [one, one, one, "", "", ""]


def test_what_stands_before_a_line_that_is_none_is_summarized(nmt: Run, model: Path) -> None:
    texts = ["eins zwei drei vier fünf", "zwei"]
    found, said = nmt([*(json.dumps({"text": text}) for text in texts), "", "[" * 100_000, '{"text": "drei"}'], *FIELD)
    assert [json.loads(line)["summaries"][0]["text"] for line in found] == [one for (one,) in summaries(model, texts)]
    cut, wrong = said.splitlines()
    assert cut == "nmt: warning: 1 of 2 documents were cut to their first 4 pieces (search.max_source_length)"
    assert wrong.startswith("nmt: line 4 of the input is no JSON: ")


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (["eins"], FIELD[2:], "--field needs --format jsonl"),
        (["", "{"], FIELD, "line 2 of the input is no JSON: "),
        (
            ["eins"],
            ["--min-length", "10", "search.max_length_ratio=0", "search.max_length_extra=9"],
            "is more than the 9",
        ),
        (['{"text": "eins"}'], FIELD[:2], "a text as its --field talk.document; it has text"),
        (
            ['{"text": ["eins", 2]}'],
            FIELD,
            "line 1 of the input is no object with a text as its --field text; it has text",
        ),
        (['{"id": 3, "talks": "eins"}'], [*FIELD[:3], "talk"], "it has id, talks; did you mean talks?"),
        (['"text"'], FIELD, "line 1 of the input is no object with a text"),
        (["eins"], ["search.beam=3"], "search.beam: unknown key"),
        (["eins"], ["--n-best", "9"], "the 9 best translations need a beam of 9 (--beam), not 5"),
    ],
)
def test_what_is_wrong_is_one_line(nmt: Run, lines: list[str], arguments: list[str], message: str) -> None:
    found, said = nmt(lines, *arguments)
    assert found == []
    assert said.startswith("nmt: ")
    assert message in said
    assert len(said.splitlines()) == 1
