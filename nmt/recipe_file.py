"""Reads recipes strictly: every mistake at once, one line each, with file, line, key and what was probably meant."""

import contextlib
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from nmt.errors import UserError, did_you_mean
from nmt.recipe.recipe import Recipe, complete, contradictions
from nmt.recipe.section import Contradictions
from nmt.strict_yaml import KeyPath, dump, parse

_WANTED = {  # pydantic's kinds of mistakes in the words of a YAML file
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "days, hours, minutes and seconds as in '00:12:00:00'",
}


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and what is known only from its file.

    Attributes:
        recipe: the validated recipe.
        name: the file's name without its ending.
        tokenizers: the folder in which models of its tokenizer specification are kept and shared, or None if the
            recipe spells the specification out itself.
        tokenizer_name: name of the specification in that folder.
    """

    recipe: Recipe
    name: str
    tokenizers: Path | None
    tokenizer_name: str


@dataclass(frozen=True)
class _File:
    """A file as it was read.

    Attributes:
        path: where it lies.
        data: what it says.
        places: file and line of each of its keys.
    """

    path: Path
    data: dict[str, Any]
    places: dict[KeyPath, str]


@dataclass
class _Draft:
    """The recipe while it is put together.

    Attributes:
        data: what the files and overrides say.
        places: where each key stands.
        problems: a line for each mistake so far.
        specification: the file from which the tokenizer's specification was read, if it was.
    """

    data: dict[str, Any]
    places: dict[KeyPath, str]
    problems: list[str]
    specification: Path | None = None

    def place(self, path: KeyPath) -> str:
        """Where the key stands, or if it is missing the nearest one around it."""
        return _nearest(self.places, path)

    def put(self, path: KeyPath, value: object) -> None:
        """Sets a key within groups that are there, and forgets what stood there before."""
        group = self.data
        for part in path[:-1]:
            group = group[str(part)]
        group[str(path[-1])] = value
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]
        if path == ("tokenizer",):
            self.specification = None


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads, completes and validates a recipe.

    Args:
        path: the YAML file; `extends` in it names another, of which it states the difference.
        overrides: `key=value` with dotted keys; values are read as YAML. They come last, as one more difference.

    Raises:
        UserError: with one line for every mistake in the files, the tokenizer specification and the overrides.
    """
    path = Path(path)
    draft = _Draft({}, {(): str(path)}, [])
    specifying = [override for override in overrides if override.startswith("tokenizer=")]
    for file in reversed(_read_lineage(draft, path)):
        _merge(draft, file.data)
        draft.places.update(file.places)
        if not specifying:  # else what the file says is not wanted, and need not exist
            _read_specification(draft, file.path.parent)
    for override in specifying:
        _apply_override(draft, override)
    _read_specification(draft, path.parent)
    given = _Draft({}, {}, draft.problems)
    for override in overrides:
        if override not in specifying:
            _apply_override(given, override)
    _merge(draft, given.data)
    draft.places.update(given.places)
    recipe, specification = _validate(draft), draft.specification
    if specification is None:
        return LoadedRecipe(recipe, path.stem, None, path.stem)
    return LoadedRecipe(recipe, path.stem, specification.parent, specification.stem)


def read_overrides(overrides: Sequence[str], section: str) -> dict[str, Any]:
    """What overrides, `section.key=value`, say of one section; the values are not validated.

    Raises:
        UserError: with one line for each that is none.
    """
    draft = _Draft({}, {(): "command line"}, [])
    keys = list(_all_keys(Recipe))
    for override in overrides:
        key = override.partition("=")[0]
        if not key.startswith(f"{section}."):
            draft.problems.append(f"command line: {override}: only fields of {section} can be changed here")
        elif key not in keys:
            path = tuple(key.split("."))
            suggested = _suggest_key(path, [known for known in keys if known.startswith(f"{section}.")])
            draft.problems.append(_line(f"command line: {override}", path, f"unknown key{suggested}"))
        else:
            _apply_override(draft, override)
    if draft.problems:
        raise UserError("\n".join(draft.problems))
    return dict(draft.data.get(section, {}))


