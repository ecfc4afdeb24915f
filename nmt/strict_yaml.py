"""YAML without surprises: line numbers, no duplicate keys, no scalar that YAML 1.1 and 1.2 read differently."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

_YAML_1_1: Any = yaml.resolver.Resolver()
_YAML_1_2_CORE = (
    ("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|")),
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    ),
)
_LONGEST_NUMBER = 100  # digits; a longer one is text
_STRING = "tag:yaml.org,2002:str"


@dataclass
class Document:
    """A parsed YAML text: its plain data, the line of every key, and what is wrong with it.

    Attributes:
        data: dicts, lists and scalars.
        lines: the line number (from 1) of each key or list item, by its path.
        problems: pairs of path and message; empty if the text is sound.
    """

    data: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)


def parse(text: str) -> Document:
    """Parses one YAML document, collecting every problem instead of stopping at the first."""
    document = Document()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            _refuse_extras(event, document)
        if document.problems:
            return document
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        document.lines[()] = mark.line + 1 if mark else 1
        document.problems.append(((), f"not valid YAML: {error.problem}"))
        return document
    except yaml.reader.ReaderError as error:
        document.lines[()] = 1
        document.problems.append(((), f"not valid YAML: {error.reason} at position {error.position}"))
        return document
    except RecursionError:
        document.lines[()] = 1
        document.problems.append(((), "not a recipe: it is nested too deeply"))
        return document
    document.data = _build(root, (), document) if root is not None else {}
    return document


def _refuse_extras(event: Any, document: Document) -> None:
    """Anchors, aliases and tags: nobody needs them here, and they can make a small file huge."""
    if getattr(event, "anchor", None) or getattr(event, "tag", None):
        document.lines[()] = event.start_mark.line + 1
        document.problems.append(((), "anchors (&), aliases (*) and tags (!) have no place here"))


def _build(node: yaml.Node, path: KeyPath, document: Document) -> object:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(node, path, document))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, index), document) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node, path, document)


def _entries(node: yaml.MappingNode, path: KeyPath, document: Document) -> Iterator[tuple[str, object]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.lines[path] = line
            document.problems.append((path, "a key must be a word"))
            continue
        key = str(key_node.value)
        if key in seen:
            document.problems.append(((*path, key), f"this key stands twice (also in line {seen[key]}); remove one"))
        seen[key] = line
        document.lines[(*path, key)] = line
        yield key, _build(value_node, (*path, key), document)


def _scalar(node: yaml.ScalarNode, path: KeyPath, document: Document) -> object:
    if node.style is not None:  # quoted or a block: text, whatever it looks like
        return node.value
    old, new = _tag_1_1(node.value), _tag_1_2(node.value)
    octal_in_1_1 = new.endswith(":int") and re.match(r"[-+]?0[0-9]", node.value)
    if old != new or octal_in_1_1:
        document.problems.append((path, _ambiguity(node.value, old, new)))
    return _construct(node.value, new)


def _tag_1_1(text: str) -> str:
    return str(_YAML_1_1.resolve(yaml.ScalarNode, text, (True, False)))


def _tag_1_2(text: str) -> str:
    return next((tag for tag, pattern in _YAML_1_2_CORE if pattern.fullmatch(text)), _STRING)


def _construct(text: str, tag: str) -> object:
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) < _LONGEST_NUMBER:
            return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        case "float":
            return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
        case _:
            return text


def _ambiguity(text: str, old: str, new: str) -> str:
    """Says how the two versions of YAML read `text`, and how to write what was meant."""
    names = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number"}
    old_name, new_name = (names.get(tag.rpartition(":")[2], "a date") for tag in (old, new))
    number = _plain_number(text, old, new)
    meant = [number] if number else [f"'{text}'"]
    if old.endswith(":bool"):
        meant.append("true" if text.lower() in ("yes", "on") else "false")
    return f"YAML 1.1 reads {text} as {old_name}, YAML 1.2 as {new_name}; did you mean {' or '.join(reversed(meant))}?"


def _plain_number(text: str, old: str, new: str) -> str | None:
    """`text` as a number that every YAML reads alike, or None if it is none in either version."""
    if new == "tag:yaml.org,2002:float":
        mantissa, _, exponent = text.lower().partition("e")
        sign = "" if exponent.startswith(("+", "-")) else "+"
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}" if exponent else None
    if new == "tag:yaml.org,2002:int":
        return str(_construct(text, new))
    digits = text.replace("_", "")
    return digits if old == "tag:yaml.org,2002:int" and digits.lstrip("+-").isdigit() else None


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a version of YAML would read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _tag_1_1(text) == _tag_1_2(text) == _STRING
    return dumper.represent_scalar(_STRING, text, style=None if plain else "'")


_Dumper.add_representer(str, _represent_text)


def dump(data: object) -> str:
    """YAML that `parse` reads back as the same data, without a problem."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))
