"""What may be asked of single translations, and of several models, in this process."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from nmt.bundle import Bundle
from nmt.cli import main
from nmt.errors import UserError
from nmt.guides import Guide
from nmt.search.sampling import Sampling
from nmt.translation import Translation
from nmt.translator import Translator
from tests.fixtures_text import SOURCES, exported, make_bundle, practised_bundle, saved, write_lines

LINES = SOURCES[:8]


def translator(bundle: Bundle | None = None, **search: Any) -> Translator:
    return Translator.from_bundle(bundle or practised_bundle(), "cpu", **search)


def prefixes() -> list[str]:
    """The beginnings of other lines' translations."""
    return [" ".join(line.split()[:2]) for line in translator()(LINES[::-1])]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_translations_begin_as_they_should_and_their_scores_are_those_of_forced_decoding(beam_size: int) -> None:
    translate = translator(beam_size=beam_size)
    found = [best for best, *_ in translate.translate(LINES, guides=[Guide(prefix) for prefix in prefixes()])]
    assert [best.text for best in found] != translate(LINES)
    for prefix, best in zip(prefixes(), found, strict=True):
        (wanted,) = translate.tokenizers.target.encode([prefix])
        assert list(best.ids[: len(wanted)]) == wanted
    for (log_prob, _), best in zip(translate.score(LINES, [best.text for best in found]), found, strict=True):
        assert log_prob == pytest.approx(best.log_prob, abs=1e-4)


def test_without_a_prefix_and_for_a_blank_line_nothing_changes() -> None:
    translate = translator()
    lines = [*LINES[:3], " ", LINES[3]]
    guides = [Guide(), Guide(prefixes()[1]), Guide(), Guide("some text"), Guide(" ")]
    found, plain = translate.translate(lines, guides=guides), translate.translate(lines)
    assert found[3] == [Translation("")]
    for number in (0, 2, 4):
        assert found[number][0].ids == plain[number][0].ids
    assert found[1][0].ids != plain[1][0].ids


def test_what_cannot_be_followed_is_one_line() -> None:
    translate = translator()
    with pytest.raises(UserError, match="2 lines to translate, but prefixes or phrases for 1;"):
        translate.translate(LINES[:2], guides=[Guide()])
    with pytest.raises(UserError, match=r"the prefix 'one one .*' have 99 pieces, but .* has \d+ at the most; raise"):
        translate.translate(LINES[:1], guides=[Guide("one " * 99)])
    with pytest.raises(UserError, match=r"^the prefix 'one Xyz two' hold 'Xyz', which the model has no word for"):
        translate.translate(LINES[:1], guides=[Guide("one Xyz two")])
    with pytest.raises(UserError, match=r"^the phrases 'one, two Xyz' hold 'Xyz', which the model has no word for"):
        translate.translate(LINES[:1], guides=[Guide(phrases=("one", "two Xyz"))])
    with pytest.raises(UserError, match="shortlist need not hold the words asked for"):
        translator(exported(practised_bundle())).translate(LINES[:1], guides=[Guide()])


def other_bundle() -> Bundle:
    """A model with the same tokenizers, which knows less."""
    return make_bundle(steps=10, tokenizer={"type": "word"}, model={"embedding_size": 8, "hidden_size": 12})


def test_several_models_translate_score_and_align_as_one() -> None:
    bundles = [practised_bundle(), other_bundle()]
    together = Translator.from_bundles(bundles, "cpu", beam_size=3)
    found = [best for best, *_ in together.translate(LINES)]
    scored = together.score(LINES, [best.text for best in found])
    for (log_prob, _), best in zip(scored, found, strict=True):
        assert log_prob == pytest.approx(best.log_prob, abs=1e-4)
    alone = [translator(bundle, beam_size=3) for bundle in bundles]
    each = [one.score(["eins"], [""])[0][0] for one in alone]  # of the end alone, one prediction
    mean = math.log(math.fsum(map(math.exp, each)) / 2)
    assert together.score(["eins"], [""])[0][0] == pytest.approx(mean, abs=1e-5)
    alignments = [one.align(LINES[0], found[0]) for one in (together, *alone)]
    weights = [alignment.weights for alignment in alignments if alignment is not None]
    assert weights[0].flatten().tolist() == pytest.approx(((weights[1] + weights[2]) / 2).flatten().tolist())