def explain(error: ValidationError, section: str) -> str:
    """What is wrong with fields of a section that no file holds: a line for each, in the words of `load_recipe`."""
    return "\n".join(f"{'.'.join(map(str, path))}: {message}" for path, message in _explain(error, (section,)))


def dump_recipe(recipe: Recipe) -> str:
    """The whole recipe, defaults included, as YAML that `load_recipe` reads back."""
    return dump(recipe.model_dump())


def recipe_schema() -> str:
    """The JSON schema of a recipe file, for editors."""
    schema = Recipe.model_json_schema()
    tokenizer = schema["properties"]["tokenizer"]
    tokenizer["anyOf"] = [{"$ref": tokenizer.pop("$ref")}, {"type": "string"}]  # or the path of a specification
    extends = {"type": "string", "description": "The recipe, relative to this file, of which it is a difference."}
    schema["properties"] = {"extends": extends, **schema["properties"]}
    for stated_below in (schema, schema["$defs"]["DataOptions"]):  # what is required may stand in the other recipe
        del stated_below["required"]
    return json.dumps(schema, indent=2)


def _read_lineage(draft: _Draft, path: Path) -> list[_File]:
    """The recipe's file, the one that it extends, the one that this extends, and so on."""
    files = [_read(draft, path)]
    while "extends" in files[-1].data:
        file = files[-1]
        place = f"{file.places[('extends',)]}: extends"
        base = file.data.pop("extends")
        if not isinstance(base, str):
            raise UserError(f"{place}: expected the path of a recipe, found {_kind(base)}")
        base_path = Path(os.path.normpath(file.path.parent / base))
        if base_path.resolve() in [known.path.resolve() for known in files]:
            circle = ", which extends ".join(str(known) for known in [*(known.path for known in files), base_path])
            raise UserError(f"{place}: a recipe cannot extend itself: {circle}; remove one of these lines")
        files.append(_read(draft, base_path, f"{place}: "))
    return files


def _read_specification(draft: _Draft, folder: Path) -> None:
    """Puts a tokenizer specification in the place of its path, if the tokenizer is one; it is relative to `folder`."""
    named = draft.data.get("tokenizer")
    if not isinstance(named, str):
        return
    path = Path(os.path.normpath(folder / named))
    place = f"{draft.place(('tokenizer',))}: tokenizer: "
    draft.data["tokenizer"] = {}
    try:
        file = _read(draft, path, place, ("tokenizer",))
    except UserError as error:
        draft.problems.append(str(error))
    else:
        draft.data["tokenizer"] = file.data
        draft.places.update(file.places)
    draft.specification = path


def _read(draft: _Draft, path: Path, named_at: str = "", prefix: KeyPath = ()) -> _File:
    """Parses a file; its mistakes go to the draft.

    Args:
        draft: the recipe it is for.
        path: the file.
        named_at: what a message that it cannot be read begins with, if another file names it.
        prefix: where in a recipe its keys belong.

    Raises:
        UserError: if it holds no groups of keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        known = [str(found) for found in sorted(path.parent.glob("*.yaml")) if not named_at.startswith(f"{found}:")]
        raise UserError(f"{named_at}{path}: {error.strerror}{did_you_mean(str(path), known)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    document = parse(text)
    places = {prefix: str(path)} | {prefix + key: f"{path}:{line}" for key, line in document.lines.items()}
    problems = [_line(_nearest(places, prefix + where), prefix + where, what) for where, what in document.problems]
    if document.data is None:  # no YAML: what a recipe lacks is not to be told of it
        raise UserError("\n".join(problems))
    draft.problems += problems
    if not isinstance(document.data, dict):
        raise UserError(f"{path}:1: expected `key: value` lines, found {_kind(document.data)}")
    return _File(path, document.data, places)


def _merge(draft: _Draft, difference: dict[str, Any], at: KeyPath = ()) -> None:
    """Puts what a file says over what its base says: groups key by key, but whole a variant of another type."""
    base = draft.data
    for part in at:
        base = base[str(part)]
    for key, value in difference.items():
        path, before = (*at, key), base.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and not _changes_type(path, before, value):
            _merge(draft, value, path)
        else:
            draft.put(path, value)


def _changes_type(path: KeyPath, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a variant becomes one with other keys; those of a tokenizer, say, mean the same whatever its type."""
    types = _types(path)
    return bool(types) and "type" in now and before.get("type", types[0]) != now["type"]


