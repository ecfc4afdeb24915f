"""The command line: one function for each command; heavy imports stand inside them."""

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from nmt.errors import ProcessError, StoppedError, UserError
from nmt.text import discard_output, writing_output

if TYPE_CHECKING:
    from nmt.recipe import DataOptions
    from nmt.translator import Translation, Translator

_BLOCK_LINES = 4096  # lines translated together at the most


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or 2 after a one-line message about what is wrong."""
    for stream in (sys.stdout, sys.stderr):  # text is UTF-8, whatever the terminal says
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    options = _parse(arguments)
    try:
        with _stopping_within_imports():
            options.run_command(options)
    except UserError as error:
        if isinstance(error, ProcessError) or os.environ.get("LOCAL_RANK", "0") == "0":  # one of several says it
            for line in str(error).split("\n"):
                print(f"nmt: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("nmt: stopped", file=sys.stderr)
        return StoppedError.exit_code
    except BrokenPipeError:  # the reader of our output, `head` for example, has seen enough
        discard_output()
    return 0


@contextmanager
def _stopping_within_imports() -> Iterator[None]:
    """Listens for Ctrl-C by `_stop`, unless it is to be ignored, as for a script's command in the background."""
    before = signal.getsignal(signal.SIGINT)
    listens = before is signal.default_int_handler and current_thread() is main_thread()
    if listens:
        signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        if listens:
            signal.signal(signal.SIGINT, before)


def _stop(_: int, frame: FrameType | None) -> None:
    """Ctrl-C is an exception; but an import may swallow it and go on with half a module, so there it is the end."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, b"nmt: stopped\n")
            os._exit(StoppedError.exit_code)
        frame = frame.f_back
    raise KeyboardInterrupt


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; overrides of a recipe may stand before and after the options."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    takes_overrides = hasattr(options, "overrides")
    unknown = [word for word in rest if word.startswith("-") or not takes_overrides]
    if unknown and options.run_command is _translate and not unknown[0].startswith("-"):
        options.error(f"translate reads standard input: nmt translate < {unknown[0]}")
    if unknown:
        options.error(f"unrecognized arguments: {' '.join(unknown)}")
    if takes_overrides:
        options.overrides = [*options.overrides, *rest]
    return options


class _Parser(argparse.ArgumentParser):
    """Argparse with errors on one line, and without abbreviations, which a later option could make ambiguous."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.set_defaults(error=self.error)  # of the command that was given

    def error(self, message: str) -> NoReturn:
        self.exit(UserError.exit_code, f"nmt: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nmt",
        description="Train and run attention-LSTM sequence-to-sequence models.",
        epilog="Start with: nmt train recipes/numbers-de-en.yaml, then: nmt translate < input.txt",
    )
    parser.add_argument("--version", action="version", version=f"nmt {version('nmt')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_train(commands)
    _add_translate(commands)
    _add_evaluate(commands)
    _add_score(commands)
    _add_export(commands)
    _add_recipe(commands)
    return parser


def _add_train(commands: Any) -> None:
    command = commands.add_parser(
        "train",
        help="train a model from a recipe, and test it",
        description="Trains a model from a recipe, and tests it. The run's folder holds all that comes of it.",
    )
    command.add_argument("recipe", metavar="RECIPE", help="a YAML file, such as recipes/de-en.yaml")
    _add_overrides(command)
    command.add_argument("--run", metavar="DIR", type=Path, help="the run's folder (runs/<recipe>/<time>)")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    command.set_defaults(run_command=_train)


def _add_translate(commands: Any) -> None:
    command = commands.add_parser(
        "translate",
        help="translate standard input, line by line",
        description="Translates standard input to standard output: n lines in, n lines out; a blank line stays blank. "
        f"What arrives together is translated together, up to {_BLOCK_LINES:,} lines, and then written.",
    )
    _add_model(command)
    _add_search(command)
    command.add_argument("--n-best", type=_positive, default=1, metavar="N", help="this many translations of each line")
    command.add_argument("--scores", action="store_true", help="write score and tab before each translation")
    command.add_argument("--format", choices=("text", "jsonl"), default="text", help="what to write")
    command.add_argument("--alignments", action="store_true", help="with jsonl: the attention of each translation")
    command.set_defaults(run_command=_translate)


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate",
        help="score a model on a test set",
        description="Translates a set greedily and with a beam, and scores it with sacreBLEU.",
    )
    _add_model(command)
    _add_search(command)
    command.add_argument(
        "--split", metavar="SPLIT", help="a split of the model's own dataset (the recipe's test split)"
    )
    command.add_argument("--source", metavar="FILE", type=Path, help="a text file to translate")
    command.add_argument("--reference", metavar="FILE", type=Path, help="its translation, line by line")
    command.add_argument(
        "--data", metavar="PATH", nargs="+", help="where the dataset lies, if no longer at data.path; two text files"
    )
    command.add_argument("--output", metavar="FILE", type=Path, help="write the beam's translations there")
    command.add_argument("--json", action="store_true", help="print the scores as JSON")
    command.set_defaults(run_command=_evaluate)