def test_models_that_cannot_translate_together_are_said() -> None:
    with pytest.raises(UserError, match="models 1 and 2 have different tokenizers"):
        Translator.from_bundles([practised_bundle(), make_bundle()], "cpu")
    with pytest.raises(UserError, match="model 2 is an exported one"):
        Translator.from_bundles([practised_bundle(), exported(practised_bundle())], "cpu")


def test_a_coverage_penalty_needs_an_attention_and_no_network_is_asked_without() -> None:
    bundle = make_bundle(model={"attention": {"type": "none"}})
    with pytest.raises(UserError, match=r"^search\.coverage_penalty: needs an attention; model.attention is none$"):
        translator(bundle, coverage_penalty=0.2)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_scores_with_a_coverage_penalty_are_those_of_the_attention(beam_size: int) -> None:
    translate = translator(beam_size=beam_size, coverage_penalty=0.3, length_penalty=0.5)
    for line, (best, *_) in zip(LINES, translate.translate(LINES), strict=True):
        alignment = translate.align(line, best)
        assert alignment is not None
        looked = alignment.weights.double().sum(dim=0).clamp(max=1.0)
        expected = best.log_prob / ((6 + len(best.ids)) / 6) ** 0.5 + 0.3 * looked.log().sum().item()
        assert best.score == pytest.approx(expected, abs=1e-4)


def test_blocked_ngrams_do_not_come_twice() -> None:
    bundle = make_bundle()  # untrained: it repeats itself
    search = {"beam_size": 3, "max_length_extra": 20}
    plain, found = translator(bundle, **search).translate(LINES), translator(bundle, **search, block_ngrams=1)
    assert any(len(set(best.ids)) < len(best.ids) for best, *_ in plain)
    assert all(len(set(best.ids)) == len(best.ids) for best, *_ in found.translate(LINES))


def phrases() -> list[tuple[str, ...]]:
    """Words of other lines' translations, of which some lines have none."""
    texts = [line.split() for line in translator()(LINES[::-1])]
    return [(words[-1], " ".join(words[:2])) if number % 3 else () for number, words in enumerate(texts)]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_phrases_occur_and_scores_are_those_of_forced_decoding(beam_size: int) -> None:
    translate = translator(beam_size=beam_size, batch_size=3, coverage_penalty=0.1)
    plain = translate.translate(LINES)
    found = translate.translate(LINES, guides=[Guide(phrases=each) for each in phrases()])
    for line, wanted, (best, *_), (free, *_) in zip(LINES, phrases(), found, plain, strict=True):
        assert all(f" {phrase} " in f" {best.text} " for phrase in wanted)
        assert translate.score([line], [best.text])[0][0] == pytest.approx(best.log_prob, abs=1e-4)
        alone = translate.translate([line], guides=[Guide(phrases=wanted)])[0][0]
        for same in [alone] if wanted else [alone, free]:
            assert same.ids == best.ids
            assert same.score == pytest.approx(best.score, abs=1e-5)