def _nearest(places: dict[KeyPath, str], path: KeyPath) -> str:
    """The place of a key, or of the nearest group around it that has one."""
    return next(places[path[:size]] for size in range(len(path), -1, -1) if path[:size] in places)


def _apply_override(draft: _Draft, override: str) -> None:
    key, separator, text = override.partition("=")
    place = f"command line: {' '.join(override.split())}"
    if not separator or not all(key.split(".")):
        draft.problems.append(f"{place}: expected key=value, as in model.hidden_size=256")
        return
    path = tuple(key.split("."))
    if path == ("extends",):
        draft.problems.append(f"{place}: extends stands in a file only; name that recipe instead")
        return
    document = parse(text)
    draft.problems += [_line(place, path, message) for _, message in document.problems]
    section = draft.data
    for size, part in enumerate(path[:-1], start=1):
        below = section.get(part)
        if not isinstance(below, dict):
            below = section[part] = {}
            draft.places[path[:size]] = place
        section = below
    draft.put(path, document.data if text.strip() else None)
    draft.places[path] = place


def _validate(draft: _Draft) -> Recipe:
    recipe = None
    try:
        recipe = Recipe.model_validate(draft.data)
    except ValidationError as error:
        draft.problems += [_line(draft.place(path), path, message) for path, message in _explain(error)]
    for path, need in contradictions(_sound_sections(draft.data)):
        draft.problems.append(_line(draft.place(path), path, need))
    if draft.problems or recipe is None:
        raise UserError("\n".join(dict.fromkeys(draft.problems)))
    return recipe


def _sound_sections(data: dict[str, Any]) -> dict[str, Any]:
    """The sections without a mistake of their own."""
    given, sections = complete(data), {}
    for name, info in Recipe.model_fields.items():
        kind: Any = Annotated[info.annotation, info]
        with contextlib.suppress(ValidationError):
            sections[name] = TypeAdapter[Any](kind).validate_python(given.get(name, info.default))
    return sections