def _add_score(commands: Any) -> None:
    command = commands.add_parser(
        "score",
        help="log-probability and perplexity of given translations",
        description="Writes the log-probability (natural) of each given translation, and the perplexity to stderr.",
    )
    _add_model(command)
    command.add_argument("--source", metavar="FILE", type=Path, required=True, help="a text file")
    command.add_argument("--target", metavar="FILE", type=Path, required=True, help="its translation")
    command.set_defaults(run_command=_score)


def _add_export(commands: Any) -> None:
    command = commands.add_parser(
        "export",
        help="make a model smaller and faster for translating on a CPU",
        description="Writes a bundle with weights of 8 bits and a lexical shortlist learned from the training text, "
        "and evaluates it beside the model it is made of.",
    )
    command.add_argument("folder", metavar="FOLDER", type=Path, help="where the bundle is written")
    command.add_argument(
        "--model", metavar="RUN_OR_BUNDLE", type=Path, help="folder of the model (the newest finished run)"
    )
    command.add_argument(
        "--data", metavar="PATH", nargs="+", help="where the dataset lies, if no longer at data.path; two text files"
    )
    command.add_argument("--weights", choices=("int8", "float32"), default="int8", help="what the weights become")
    command.add_argument(
        "--shortlist",
        type=_whole,
        default=32,
        metavar="N",
        help="candidates for the translation of each source piece (32); 0: the whole vocabulary",
    )
    command.set_defaults(run_command=_export)


def _add_recipe(commands: Any) -> None:
    command = commands.add_parser("recipe", help="show, check or describe recipes")
    actions = command.add_subparsers(metavar="ACTION", required=True, parser_class=_Parser)
    show = actions.add_parser("show", help="print a recipe with all its defaults")
    show.add_argument("recipe", metavar="RECIPE")
    _add_overrides(show)
    show.set_defaults(run_command=_recipe_show)
    check = actions.add_parser("check", help="validate recipes, with overrides if any")
    check.add_argument("recipes", metavar="RECIPE", nargs="+", help="YAML files; KEY=VALUE changes a field of all")
    check.set_defaults(run_command=_recipe_check)
    schema = actions.add_parser("schema", help="print the JSON schema of recipes, for editors")
    schema.set_defaults(run_command=_recipe_schema)


def _add_overrides(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="change a field, as in model.hidden_size=256"
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model", metavar="RUN_OR_BUNDLE", type=Path, help="folder of the model (the newest finished run)"
    )
    command.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto")


def _add_search(command: argparse.ArgumentParser) -> None:
    command.add_argument("--beam", type=_positive, metavar="N", help="hypotheses per line; 1 is greedy (the recipe's)")
    command.add_argument(
        "--length-penalty",
        type=_non_negative,
        metavar="A",
        help="0: none; larger prefers longer translations (the recipe's)",
    )
    command.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="lines translated together: speed and memory, not the result (the recipe's)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)


def _non_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return value


def _train(options: argparse.Namespace) -> None:
    from nmt.recipe_file import load_recipe

    load_recipe(options.recipe, options.overrides)  # a mistake is answered before anything heavy is imported
    from nmt.training.run import train

    train(options.recipe, options.overrides, options.run, options.resume)


def _translate(options: argparse.Namespace) -> None:
    if options.alignments and options.format != "jsonl":
        raise UserError("--alignments needs --format jsonl")
    from nmt.text import read_blocks

    translator = _load(options)
    stdin: Any = sys.stdin and sys.stdin.buffer  # None if it is closed
    blocks = read_blocks(stdin or io.BytesIO(), _BLOCK_LINES, _warn_of_line)
    for line, found in translator.stream(blocks, options.n_best):
        if options.format == "jsonl":
            output = _json_line(translator, line, found, options.alignments)
        else:
            output = _text_lines(found, options.n_best, options.scores)
        _print(output)


def _print(text: str) -> None:
    """Writes to standard output at once; raises as `writing_output`."""
    with writing_output():
        sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


def _warn_of_line(number: int) -> None:
    print(f"nmt: warning: line {number} is not UTF-8; what cannot be read is replaced by U+FFFD", file=sys.stderr)


def _text_lines(found: "Sequence[Translation]", n_best: int, scores: bool) -> str:
    """Exactly `n_best` lines, so that line i belongs to source line i // n_best; empty where there are no more."""
    lines = [f"{best.score:.4f}\t{best.text}" if scores else best.text for best in found]
    return "\n".join(lines + ["-inf\t" if scores else ""] * (n_best - len(lines)))


def _json_line(translator: "Translator", line: str, found: "Sequence[Translation]", alignments: bool) -> str:
    translations = []
    for best in found:
        entry: dict[str, Any] = {
            "text": best.text,
            "score": best.score,
            "log_prob": best.log_prob,
            "tokens": translator.tokenizers.target.pieces(best.ids),
        }
        if alignments:
            alignment = translator.align(line, best) if line.strip() else None
            entry["alignment"] = alignment and {
                "source": alignment.source,
                "target": alignment.target,
                "weights": [[round(weight, 4) for weight in row] for row in alignment.weights.tolist()],
            }
        translations.append(entry)
    return json.dumps({"source": line, "translations": translations}, ensure_ascii=False)