def test_phrases_that_cannot_occur_are_one_line() -> None:
    asked = [Guide(phrases=("one",))]
    with pytest.raises(UserError, match=r"^the phrases 'two, one one .*' have 100 pieces, but .*max_length_extra$"):
        translator().translate(LINES[:1], guides=[Guide(phrases=("two", "one " * 99))])
    with pytest.raises(UserError, match="prefixes and phrases cannot be had together"):
        translator().translate(LINES[:2], guides=[*asked, Guide("one")])
    with pytest.raises(UserError, match=r"cannot be had with search\.block_ngrams or diversity_groups"):
        translator(block_ngrams=3).translate(LINES[:1], guides=asked)
    with pytest.raises(UserError, match=r"cannot be had with search\.coverage_penalty_type: summary"):
        translator(coverage_penalty=1.0, coverage_penalty_type="summary").translate(LINES[:1], guides=asked)
    with pytest.raises(UserError, match="leave out --sample"):
        translator().translate(LINES[:1], guides=asked, sampling=Sampling())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature 0: expected one from 1e-06 to 1e.06"),
        ({"temperature": 1e39}, "temperature 1e.39: expected one from"),
        ({"temperature": 1e-320}, "temperature 9.*e-321: expected one from"),
        ({"temperature": math.nan}, "temperature nan: expected one from"),
        ({"top_k": 0}, "top_k 0: expected at least 1"),
        ({"seed": -1}, "seed -1: expected at least 0"),
    ],
)
def test_by_what_is_no_sampling_nothing_is_drawn(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        Sampling(**wrong)


@pytest.mark.parametrize("sampling", [None, Sampling()])
def test_no_translations_at_all_cannot_be_asked_for(sampling: Sampling | None) -> None:
    with pytest.raises(UserError, match=r"^n_best 0: expected at least 1$"):
        translator().translate(LINES, 0, sampling=sampling)


def test_extreme_temperatures_can_be_drawn_with() -> None:
    (best,) = translator().translate(LINES[:1], sampling=Sampling(temperature=1e-6))
    assert best[0].text == translator(beam_size=1)(LINES[0])
    assert translator().translate(LINES[:1], sampling=Sampling(temperature=1e6))


def test_random_translations_belong_to_line_and_seed() -> None:
    translate = translator(batch_size=3)
    found = translate.translate(LINES, n_best=7, sampling=Sampling(seed=4))  # more than the beam has places
    assert all(len(drawn) == 7 for drawn in found)
    assert len({best.ids for drawn in found for best in drawn}) > len(LINES)
    blocks = translator(batch_size=2).stream([LINES[:3], LINES[3:4], LINES[4:]], 7, sampling=Sampling(seed=4))
    assert [[best.ids for best in drawn] for _, drawn in blocks] == [[best.ids for best in drawn] for drawn in found]
    for line, drawn in zip(LINES, found, strict=True):
        scored = translate.score([line] * 7, [best.text for best in drawn])
        for (log_prob, tokens), best in zip(scored, drawn, strict=True):
            if tokens == len(best.ids) + 1:  # the same pieces
                assert log_prob == pytest.approx(best.log_prob, abs=1e-3)


def test_a_diverse_beam_has_equal_groups_and_greedy_search_none() -> None:
    with pytest.raises(UserError, match=r"^search\.diversity_groups: must divide beam_size \(5\)$"):
        translator(beam_size=5, diversity_groups=2)
    diverse = translator(beam_size=4, diversity_groups=2, diversity_penalty=2.0)
    found = diverse.translate(LINES, n_best=4)
    assert [best.text for best, *_ in found] != [best.text for _, best, *_ in found]
    assert [[one.ids for one in best] for best in found] != [
        [one.ids for one in best] for best in translator(beam_size=4).translate(LINES, n_best=4)
    ]
    greedy = diverse.options.model_copy(update={"beam_size": 1})  # as an evaluation does
    bundle = practised_bundle()
    assert Translator(bundle.model, bundle.tokenizers, greedy)(LINES) == translator(beam_size=1)(LINES)
    assert translator(beam_size=1, diversity_groups=5)(LINES[:2]) == translator(beam_size=1)(LINES[:2])


# -- the command --------------------------------------------------------------------------------------------------


class Command:
    """Runs `nmt translate` in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]) -> None:
        self.folder, self.monkeypatch, self.output = folder, monkeypatch, output
        self.models = [
            saved(bundle, folder / name) for name, bundle in (("one", practised_bundle()), ("two", other_bundle()))
        ]

    def __call__(self, *arguments: str | Path, models: int = 1) -> tuple[list[str], str]:
        """The lines of standard output, and standard error."""
        with write_lines(self.folder / "stdin", LINES).open() as file:
            self.monkeypatch.setattr("sys.stdin", file)
            chosen = [word for model in self.models[:models] for word in ("--model", str(model))]
            code = main(["translate", *chosen, "--device", "cpu", *map(str, arguments)])
        found = self.output.readouterr()
        assert code == (2 if found.err else 0)
        return found.out.splitlines(), found.err

    def file(self, lines: list[str]) -> Path:
        """A file beside the input."""
        return write_lines(self.folder / "beside", lines)


@pytest.fixture
def nmt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


def test_prefixes_come_from_a_file(nmt: Command) -> None:
    expected = translator().translate(LINES, guides=[Guide(prefix) for prefix in prefixes()])
    assert nmt("--prefixes", nmt.file(prefixes()))[0] == [best.text for best, *_ in expected]
    assert nmt("--prefixes", nmt.file(prefixes()[:3]))[1] == (
        "nmt: 8 lines to translate, but prefixes or phrases for 3; there must be a line of them for each\n"
    )
    assert nmt("--prefixes", nmt.file([*prefixes(), "one"]))[1] == (
        "nmt: there are prefixes or phrases for more lines than there are to translate\n"
    )


def test_phrases_come_from_a_file(nmt: Command) -> None:
    expected = translator().translate(LINES, guides=[Guide(phrases=each) for each in phrases()])
    file = nmt.file(["\t".join(each) for each in phrases()])
    assert nmt("--constraints", file)[0] == [best.text for best, *_ in expected]
    assert nmt("--constraints", file, "--prefixes", file)[1] == (
        "nmt: --prefixes and --constraints cannot be had together; give one of them\n"
    )


def test_random_translations(nmt: Command) -> None:
    found, _ = nmt("--sample", "--n-best", "2", "--seed", "4", "--top-k", "5", "--temperature", "1.5")
    expected = translator().translate(LINES, 2, sampling=Sampling(4, 1.5, 5))
    assert found == [best.text for drawn in expected for best in drawn]
    assert nmt("--sample")[0] == nmt("--sample", "--seed", "1")[0] != nmt("--sample", "--seed", "2")[0]
    assert nmt("--top-k", "5")[1] == "nmt: --top-k needs --sample\n"
    assert nmt("--sample", "--temperature", "1e39")[1].startswith("nmt: temperature 1e+39: expected one from")
    for of_a_beam in (["--beam", "2"], ["search.beam_size=2"]):
        assert (
            nmt("--sample", *of_a_beam)[1]
            == "nmt: --sample draws without a beam; leave out search.beam_size (--beam)\n"
        )
    assert "leave out search.diversity_groups\n" in nmt("--sample", "search.diversity_groups=5")[1]


def test_several_models_are_an_ensemble(nmt: Command) -> None:
    together = Translator.from_bundles([practised_bundle(), other_bundle()], "cpu")
    found = [json.loads(line)["translations"][0] for line in nmt("--format", "jsonl", models=2)[0]]
    for entry, (best, *_) in zip(found, together.translate(LINES), strict=True):
        assert entry["text"] == best.text
        assert entry["log_prob"] == pytest.approx(best.log_prob, abs=1e-5)


def test_any_field_of_the_search_can_be_changed(nmt: Command) -> None:
    fields = ["search.block_ngrams=1", "search.beam_size=2"]
    found, _ = nmt(*fields, "--scores", "search.coverage_penalty=0.5")
    expected = translator(block_ngrams=1, beam_size=2, coverage_penalty=0.5).translate(LINES)
    assert [line.partition("\t")[2] for line in found] == [best.text for best, *_ in expected]
    assert nmt("search.block_ngrams=0", "search.alignment=inputs")[1] == (
        "nmt: search.block_ngrams: expected at least 1, found the number 0\n"
        "nmt: search.alignment: inputs is not one of predicted, input; did you mean input?\n"
    )
    assert nmt("search.block_ngram=1")[1] == (
        "nmt: command line: search.block_ngram=1: search.block_ngram: unknown key; did you mean search.block_ngrams?\n"
    )
    assert nmt("search.foo=1")[1] == "nmt: command line: search.foo=1: search.foo: unknown key\n"
    assert nmt("--beam", "4", "search.beam_size=3")[1] == (
        "nmt: --beam and search.beam_size=3 say the same; give one of them\n"
    )
    assert nmt("model.layers=2")[1] == "nmt: command line: model.layers=2: only fields of search can be changed here\n"
