"""Where text comes from: hub datasets, local folders and files, plain text, the embedded corpus.

Whatever the origin, the result is a memory-mapped `datasets.Dataset` with the columns `source` and `target`, so memory
does not grow with the corpus. Plain text is split at line feeds only.
"""

import csv
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, DatasetDict, Features, ReadInstruction, Value
from datasets.fingerprint import Hasher
from datasets.packaged_modules.csv.csv import CsvConfig

from nmt.data.numbers import number_corpus
from nmt.errors import UserError, did_you_mean
from nmt.recipe.data import DataOptions
from nmt.text import count_lines, read_lines

BUILTIN_NUMBERS = "builtin:numbers"
"""`data.path` of the embedded corpus; its columns are `de` and `en`."""

_BUILDERS = {
    ".jsonl": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")

datasets.disable_progress_bars()  # the training has a console of its own
for _logger in ("datasets.packaged_modules", "huggingface_hub"):  # what is logged there is raised as well
    logging.getLogger(_logger).setLevel(logging.CRITICAL)


def load_split(options: DataOptions, split: str) -> Dataset:
    """Loads one split.

    Args:
        options: the recipe's `data`.
        split: a split expression, as `data.train`: a name, or a part of one, `train[:1000]`.

    Returns:
        A dataset with the columns `source` and `target`, both text; missing text is empty.

    Raises:
        UserError: if path, split or column do not exist, two files differ in their number of lines, or something is
            no text.
    """
    name, part = _split_expression(split)
    options = _at_home(options)
    pair = _text_pair(options)
    if isinstance(options.path, list) or all(Path(path.replace("{split}", name)).is_file() for path in pair):
        source, target = (_file_of_split(path, name) for path in pair)
        return _take(_load_text_pair(source, target), part)
    if options.path == BUILTIN_NUMBERS:
        return _columns(_take(_load_numbers(name), part), options)
    return _columns(_load(options, name, part), options)


def load_texts(options: DataOptions, split: str) -> tuple[list[str], list[str]]:
    """All sources and all targets of a split, one each for every line; raises as `load_split`."""
    dataset = load_split(options, split)
    source, target = (list(iterate_text(dataset, side)) for side in ("source", "target"))
    return source, target


def text_hash(dataset: Dataset, columns: Sequence[str] = ("source", "target")) -> str:
    """A hash of all the text of a split, or of one side of it, in its order."""
    digest = hashlib.sha256()
    for batch in dataset.select_columns(list(columns)).iter(batch_size=1000):
        for side in columns:
            lines = "\n".join(text or "" for text in batch[side])
            digest.update(lines.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def lines_hash(sources: Sequence[str], targets: Sequence[str]) -> str:
    """`text_hash` of a split that consists of these lines."""
    return text_hash(Dataset.from_dict({"source": list(sources), "target": list(targets)}))


def iterate_text(dataset: Dataset, column: str) -> Iterator[str]:
    """The texts of one column, one after another, without holding the column in memory; missing text is empty."""
    for batch in dataset.iter(batch_size=1000):
        yield from (text or "" for text in batch[column])


def _at_home(options: DataOptions) -> DataOptions:
    """With `~` in place of the home directory spelled out; a shell does not do it after `data.path=`."""
    home = os.path.expanduser  # pathlib's changes other paths too
    path = home(options.path) if isinstance(options.path, str) else [home(file) for file in options.path]
    return options.model_copy(update={"path": path})


def _split_expression(split: str) -> tuple[str, str]:
    """Divides `train[:100]` into the name and the part, which may be empty."""
    match = re.fullmatch(r"([^\[\]]+)(\[[^\[\]]*\])?", split)
    if not match:
        raise UserError(f"data: {split!r} is no split; write for example train or train[:1000]")
    return match[1], match[2] or ""


def _take(dataset: Dataset, part: str) -> Dataset:
    if not part:
        return dataset
    try:
        (span,) = ReadInstruction.from_spec(f"all{part}").to_absolute({"all": len(dataset)})
    except (ValueError, AssertionError) as error:
        raise UserError(f"data: {part} is no part of a split of {len(dataset)} rows: {error}") from None
    return dataset.select(range(len(dataset))[span.from_ : span.to] or [])


def _load_numbers(name: str) -> Dataset:
    try:
        return Dataset.from_list(number_corpus(name))
    except ValueError as error:
        raise UserError(f"data.path: {BUILTIN_NUMBERS}: {error}") from None


def _file_of_split(path: str, name: str) -> Path:
    """The file of a split; without `{split}` in its name it has one split, train."""
    if "{split}" not in path and name != "train":
        if not Path(path).exists():
            raise UserError(f"data.path: there is no file {path}")
        raise UserError(
            f"data: the file {path} has one split, train, but not {name}; "
            "take parts of it, train[1000:] and train[:1000], or put {split} into data.path"
        )
    return Path(path.replace("{split}", name))


def _text_pair(options: DataOptions) -> list[str]:
    """Two plain text files: those that are listed, or PATH.SOURCE and PATH.TARGET."""
    if isinstance(options.path, list):
        return options.path
    return [f"{options.path}.{column}" for column in (options.source, options.target)]


def _load_text_pair(source: Path, target: Path) -> Dataset:
    sizes = [count_lines(path) for path in (source, target)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"data.path: {source} has {sizes[0]} lines, but {target} has {sizes[1]}; "
            "line n of one must be the translation of line n of the other"
        )
    return _from_text_files({"source": source, "target": target})


def _from_text_files(columns: dict[str, Path]) -> Dataset:
    """Plain text as a memory-mapped dataset, cached until a file's size or time of change differs."""
    state = {name: (str(path.resolve()), *_size_and_time(path)) for name, path in columns.items()}
    try:
        dataset = Dataset.from_generator(_text_rows, gen_kwargs={"columns": state})
    except datasets.exceptions.DatasetGenerationError as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        files = " and ".join(map(str, columns.values()))
        raise UserError(f"data.path: no text can be read from {files}: {error.__cause__ or error}") from None
    assert isinstance(dataset, Dataset)
    return dataset


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    if not status.st_size:
        raise UserError(f"data.path: {path} is empty")
    return status.st_size, status.st_mtime_ns


def _text_rows(columns: dict[str, tuple[str, int, int]]) -> Iterator[dict[str, str]]:
    for row in zip(*(read_lines(Path(path)) for path, _, _ in columns.values()), strict=True):
        yield dict(zip(columns, row, strict=True))


def _load(options: DataOptions, name: str, part: str) -> Dataset:
    """A hub dataset, or a local folder or file."""
    path = Path(str(options.path).replace("{split}", name))
    if path.is_file():
        return _load_file(options, _file_of_split(str(options.path), name), part)
    if (path / "dataset_dict.json").exists():  # written by DatasetDict.save_to_disk
        saved = DatasetDict.load_from_disk(str(path))
        if name not in saved:
            raise UserError(f"data: {path} has no split {name}, but {', '.join(saved)}")
        return _take(saved[name], part)
    if (path / "state.json").exists():  # written by Dataset.save_to_disk: one split, like a file
        return _take(Dataset.load_from_disk(str(_file_of_split(str(options.path), name))), part)
    if (path / f"{name}.{options.source}").is_file():
        raise UserError(f"data.path: the folder {path} holds text files; write data.path='{path}/{{split}}'")
    if "{" in str(path):
        raise UserError(f"data.path: {options.path}: the only name in braces that is known is {{split}}")
    if not path.exists() and _looks_local(str(options.path)):
        pair = " and ".join(file.replace("{split}", name) for file in _text_pair(options))
        nor_pair = "" if path.suffix else f", and no pair of text files {pair}"
        raise UserError(f"data.path: there is no file or folder {path}{nor_pair}")
    return _call_datasets(options, part, str(path), name, name=options.config)


def _load_file(options: DataOptions, path: Path, part: str) -> Dataset:
    if path.suffix == ".txt":
        return _take(_from_text_files({"text": path}), part)
    suffix = path.with_suffix("").suffix if path.suffix in _COMPRESSED else path.suffix
    if suffix not in _BUILDERS:
        known = ", ".join([*_BUILDERS, ".txt"])
        raise UserError(f"data.path: {path} has none of the known endings {known}")
    _size_and_time(path)  # an empty file is better told here than by a builder
    arguments = {"sep": "\t"} if suffix == ".tsv" else {}
    return _call_datasets(options, part, _BUILDERS[suffix], "train", data_files={"train": str(path)}, **arguments)


def _looks_local(path: str) -> bool:
    return (
        "{split}" in path
        or path.startswith((".", "/"))
        or path.count("/") > 1
        or Path(path).suffix in (*_BUILDERS, ".txt")
    )


def _call_datasets(options: DataOptions, part: str, builder: str, split: str, **arguments: object) -> Dataset:
    try:
        config = datasets.load_dataset_builder(builder, **arguments).config
        if isinstance(config, CsvConfig):
            arguments = {**arguments, **_csv_arguments(options, config)}
        dataset = datasets.load_dataset(builder, split=split + part, **arguments)
    except Exception as error:  # datasets raises many kinds; each is about what the user asked for
        if isinstance(error, datasets.exceptions.DatasetGenerationError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if "data_files" not in arguments and not Path(builder).exists():
            reason += f"; and there is no folder {builder} here"
        raise UserError(f"data.path: datasets cannot load split {split}{part} of {options.path}: {reason}") from None
    assert isinstance(dataset, Dataset)
    return dataset


def _csv_arguments(options: DataOptions, config: CsvConfig) -> dict[str, object]:
    """So that pandas takes text as it is: a number, "null" and "NA", and a quotation mark between tabs."""
    arguments: dict[str, object] = {
        "keep_default_na": False,
        "na_values": [""],
        "converters": {options.source: str, options.target: str},
    }
    return {**arguments, "quoting": csv.QUOTE_NONE} if config.sep == "\t" else arguments


def _columns(dataset: Dataset, options: DataOptions) -> Dataset:
    """Picks source and target, from nested columns too."""
    wanted = {"source": options.source, "target": options.target}
    if any(column not in dataset.column_names for column in wanted.values()):
        dataset = dataset.flatten()
    for side, column in wanted.items():
        if column not in dataset.column_names:
            names = dataset.column_names
            hint = _separator_hint(names) or did_you_mean(column, names)
            raise UserError(f"data.{side}: {options.path} has no column {column}; it has {', '.join(names)}{hint}")
        feature = dataset.features[column]
        kinds = [getattr(each, "dtype", feature) for each in (feature, getattr(feature, "feature", None))]
        if not any(kind in ("string", "large_string", "null") for kind in kinds):
            raise UserError(f"data.{side}: column {column} of {options.path} is not text, but {kinds[0]}")
        _check_utf8(dataset, column, options)
    if options.source == options.target:
        one = dataset.select_columns([options.source])
        dataset = datasets.concatenate_datasets([one.rename_columns({options.source: side}) for side in wanted], axis=1)
    else:
        dataset = dataset.select_columns([options.source, options.target])
        spare = {name: f"nmt.{name}" for name in dataset.column_names}
        dataset = dataset.rename_columns(spare).rename_columns({spare[column]: side for side, column in wanted.items()})
    return _of_lists(dataset) if any(hasattr(dataset.features[side], "feature") for side in wanted) else dataset


def _separator_hint(names: list[str]) -> str:
    """For a table whose whole heading was taken for one column."""
    apart = len(names) == 1 and any(mark in names[0] for mark in ";\t|")
    return "; the columns of a .csv have commas between them, those of a .tsv tabs" if apart else ""


def _of_lists(dataset: Dataset) -> Dataset:
    """With text in the place of lists of texts; see `_text_of`."""
    fingerprint = Hasher.hash((dataset._fingerprint, "lists-1"))
    cache = Path(datasets.config.HF_DATASETS_CACHE) / "nmt"  # never the folder of the data
    cache.mkdir(parents=True, exist_ok=True)
    return dataset.map(
        _text_of,
        batched=True,
        features=Features({side: Value("string") for side in ("source", "target")}),
        cache_file_name=str(cache / f"{fingerprint}.arrow") if dataset.cache_files else None,
        new_fingerprint=fingerprint,
    )


def _text_of(rows: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    """The parts of a source, such as its sentences, one after the other; of several targets a pair with each."""
    parts = ([_parts(text) for text in rows[side]] for side in ("source", "target"))
    pairs = [(" ".join(source), target) for source, targets in zip(*parts, strict=True) for target in targets or [""]]
    return {"source": [source for source, _ in pairs], "target": [target for _, target in pairs]}


def _parts(text: str | list[str | None] | None) -> list[str]:
    """The texts of a list; a text is one by itself, and missing ones are none."""
    return [part for part in (text if isinstance(text, list) else [text]) if part]


def _check_utf8(dataset: Dataset, column: str, options: DataOptions) -> None:
    """The libraries that read JSON and Parquet do not look at the bytes of a text."""
    try:
        dataset.data.column(column).validate(full=True)
    except ValueError:  # pyarrow's ArrowInvalid
        raise UserError(f"data.path: column {column} of {options.path} is not UTF-8 text") from None