def _evaluate(options: argparse.Namespace) -> None:
    from nmt.text import read_lines, write_text

    if (options.source is None) != (options.reference is None):
        raise UserError("give --source and --reference together")
    if options.source is not None and (options.split or options.data):
        raise UserError("--source and --reference stand for a set of their own; leave out --split and --data")
    if options.output is not None and options.output.exists():
        for given in (options.source, options.reference):
            if given is not None and given.exists() and given.samefile(options.output):
                raise UserError(f"--output {options.output}: this file is to be read; give another one to write")
    from nmt.bundle import find_bundle, load_bundle
    from nmt.evaluation import evaluate_translator
    from nmt.translator import Translator

    bundle = load_bundle(find_bundle(_model(options)))
    recipe = bundle.recipe
    translator = Translator.from_bundle(bundle, options.device, **_search_options(options))
    if options.source is not None:
        title = options.source.name
        _check_equal_length(options.source, options.reference)
        sources, references = list(read_lines(options.source)), list(read_lines(options.reference))
    else:
        from nmt.data.corpus import load_texts

        title = options.split or recipe.data.test
        if title is None:
            raise UserError("the recipe names no test split; give --split, or --source and --reference")
        sources, references = load_texts(_with_path(recipe.data, options.data), title)
    evaluation = evaluate_translator(translator, sources, references, recipe.evaluation)
    if options.output is not None:
        write_text(options.output, "".join(line + "\n" for line in evaluation.beam.lines))
    _print(json.dumps(evaluation.as_dict(), indent=2) if options.json else evaluation.table(title[:11]))


def _score(options: argparse.Namespace) -> None:
    from nmt.evaluation import perplexity
    from nmt.text import read_lines

    _check_equal_length(options.source, options.target)
    translator = _load(options)
    scored = translator.score(list(read_lines(options.source)), list(read_lines(options.target)))
    for log_prob, _ in scored:
        _print(f"{log_prob:.4f}")
    if scored:
        print(f"perplexity {perplexity(scored):.4f} per target piece, {len(scored)} lines", file=sys.stderr)


def _export(options: argparse.Namespace) -> None:
    from nmt.bundle import check_writable, find_bundle, load_bundle

    check_writable(options.folder)
    bundle = load_bundle(find_bundle(_model(options)))
    from nmt.export import export, save_export

    data = _with_path(bundle.recipe.data, options.data)
    exported = export(bundle, data, options.weights == "int8", options.shortlist, _say)
    save_export(exported, options.folder.resolve())
    _print(exported.table())
    _print(f"to translate: nmt translate --model {options.folder} < input.txt")


def _say(text: str) -> None:
    print(f"nmt: {text}", file=sys.stderr)


def _check_equal_length(one: Path, other: Path) -> None:
    from nmt.text import count_lines

    sizes = [count_lines(path) for path in (one, other)]
    if sizes[0] != sizes[1]:
        raise UserError(f"{one} has {sizes[0]} lines, but {other} has {sizes[1]}")


def _recipe_show(options: argparse.Namespace) -> None:
    from nmt.recipe_file import dump_recipe, load_recipe

    _print(dump_recipe(load_recipe(options.recipe, options.overrides).recipe).rstrip("\n"))


def _recipe_check(options: argparse.Namespace) -> None:
    from nmt.recipe_file import load_recipe

    paths = [path for path in options.recipes if "=" not in path]
    overrides = [override for override in options.recipes if "=" in override]
    if not paths:
        raise UserError("name at least one recipe to check")
    problems = []
    for path in paths:
        try:
            load_recipe(path, overrides)
            _print(f"{path}: ok")
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))


def _recipe_schema(_: argparse.Namespace) -> None:
    from nmt.recipe_file import recipe_schema

    _print(recipe_schema())


def _model(options: argparse.Namespace) -> Path:
    from nmt.runs import newest_finished_run

    if options.model is not None:
        return Path(options.model)
    run = newest_finished_run()
    print(f"nmt: using {run}, the newest finished run", file=sys.stderr)
    return run


def _load(options: argparse.Namespace) -> "Translator":
    """The translator of --model, with the search options of the command line."""
    model = _model(options)  # before torch is imported, so that a missing model is answered at once
    from nmt.translator import Translator

    return Translator.load(model, options.device, **_search_options(options))


def _search_options(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the recipe's `search`."""
    arguments = {"beam_size": "beam", "length_penalty": "length_penalty", "batch_size": "batch_size"}
    given = {field: getattr(options, argument, None) for field, argument in arguments.items()}
    return {field: value for field, value in given.items() if value is not None}


def _with_path(data: "DataOptions", path: Sequence[str] | None) -> "DataOptions":
    """The recipe's `data` with another path, or two."""
    from nmt.recipe import DataOptions

    if path is None:
        return data
    if len(path) > 2:
        raise UserError("--data takes one path, or two text files")
    return DataOptions.model_validate({**data.model_dump(), "path": path[0] if len(path) == 1 else list(path)})


if __name__ == "__main__":
    sys.exit(main())