def _explain(error: ValidationError, within: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each key that is wrong and a message; pydantic has several where several kinds of value are possible."""
    problems: dict[KeyPath, list[Any]] = {}
    for problem in error.errors():
        problems.setdefault(_key_path((*within, *problem["loc"])), []).append(problem)
    for path, at_key in problems.items():
        match at_key:
            case [{"ctx": {"error": Contradictions(found=found)}}]:
                yield from (((*path, *key.split(".")), need) for key, need in found)
            case [problem]:
                yield _explain_one(problem, path)
            case _:
                wanted = " or ".join(dict.fromkeys(_wanted(problem) for problem in at_key))
                yield path, f"expected {wanted}, found {_kind(at_key[0]['input'])}"


def _explain_one(problem: Any, path: KeyPath) -> tuple[KeyPath, str]:
    """Key, what is wrong, what was meant."""
    given, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            message = f"unknown key{_suggest_key(path, ['extends', *_all_keys(Recipe)])}"
        case "missing":
            message = "this key is missing"
        case "model_attributes_type" if isinstance(given, str) and (types := _types(path)):
            message = (
                f"expected {{type: {given}}}, found the text {given!r}" if given in types else _none_of(given, types)
            )
        case "union_tag_not_found":
            message = f"the key `type` is missing; give one of {', '.join(_types(path))}"
        case "union_tag_invalid":
            path, given = (*path, "type"), context["tag"]
            message = _none_of(str(given), [tag.strip(" '") for tag in context["expected_tags"].split(",")])
        case "literal_error":
            message = _none_of(given, [str(choice) for choice in _choices(context["expected"])])
        case _:
            message = f"expected {_wanted(problem)}, found {_kind(given)}"
    return path, message


def _wanted(problem: Any) -> str:
    """What a value should have been."""
    context = problem.get("ctx", {})
    if problem["type"] == "literal_error":
        return " or ".join(_choices(context["expected"]))
    default = str(problem["msg"]).removeprefix("Input should be ")
    return _WANTED.get(problem["type"], default).format(**context)


def _choices(expected: str) -> list[str]:
    """The words in pydantic's `'a', 'b' or 'c'`."""
    return expected.split("'")[1::2]


def _none_of(given: object, choices: Sequence[str]) -> str:
    found = given if isinstance(given, str) else _kind(given)
    return f"{found} is not one of {', '.join(choices)}{did_you_mean(str(given), choices)}"


def _key_path(location: Iterable[str | int]) -> KeyPath:
    """Pydantic's location without the names it gives to the members of a union, which are no keys of the file."""
    path: list[str | int] = []
    kinds: list[Any] = [Recipe]
    for part in location:
        sections = [kind for kind in kinds if _is_section(kind)]
        chosen = [section for section in sections if len(sections) > 1 and part in _tags(section)]
        if isinstance(part, int):
            path.append(part)
        elif chosen:
            kinds = chosen
        elif len(sections) == 1:
            path.append(part)
            kinds = _kinds(sections[0].model_fields.get(str(part)))
    return tuple(path)


def _suggest_key(path: KeyPath, keys: Sequence[str]) -> str:
    """The same key in another section, else the nearest at the same place, else the nearest anywhere, of all `keys`."""
    *section, wrong = map(str, path)
    namesakes = [key for key in keys if key.rpartition(".")[2] == wrong]
    siblings = {key.rpartition(".")[2]: key for key in keys if key.split(".")[:-1] == section}
    near = [siblings[name] for name in difflib.get_close_matches(wrong, siblings, n=1)]
    far = difflib.get_close_matches(".".join(map(str, path)), keys, n=1, cutoff=0.75)
    if ".".join(map(str, path)) in namesakes:
        return " beside this type"
    best = (namesakes or near or far)[:1]
    return f"; did you mean {best[0]}?" if best else ""


def _all_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of the recipe."""
    for name, info in section.model_fields.items():
        yield prefix + name
        for kind in _kinds(info):
            if _is_section(kind):
                yield from _all_keys(kind, f"{prefix}{name}.")


def _types(path: KeyPath) -> list[str]:
    """What `type` may be in a variant, a group whose type decides what other keys it has; nothing for any other key."""
    kinds: list[Any] = [Recipe]
    for part in path:
        sections = filter(_is_section, kinds)
        kinds = [kind for section in sections for kind in _kinds(section.model_fields.get(str(part)))]
    members = dict.fromkeys(filter(_is_section, kinds))
    return [tag for member in members for tag in _tags(member)] if len(members) > 1 else []


def _kinds(info: FieldInfo | None) -> list[Any]:
    """The types a field may have."""
    return list(_parts(info.annotation)) if info else []


def _parts(annotation: Any) -> Iterator[Any]:
    """A type, and all that it is put together of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tags(section: type[BaseModel]) -> tuple[str, ...]:
    """The names, as its `type`, by which a member of a union is chosen."""
    return get_args(section.model_fields["type"].annotation)


def _line(place: str, path: KeyPath, message: str) -> str:
    key = ".".join(map(str, path))
    line = f"{place}: {key}: {message}" if key else f"{place}: {message}"
    return " ".join(line.split())


def _kind(value: object) -> str:
    """What a value is, in the words of a YAML file."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a group of keys"
        case list():
            return "a list"
        case str():
            return f"the text {value!r}"
        case _:
            return f"the number {value}"
