"""Makes docs/reproduction.md and the figures of docs/summarization.md: result files of finished runs, and the pages.

python -m reproduction train FOLDER [data.path=...] [--source en --target de] [--seed 2]
python -m reproduction collect recipes/multi30k/feed.yaml RUN ... --commit COMMIT
python -m reproduction collect recipes/summarization/samsum.yaml RUN ... --commit COMMIT
python -m reproduction bentrevett recipes/de-en.yaml RUN --commit COMMIT
python -m reproduction page
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import StoppedError, UserError
from nmt.report.collect import read_runs
from nmt.text import write_text
from reproduction import bentrevett
from reproduction.collect import describe, full_name, this_commit, with_sets
from reproduction.files import FOLDER, PROTOCOL, Result, name_of, read_results, write_json
from reproduction.page import page
from reproduction.searches import measure
from reproduction.summaries import PAGE as SUMMARIES_PAGE
from reproduction.summaries import SUMMARIES, by_documents, summarizes, with_measured
from reproduction.training import RECIPES, missing, train_rows

PAGE = FOLDER.with_suffix(".md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says."""
    options = _parser().parse_args(arguments)
    try:
        options.run_command(options)
    except UserError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("stopped")
        return StoppedError.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train", help="train and collect the rows that have no result file yet")
    training.add_argument("folder", type=Path, help="where the runs are to lie")
    training.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="fields of the recipes to change")
    training.add_argument("--source", default="de", help="source language")
    training.add_argument("--target", default="en", help="target language")
    training.add_argument("--seed", type=int, default=1)
    training.set_defaults(run_command=_train)
    collect = commands.add_parser("collect", help="write the result file of each finished run")
    _add_run(collect, "+")
    collect.add_argument("--row", help="what the row is called; the recipe's name")
    collect.add_argument("--set", action="append", default=[], metavar="NAME=FILE", help="of nmt evaluate --json")
    collect.add_argument("--device", default="auto", help="cpu, cuda, ...")
    collect.add_argument("--scores-only", action="store_true", help="no searches by the model, no gradients")
    collect.set_defaults(run_command=_collect)
    protocol = commands.add_parser("bentrevett", help="score a run as bentrevett/pytorch-seq2seq does")
    _add_run(protocol, 1)
    protocol.set_defaults(run_command=_bentrevett)
    commands.add_parser("page", help="write the pages").set_defaults(run_command=_page)
    return parser


def _add_run(command: argparse.ArgumentParser, number: str | int) -> None:
    command.add_argument("recipe", type=Path, help="that was trained")
    command.add_argument("run", type=Path, nargs=number, help="a finished run of it, whatever its direction and seed")
    command.add_argument("--commit", required=True, help="of the code that trained")


def _train(options: argparse.Namespace) -> None:
    commit, direction = this_commit(), (options.source, options.target)
    rows = missing(read_results(), direction, options.seed)
    for row, folder in train_rows(rows, options.folder, direction, options.seed, options.overrides):
        (run,) = read_runs([folder])
        _write(describe(run, RECIPES / f"{row}.yaml", row, commit) | measure(run, "auto", _say))


def _collect(options: argparse.Namespace) -> None:
    for run in read_runs(options.run):
        found = describe(run, options.recipe, options.row or options.recipe.stem, options.commit)
        if summarizes(run):
            if options.set:
                raise UserError(f"--set: {run.folder} is of a summarizer, whose page has one set each")
            _write({**found, **by_documents(run)}, SUMMARIES)
            continue
        measured = {} if options.scores_only else measure(run, options.device, _say)
        _write(with_sets({**found, **measured}, options.set))


def _write(result: Result, folder: Path = FOLDER) -> None:
    path = folder / f"{name_of(result)}.json"
    write_json(path, result)
    _say(f"written: {path}")


def _bentrevett(options: argparse.Namespace) -> None:
    (run,) = read_runs(options.run)
    found = bentrevett.score_run(run, options.recipe, full_name(options.commit))
    write_json(FOLDER / PROTOCOL, found)
    _say(f"BLEU {found['bleu']:.2f}, greedy {found['greedy']:.2f}")


def _page(_options: argparse.Namespace) -> None:
    write_text(PAGE, page())
    write_text(SUMMARIES_PAGE, with_measured(SUMMARIES_PAGE.read_text(encoding="utf-8"), read_results(SUMMARIES)))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
