"""Reading recipes: defaults, overrides, specifications, and a line for every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.errors import UserError
from nmt.recipe import GeneralAttention, PlateauSchedule, Recipe
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
        ("model: {input_feeding: 1}", "my.yaml:2: model.input_feeding: expected true or false, found the number 1"),
        ("model: 3", "my.yaml:2: model: expected a group of keys, found the number 3"),
        ("model: [1]", "my.yaml:2: model: expected a group of keys, found a list"),
        ("model: {init: xavir}", "my.yaml:2: model.init: xavir is not one of uniform, xavier; did you mean xavier?"),
        (
            "model: {attention: {type: generl}}",
            "my.yaml:2: model.attention.type: generl is not one of none, additive, dot, ",
        ),
        ("model: {attention: {size: 3}}", "my.yaml:2: model.attention: the key `type` is missing"),
        (
            "model: {attention: general}",
            "my.yaml:2: model.attention: expected a group of keys, found the text 'general'",
        ),
        ("model: {attention: {type: dot, size: 3}}", "my.yaml:2: model.attention.size: unknown key"),
        ("trainer: {devices: 1.5}", "my.yaml:2: trainer.devices: expected a whole number or auto or a list, found the"),
        ("trainer: {devices: 0}", "my.yaml:2: trainer.devices: "),
        (
            "trainer: {max_time: 3 hours}",
            "my.yaml:2: trainer.max_time: expected days, hours, minutes and seconds as in",
        ),
        ("trainer: {max_epochs: null}", "my.yaml:2: trainer: give max_epochs or max_steps; max_time alone"),
        (
            "trainer: {val_check_interval: 3, accumulate_grad_batches: 2}",
            "my.yaml:2: trainer: val_check_interval must be a multiple of accumulate_grad_batches",
        ),
        ("model: {hidden_size: 5}", "my.yaml:2: model: hidden_size must be even for a bidirectional encoder"),
        (
            "model: {attention: {type: dot}, encoder: {hidden_size: 5}}",
            "my.yaml:2: model: attention dot needs encoder states as wide as hidden_size (512), but they have 10 units",
        ),
        (
            "model: {bridge: copy, layers: 2}",
            "my.yaml:2: model: bridge copy needs an encoder with the decoder's layers",
        ),
        (
            "trainer: {accumulate_grad_batches: 2, val_check_interval: 0.5}",
            "my.yaml:2: trainer: val_check_interval must be a multiple of accumulate_grad_batches",
        ),
        (
            "trainer: {accumulate_grad_batches: 2, val_check_interval: 4, check_val_every_n_epoch: null}",
            "my.yaml:2: trainer: check_val_every_n_epoch: null cannot be had with accumulate_grad_batches",
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
    path = write(SOUND + "training: {schedule: {type: linear, warmup_steps: 10}}\n")
    assert mistakes(path, "training.schedule.type=plateau") == [
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


def test_what_contradicts_another_section_is_told_beside_other_mistakes(write: Any) -> None:
    write("{type: bpe, joint: false}\n", "pieces.yaml")
    path = write(SOUND + "tokenizer: pieces.yaml\nmodel: {share_embeddings: true}\ntraining: {batch_size: 0}\n")
    assert sorted(mistakes(path, "data.subword_sampling=0.2")) == [
        "command line: data.subword_sampling=0.2: data.subword_sampling: needs tokenizer.type: unigram",
        "my.yaml:3: model.share_embeddings: needs tokenizer.joint: true",
        "my.yaml:4: training.batch_size: expected at least 1, found the number 0",
    ]
    assert mistakes(path, "tokenizer.type=unigrm")[0].startswith("command line: tokenizer.type=unigrm")


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
    assert schema["properties"].keys() == Recipe.model_fields.keys()
    assert {"type": "string"} in schema["properties"]["tokenizer"]["anyOf"]
    for name, definition in schema["$defs"].items():
        assert definition["additionalProperties"] is False, name
    assert "description" in schema["$defs"]["ModelOptions"]["properties"]["dropout"]


def test_every_recipe_of_the_repository_is_sound() -> None:
    root = Path(__file__).parents[2]
    recipes = sorted((root / "recipes").rglob("*.yaml"))
    assert {"de-en.yaml", "en-de.yaml", "numbers-de-en.yaml"} <= {path.name for path in recipes}
    for path in recipes:
        load_recipe(path)
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["tokenizer"].startswith("../tokenizers/")
