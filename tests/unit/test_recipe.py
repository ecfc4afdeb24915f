"""Reading recipes: defaults, overrides, specifications, and a line for every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import UserError
from nmt.recipe.attention import AdditiveAttention, DotAttention, GeneralAttention
from nmt.recipe.evaluation import SummarizationEvaluation, TranslationEvaluation
from nmt.recipe.recipe import Recipe
from nmt.recipe.schedule import PlateauSchedule
from nmt.recipe.tokenizer import TokenizerOptions
from nmt.recipe_file import dump_recipe, load_recipe, recipe_schema

SOUND = "data: {path: corpus, source: de, target: en}\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str, name: str = "my.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(UserError) as error:
        load_recipe(path, overrides)
    return [line.removeprefix(str(path.parent) + "/") for line in str(error.value).split("\n")]


def test_a_recipe_states_only_what_differs(write: Any) -> None:
    loaded = load_recipe(write(SOUND + "model: {hidden_size: 128}\n"))
    assert loaded.name == "my"
    assert loaded.tokenizers is None
    assert loaded.recipe.model.hidden_size == 128
    assert loaded.recipe.model.attention == GeneralAttention()
    assert loaded.recipe == Recipe.model_validate(
        {"data": {"path": "corpus", "source": "de", "target": "en"}, "model": {"hidden_size": 128}}
    )


def test_a_recipe_that_was_written_out_is_read_back(write: Any) -> None:
    recipe = load_recipe(
        write(SOUND), ["model.attention={type: additive, size: 7}", "data.path=[a b.de, 'c: d.en']", "data.test=null"]
    ).recipe
    assert load_recipe(write(dump_recipe(recipe), "again.yaml")).recipe == recipe


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("modle: {layers: 1}", "my.yaml:2: modle: unknown key; did you mean model?"),
        ("model: {hiden_size: 1}", "my.yaml:2: model.hiden_size: unknown key; did you mean model.hidden_size?"),
        ("training: {hidden_size: 1}", "my.yaml:2: training.hidden_size: unknown key; did you mean model.hidden_size?"),
        ("trainer: {zzz: 1}", "my.yaml:2: trainer.zzz: unknown key"),
        ("model: {layers: two}", "my.yaml:2: model.layers: expected a whole number, found the text 'two'"),
        ("model: {layers: true}", "my.yaml:2: model.layers: expected a whole number, found true"),
        ("model: {layers: 1.5}", "my.yaml:2: model.layers: expected a whole number, found the number 1.5"),
        ("model: {layers: null}", "my.yaml:2: model.layers: expected a whole number, found nothing"),
        ("model: {layers: 0}", "my.yaml:2: model.layers: expected at least 1, found the number 0"),
        ("model: {dropout: 1.0}", "my.yaml:2: model.dropout: expected less than 1.0, found the number 1.0"),
        ("model: {dropout: .nan}", "my.yaml:2: model.dropout: "),
        (
            "training: {learning_rate: 0}",
            "my.yaml:2: training.learning_rate: expected more than 0.0, found the number 0",
        ),
        ("training: {learning_rate: .inf}", "my.yaml:2: training.learning_rate: expected a finite number, found"),
        ("model: {tie_output: 1}", "my.yaml:2: model.tie_output: expected true or false, found the number 1"),
        (
            "model: {input_feeding: true}",
            "my.yaml:2: model.input_feeding: unknown key; did you mean model.decoder.input_feeding?",
        ),
        ("model: 3", "my.yaml:2: model: expected a group of keys, found the number 3"),
        ("model: [1]", "my.yaml:2: model: expected a group of keys, found a list"),
        (
            "model: {init: {type: xavir}}",
            "my.yaml:2: model.init.type: xavir is not one of uniform, xavier, bahdanau; did you mean xavier?",
        ),
        (
            "model: {attention: {type: generl}}",
            "my.yaml:2: model.attention.type: generl is not one of none, summary, additive, ",
        ),
        (
            "model: {decoder: {input_feeding: false}}",
            "my.yaml:2: model.decoder: the key `type` is missing; give one of luong, bahdanau, conditional, gnmt",
        ),
        (
            "model: {attention: general}",
            "my.yaml:2: model.attention: expected {type: general}, found the text 'general'",
        ),
        ("model: {cell: gru}", "my.yaml:2: model.cell: expected {type: gru}, found the text 'gru'"),
        (
            "model: {cell: {type: gru, forget_bias: 1.0}}",
            "my.yaml:2: model.cell.forget_bias: unknown key beside this type",
        ),
        (
            "model: {attention: generl}",
            "my.yaml:2: model.attention: generl is not one of none, summary, additive, concat, normed_additive, ",
        ),
        (
            "model: {attention: {type: dot, window: predictive}}",
            "my.yaml:2: model.attention.window: expected {type: predictive}, found the text 'predictive'",
        ),
        (
            "model: {attention: {type: concat, window: {type: predictive, width: 0}}}",
            "my.yaml:2: model.attention.window.width: expected at least 1, found the number 0",
        ),
        ("model: {attention: {type: dot, size: 3}}", "my.yaml:2: model.attention.size: unknown key"),
        ("trainer: {devices: 1.5}", "my.yaml:2: trainer.devices: expected a whole number or auto or a list, found the"),
        ("trainer: {devices: 0}", "my.yaml:2: trainer.devices: "),
        (
            "trainer: {max_time: 3 hours}",
            "my.yaml:2: trainer.max_time: expected days, hours, minutes and seconds as in",
        ),
        ("trainer: {max_epochs: null}", "my.yaml:2: trainer.max_epochs: give it or max_steps; max_time alone"),
        (
            "trainer: {val_check_interval: 3, accumulate_grad_batches: 2}",
            "my.yaml:2: trainer.val_check_interval: must be a multiple of accumulate_grad_batches",
        ),
        ("model: {hidden_size: 5}", "my.yaml:2: model.hidden_size: must be even for a bidirectional encoder"),
        (
            "model: {attention: {type: dot}, encoder: {hidden_size: 5}}",
            "my.yaml:2: model.attention.type: dot needs encoder states as wide as hidden_size (512), but they have 10",
        ),
        (
            "model: {bridge: copy, layers: 2}",
            "my.yaml:2: model.bridge: copy needs an encoder with the decoder's layers",
        ),
        (
            "trainer: {accumulate_grad_batches: 2, val_check_interval: 0.5}",
            "my.yaml:2: trainer.val_check_interval: must be a multiple of accumulate_grad_batches",
        ),
        (
            "trainer: {accumulate_grad_batches: 2, val_check_interval: 4, check_val_every_n_epoch: null}",
            "my.yaml:2: trainer.check_val_every_n_epoch: null cannot be had with accumulate_grad_batches",
        ),
        (
            "training: {label_smoothing: 0.1, objective: {type: minimum_risk}}",
            "my.yaml:2: training.label_smoothing: has no part in objective minimum_risk; set it to 0.0",
        ),
        (
            "training: {coverage_loss: 1.0, objective: {type: minimum_risk}}",
            "my.yaml:2: training.coverage_loss: has no part in objective minimum_risk; set it to 0.0",
        ),
        (
            "{model: {attention: {type: none}}, training: {coverage_loss: 1.0}}",
            "my.yaml:1: training.coverage_loss: needs an attention; model.attention is none",
        ),
        (
            "{training: {phases: [{epochs: 3}, {epochs: 7}]}}",
            "my.yaml:1: training.phases: they take 10 epochs; trainer.max_epochs (10) must be more",
        ),
        (
            "{model: {pointer: true}, training: {phases: [{epochs: 1, coverage: false}]}}",
            "my.yaml:1: training.phases: coverage: false needs model.attention.coverage or training.coverage_loss",
        ),
        (
            "training: {phases: [{epochs: 1}, {epochs: 1, cut_target: 101}]}",
            "my.yaml:2: training.phases: cut_target must be at most 100, to which the data are cut",
        ),
        ("training: {phases: [{cut_source: 5}]}", "my.yaml:2: training.phases.0.epochs: this key is missing"),
        ("training: {phases: [{epochs: 1, cut: 5}]}", "my.yaml:2: training.phases.0.cut: unknown key"),
        (
            "{training: {shuffle: once}, trainer: {limit_train_batches: 5}}",
            "my.yaml:1: trainer.limit_train_batches: needs training.shuffle: epoch",
        ),
        ("tokenizer: {protected: '#'}", "my.yaml:2: tokenizer.protected: needs moses: true"),
        (
            "tokenizer: {moses: true, protected: '#('}",
            "my.yaml:2: tokenizer.protected: is no regular expression: missing ), unterminated subpattern",
        ),
        ("tokenizer: {moses: true, protected: 'a*'}", "my.yaml:2: tokenizer.protected: finds what is empty, too"),
        ("tokenizer: {line_separator: <s>}", "my.yaml:2: tokenizer.line_separator: must be none of the special pieces"),
        (
            "{model: {pointer: true}, training: {label_smoothing: 0.1}}",
            "my.yaml:1: training.label_smoothing: must be 0 with model.pointer: true",
        ),
        (
            "{model: {pointer: true}, tokenizer: {joint: false}}",
            "my.yaml:1: model.pointer: needs tokenizer.joint: true",
        ),
        ("training: {seed: 9999999999999999999}", "my.yaml:2: training.seed: expected less than 9223372036854775808"),
        (
            "{model: {share_embeddings: true}, tokenizer: {joint: false}}",
            "my.yaml:1: model.share_embeddings: needs tokenizer.joint: true",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_key_and_remedy(write: Any, line: str, mistake: str) -> None:
    text = SOUND + line + "\n" if not line.startswith("{") else "{" + SOUND.strip() + ", " + line[1:] + "\n"
    (found,) = mistakes(write(text))
    assert found.startswith(mistake)


@pytest.mark.parametrize("path", ["3", "[a]", "[a, b, c]", "{a: b}"])
def test_a_data_path_of_the_wrong_kind_is_one_line(write: Any, path: str) -> None:
    (found,) = mistakes(write("data: {source: de, target: en}\n"), f"data.path={path}")
    assert found.startswith(f"command line: data.path={path}: data.path")


def test_what_is_no_yaml_is_one_line(write: Any) -> None:
    (found,) = mistakes(write("data:\n  path: [a, b\n"))
    assert "not valid YAML" in found


def test_a_key_of_another_type_says_so(write: Any) -> None:
    assert mistakes(write(SOUND + "training: {schedule: {type: plateau, warmup_steps: 10}}\n")) == [
        "my.yaml:2: training.schedule.warmup_steps: unknown key beside this type"
    ]


def test_what_is_missing_is_named(write: Any) -> None:
    assert mistakes(write("model: {layers: 1}\n")) == ["my.yaml:1: data: this key is missing"]
    assert mistakes(write("data: {source: de}\n")) == ["my.yaml:1: data.path: this key is missing"]
    assert mistakes(write("")) == [f"{'my.yaml'}: data: this key is missing"]


def test_all_mistakes_are_told_at_once_from_every_origin(write: Any) -> None:
    write("type: unigrm\nvocab_size: 5\njoint: no\n", "pieces.yaml")
    path = write("data: {path: corpus, sorce: de, target: en}\ntokenizer: pieces.yaml\nmodel: {layers: 1, layers: 2}\n")
    found = mistakes(path, "training.batch_size=none", "search.beam=4", "modle.layers=2", "junk")
    assert sorted(found) == sorted(
        [
            "my.yaml:1: data.sorce: unknown key; did you mean data.source?",
            "my.yaml:3: model.layers: this key stands twice (also in line 3); remove one",
            "pieces.yaml:1: tokenizer.type: unigrm is not one of unigram, bpe, char, word; did you mean unigram?",
            "pieces.yaml:2: tokenizer.vocab_size: expected at least 8, found the number 5",
            "pieces.yaml:3: tokenizer.joint: YAML 1.1 reads no as true or false, YAML 1.2 as text; "
            "did you mean false or 'no'?",
            "pieces.yaml:3: tokenizer.joint: expected true or false, found the text 'no'",
            "command line: training.batch_size=none: training.batch_size: expected a whole number, "
            "found the text 'none'",
            "command line: search.beam=4: search.beam: unknown key; did you mean search.beam_size?",
            "command line: modle.layers=2: modle: unknown key; did you mean model?",
            "command line: junk: expected key=value, as in model.hidden_size=256",
        ]
    )


def test_what_is_cut_must_not_be_dropped(write: Any) -> None:
    overrides = "data.cut_source=400", "data.cut_target=100"
    (found,) = mistakes(write(SOUND), *overrides)
    assert "data.max_length: must be at least 400, or pairs cut to that" in found
    assert load_recipe(write(SOUND), [*overrides, "data.max_length=400"]).recipe.data.cut_target == 100


def test_what_contradicts_another_section_is_told_beside_other_mistakes(write: Any) -> None:
    write("{type: bpe, joint: false}\n", "pieces.yaml")
    path = write(SOUND + "tokenizer: pieces.yaml\nmodel: {share_embeddings: true}\ntraining: {batch_size: 0}\n")
    assert sorted(mistakes(path, "data.subword_sampling=0.2")) == [
        "command line: data.subword_sampling=0.2: data.subword_sampling: needs tokenizer.type: unigram",
        "my.yaml:3: model.share_embeddings: needs tokenizer.joint: true",
        "my.yaml:4: training.batch_size: expected at least 1, found the number 0",
    ]
    assert mistakes(path, "tokenizer.type=unigrm")[0].startswith("command line: tokenizer.type=unigrm")


def test_all_that_does_not_fit_within_a_section_is_told_with_its_own_place(write: Any) -> None:
    path = write(
        SOUND + "model:\n  layers: 1\n  bridge: zero\n  attention: {type: none}\n  encoder:\n    reverse: true\n"
        "    self_attention: 2\nsearch: {beam_size: 5, diversity_groups: 2}\n"
    )
    assert mistakes(path, "model.decoder={type: gnmt}") == [
        "my.yaml:4: model.bridge: zero with attention none would hide the source from the decoder",
        "my.yaml:7: model.encoder.reverse: is for a unidirectional encoder; a bidirectional one reads both ways",
        "my.yaml:8: model.encoder.self_attention: is for what an attention reads; attention none reads none of it",
        "command line: model.decoder={type: gnmt}: model.decoder.type: gnmt needs an attention; with none the decoder "
        "has no wiring to choose",
        "my.yaml:3: model.layers: must be 2 or more for decoder gnmt",
        "my.yaml:9: search.diversity_groups: must divide beam_size (5)",
    ]


def test_moses_needs_languages(write: Any) -> None:
    path = write("data: {path: corpus, target: translation.en}\n")
    need = "tokenizer.moses and normalize_punctuation need a language such as de, not 'source'"
    for field in ("moses", "normalize_punctuation"):
        assert mistakes(path, f"tokenizer.{field}=true") == [f"my.yaml:1: data.source_language: {need}"]
    both = load_recipe(path, ["tokenizer.moses=true", "data.source_language=ces"]).recipe
    assert both.data.languages == ("ces", "en")
    assert load_recipe(path, ["tokenizer.lowercase=true"]).recipe.data.languages == ("source", "en")
    assert len(mistakes(path, "tokenizer.moses=true", "data.target_language=English")) == 2


def test_tokenized_text_is_not_tokenized_again(write: Any) -> None:
    (found,) = mistakes(write(SOUND + "evaluation: {text: tokenized}\n"))
    assert found == "my.yaml:2: evaluation.text: tokenized needs bleu_tokenize: none"
    assert load_recipe(write(SOUND + "evaluation: {text: tokenized, bleu_tokenize: none}\n"))


def test_what_is_evaluated_is_translations_unless_summaries_are_named(write: Any) -> None:
    for text in ("", "evaluation: {samples: 3}\n", "evaluation: {type: translation}\n"):
        recipe = load_recipe(write(SOUND + text)).recipe
        assert recipe.evaluation == TranslationEvaluation()
        assert recipe.training.monitor == "bleu"
    path = write(SOUND + "evaluation: {type: summarization}\n")
    recipe = load_recipe(path).recipe
    assert recipe.evaluation == SummarizationEvaluation(type="summarization", references="best", samples=3)
    assert (recipe.training.monitor, recipe.training.monitor_mode) == ("rouge", "max")
    assert load_recipe(write(dump_recipe(recipe))).recipe == recipe
    path = write(SOUND + "evaluation: {lowercase: true, samples: 1}\n")
    same = load_recipe(path, ["evaluation.type=translation"]).recipe.evaluation
    assert same == TranslationEvaluation(lowercase=True, samples=1)
    assert load_recipe(path, ["evaluation.type=summarization"]).recipe == recipe
    chosen = load_recipe(path, ["evaluation.type=summarization", "training.monitor=perplexity"]).recipe
    assert chosen.training.monitor == "perplexity"


def test_translations_have_no_rouge_and_summaries_no_bleu(write: Any) -> None:
    of = "{system: s, metric: m, value: 26, source: t"
    path = write(SOUND + "evaluation: {type: summarization, lowercase: true}\n")
    assert mistakes(path) == ["my.yaml:2: evaluation.lowercase: unknown key beside this type"]
    path = write(
        SOUND + f"evaluation: {{type: summarization}}\npublished: [{of}}}, {of}, of: test.beam.rougeL}}]\n"
        "training: {monitor: bleu, objective: {type: minimum_risk}}\n"
    )
    why = "is not measured where evaluation.type is summarization"
    assert mistakes(path) == [
        f"my.yaml:4: training.monitor: bleu {why}",
        "my.yaml:4: training.objective: minimum_risk is a risk in BLEU, which is not measured where evaluation.type is "
        "summarization",
        f"my.yaml:3: published.0.of: test.beam.bleu {why}",
    ]
    path = write(SOUND + f"training: {{monitor: rouge}}\npublished: [{of}}}, {of}, of: test.beam.rougeL}}]\n")
    assert mistakes(path) == [
        "my.yaml:2: training.monitor: rouge is not measured where evaluation.type is translation",
        "my.yaml:3: published.1.of: test.beam.rougeL is not measured where evaluation.type is translation",
    ]
    assert mistakes(path, "evaluation.type=summary", "training.monitor=bleu", "published=[]") == [
        "command line: evaluation.type=summary: evaluation.type: summary is not one of translation, summarization; "
        "did you mean summarization?"
    ]


def test_a_least_frequency_is_of_words(write: Any) -> None:
    (found,) = mistakes(write(SOUND + "tokenizer: {min_frequency: 3}\n"))
    assert found == "my.yaml:2: tokenizer.min_frequency: needs type: word"


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "tokenizers").glob("*.yaml")), ids=str)
def test_every_specification_is_sound(write: Any, path: Path) -> None:
    assert load_recipe(write(SOUND), [f"tokenizer={path}"]).tokenizer_name == path.stem


def test_overrides_change_fields_sections_and_specifications(write: Any) -> None:
    write("type: bpe\nvocab_size: 300\n", "pieces.yaml")
    path = write(SOUND + "tokenizer: pieces.yaml\n")
    loaded = load_recipe(
        path,
        ["tokenizer.vocab_size=400", "training.schedule={type: plateau, patience: 3}", "data.train=train[:10]"],
    )
    assert loaded.recipe.tokenizer.type == "bpe"
    assert loaded.recipe.tokenizer.vocab_size == 400
    assert loaded.recipe.training.schedule == PlateauSchedule(type="plateau", patience=3)
    assert loaded.recipe.data.train == "train[:10]"
    assert (loaded.tokenizers, loaded.tokenizer_name) == (path.parent, "pieces")


@pytest.mark.parametrize("override", ["=3", "model.=3", ".layers=3", "model", "model..layers=2"])
def test_an_override_without_key_or_value_says_how_to_write_one(write: Any, override: str) -> None:
    assert mistakes(write(SOUND), override) == [
        f"command line: {override}: expected key=value, as in model.hidden_size=256"
    ]


def test_a_recipe_states_its_difference_from_another(write: Any) -> None:
    write(
        SOUND + "model: {hidden_size: 64, dropout: 0.5, encoder: {layers: 2}, attention: {type: additive, size: 7}}\n"
        "training: {schedule: {type: linear, warmup_steps: 9}}\ntrainer: {devices: [0, 1]}\n",
        "base.yaml",
    )
    write("extends: base.yaml\nmodel: {dropout: 0.1, encoder: {bidirectional: false}}\n", "middle.yaml")
    path = write(
        "extends: middle.yaml\nmodel: {layers: 2, attention: {size: 8}}\n"
        "training: {schedule: {type: plateau}}\ntrainer: {devices: [3]}\n"
    )
    whole = write(
        SOUND + "model: {hidden_size: 64, dropout: 0.1, layers: 2, encoder: {layers: 2, bidirectional: false}, "
        "attention: {type: additive, size: 8}}\n"
        "training: {schedule: {type: plateau}}\ntrainer: {devices: [3]}\n",
        "whole.yaml",
    )
    loaded = load_recipe(path)
    assert loaded.name == "my"
    assert loaded.recipe == load_recipe(whole).recipe
    assert "extends" not in dump_recipe(loaded.recipe)
    assert load_recipe(path, ["model.attention.size=9", "model.dropout=0.3"]).recipe == (
        load_recipe(whole, ["model.attention.size=9", "model.dropout=0.3"]).recipe
    )


def test_a_group_of_another_type_is_stated_whole(write: Any) -> None:
    write(SOUND + "model: {attention: {type: additive, size: 7}}\n", "base.yaml")
    none = load_recipe(write("extends: base.yaml\nmodel: {attention: {type: none}}\n")).recipe
    assert none.model.attention.type == "none"
    concat = load_recipe(write("extends: base.yaml\nmodel: {attention: {type: concat}}\n")).recipe
    assert concat.model.attention == AdditiveAttention(type="concat")  # with its own default size
    same = load_recipe(write("extends: base.yaml\nmodel: {attention: {type: additive}}\n")).recipe
    assert same.model.attention == AdditiveAttention(type="additive", size=7)


def test_a_variant_of_another_type_does_not_inherit_the_keys_of_the_one_before(write: Any) -> None:
    path = write(SOUND + "model: {attention: {type: additive, size: 7}}\n")
    for overrides in (["type=concat"], ["type=concat", "size=9"], ["size=9", "type=concat"]):
        keys = dict(override.split("=") for override in overrides)
        found = load_recipe(path, [f"model.attention.{override}" for override in overrides]).recipe.model.attention
        assert found == AdditiveAttention(type="concat", size=int(keys.get("size", 256)))
    assert load_recipe(path, ["model.attention={type: dot}"]).recipe.model.attention == DotAttention(type="dot")
    same = load_recipe(path, ["model.attention.type=additive"]).recipe.model.attention
    assert same == AdditiveAttention(type="additive", size=7)
    assert load_recipe(path, ["tokenizer.vocab_size=400", "tokenizer.type=bpe"]).recipe.tokenizer.vocab_size == 400
    assert mistakes(path, "model.attention=dot") == [
        "command line: model.attention=dot: model.attention: expected {type: dot}, found the text 'dot'"
    ]


FIGURE = "{system: s, metric: m, value: 26, source: t, band: [25, 27.5]}"


def test_published_figures_are_a_list_and_each_mistake_has_its_place(write: Any) -> None:
    write(SOUND + f"published:\n  - {FIGURE}\n  - {FIGURE}\n", "base.yaml")
    recipe = load_recipe(write(f"extends: base.yaml\npublished: [{FIGURE}]\n")).recipe
    assert len(recipe.published) == 1  # a list is stated whole
    assert recipe.published[0].band == [25, 27.5]
    assert recipe.published[0].of == "test.beam.bleu"
    assert load_recipe(write(dump_recipe(recipe))).recipe == recipe
    path = write(
        SOUND + f"published:\n  - {FIGURE}\n  - {{system: s, metric: m, source: t, valu: 3}}\n"
        "  - {system: s, metric: m, source: t, value: 1, of: test.beam.blue}\n"
        "  - {system: s, metric: m, source: t, value: 1, band: [2, 1]}\n"
        "  - {system: s, metric: m, source: t, value: 1, band: [1, 2], of: null}\n"
    )
    assert sorted(mistakes(path)) == [
        "my.yaml:4: published.1.valu: unknown key; did you mean published.value?",
        "my.yaml:4: published.1.value: this key is missing",
        "my.yaml:5: published.2.of: test.beam.blue is not one of test.beam.bleu, test.beam.bleu_before_replacement, "
        "test.beam.rouge1, test.beam.rouge2, test.beam.rougeL, test.beam.rougeLsum, test.greedy.bleu, "
        "test.greedy.rouge1, test.greedy.rouge2, test.greedy.rougeL, test.greedy.rougeLsum, test.no_unk.bleu, "
        "test.perplexity, validation.beam.bleu, validation.greedy.bleu, "
        "validation.no_unk.bleu, validation.perplexity; "
        "did you mean test.beam.bleu?",
        "my.yaml:6: published.3.band: must rise, but 2 is above 1",
        "my.yaml:7: published.4.band: needs a figure of ours to be compared with: give `of`",
    ]


def test_a_recipe_lies_anywhere_beside_the_one_it_extends(write: Any, tmp_path: Path) -> None:
    for folder in ("shared", "rows"):
        (tmp_path / folder).mkdir()
    write("type: bpe\nvocab_size: 300\n", "shared/pieces.yaml")
    write("type: char\nvocab_size: 90\n", "rows/letters.yaml")
    write(SOUND + "tokenizer: pieces.yaml\n", "shared/base.yaml")
    plain = load_recipe(write("extends: ../shared/base.yaml\n", "rows/row.yaml"))
    assert (plain.recipe.tokenizer.type, plain.recipe.tokenizer.vocab_size) == ("bpe", 300)
    assert (plain.name, plain.tokenizers, plain.tokenizer_name) == ("row", tmp_path / "shared", "pieces")
    smaller = load_recipe(write("extends: ../shared/base.yaml\ntokenizer: {vocab_size: 200}\n", "rows/row.yaml"))
    assert (smaller.recipe.tokenizer.type, smaller.recipe.tokenizer.vocab_size) == ("bpe", 200)
    assert smaller.tokenizers == tmp_path / "shared"
    other = load_recipe(write("extends: ../shared/base.yaml\ntokenizer: letters.yaml\n", "rows/row.yaml"))
    assert (other.recipe.tokenizer.type, other.recipe.tokenizer.vocab_size) == ("char", 90)
    assert (other.tokenizers, other.tokenizer_name) == (tmp_path / "rows", "letters")
    words = load_recipe(write("extends: ../shared/base.yaml\ntokenizer: {type: word}\n", "rows/row.yaml"))
    assert words.recipe.tokenizer == TokenizerOptions(type="word", vocab_size=300)
    assert words.tokenizers == tmp_path / "shared"
    given = load_recipe(tmp_path / "shared" / "base.yaml", ["tokenizer=../rows/letters.yaml"])
    assert (given.recipe.tokenizer.type, given.tokenizer_name) == ("char", "letters")


def test_a_mistake_is_told_where_it_stands_in_either_file(write: Any) -> None:
    write("data: {path: corpus, source: de}\nmodel:\n  layers: two\n  dropout: 3.0\n  hidden_size: 0\n", "base.yaml")
    path = write("extends: base.yaml\n\nmodel: {dropout: 2.0, zzz: 1}\ntraining: {sede: 1}\n")
    assert sorted(mistakes(path, "model.hidden_size=-1")) == [
        "base.yaml:3: model.layers: expected a whole number, found the text 'two'",
        "command line: model.hidden_size=-1: model.hidden_size: expected at least 1, found the number -1",
        "my.yaml:3: model.dropout: expected less than 1.0, found the number 2.0",
        "my.yaml:3: model.zzz: unknown key",
        "my.yaml:4: training.sede: unknown key; did you mean training.seed?",
    ]
    write(SOUND + "training: {batch_size: on}\n", "base.yaml")
    assert mistakes(write("extends: base.yaml\ntraining: {batch_size: 3}\n")) == [
        "base.yaml:2: training.batch_size: YAML 1.1 reads on as true or false, YAML 1.2 as text; "
        "did you mean true or 'on'?"
    ]


def test_what_cannot_be_extended_is_one_line(write: Any) -> None:
    write(SOUND, "base.yaml")
    (found,) = mistakes(write("extends: bas.yaml\n"))
    assert found.startswith("my.yaml:1: extends: ")
    assert "bas.yaml: No such file or directory; did you mean " in found
    (found,) = mistakes(write("extends: may.yaml\n"))
    assert "my.yaml?" not in found  # the file itself
    assert mistakes(write("extends: [base.yaml]\n")) == [
        "my.yaml:1: extends: expected the path of a recipe, found a list"
    ]
    assert mistakes(write("extend: base.yaml\n" + SOUND)) == ["my.yaml:1: extend: unknown key; did you mean extends?"]
    assert mistakes(write(SOUND), "extends=base.yaml") == [
        "command line: extends=base.yaml: extends stands in a file only; name that recipe instead"
    ]
    write("extends: my.yaml\n", "other.yaml")
    (circle,) = mistakes(write("\nextends: other.yaml\n"))
    assert circle.startswith("other.yaml:1: extends: a recipe cannot extend itself: ")
    assert circle.count("my.yaml") == 2


def test_files_that_cannot_be_read(write: Any, tmp_path: Path) -> None:
    write(SOUND, "recipe.yaml")
    assert mistakes(tmp_path / "recipy.yaml")[0].startswith("recipy.yaml: No such file or directory; did you mean ")
    (tmp_path / "latin.yaml").write_bytes("data: ä".encode("latin-1"))
    assert mistakes(tmp_path / "latin.yaml") == ["latin.yaml: not UTF-8 text (byte 6)"]
    assert mistakes(write("- a\n- b\n")) == ["my.yaml:1: expected `key: value` lines, found a list"]
    (found,) = mistakes(write(SOUND + "tokenizer: nowhere.yaml\n"))
    assert found.startswith("my.yaml:2: tokenizer: ")
    assert "nowhere.yaml: No such file or directory" in found


def test_the_schema_describes_every_field_and_allows_nothing_else() -> None:
    schema = json.loads(recipe_schema())
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == {"extends", *Recipe.model_fields}
    assert "required" not in schema  # what a recipe leaves out may stand in the one it extends
    assert {"type": "string"} in schema["properties"]["tokenizer"]["anyOf"]
    for name, definition in schema["$defs"].items():
        assert definition["additionalProperties"] is False, name
    assert "description" in schema["$defs"]["ModelOptions"]["properties"]["dropout"]


def test_every_recipe_of_the_repository_is_sound() -> None:
    root = Path(__file__).parents[2]
    recipes = sorted((root / "recipes").rglob("*.yaml"))
    assert {"de-en.yaml", "en-de.yaml", "numbers-de-en.yaml"} <= {path.name for path in recipes}
    for path in recipes:
        loaded = load_recipe(path)
        assert loaded.tokenizers in (None, root / "tokenizers")
        assert loaded.recipe.search.alignment == "predicted", path  # what our models learn: test_align.py
