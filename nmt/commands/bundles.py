"""`nmt export` and `nmt average`: models made of others."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.commands.arguments import add_trained_model, load_trained, positive, say, whole, write_line
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.bundle import Bundle


def add_export(commands: Any) -> None:
    """Adds `nmt export` to the commands."""
    command = commands.add_parser(
        "export",
        help="make a model smaller and faster for translating on a CPU",
        description="Writes a bundle with weights of 8 bits and a lexical shortlist learned from the training text, "
        "and evaluates it beside the model it is made of.",
    )
    command.add_argument("folder", metavar="FOLDER", type=Path, help="where the bundle is written")
    add_trained_model(command)
    command.add_argument("--weights", choices=("int8", "float32"), default="int8", help="what the weights become")
    command.add_argument(
        "--shortlist",
        type=whole,
        default=32,
        metavar="N",
        help="candidates for the translation of each source piece (32); 0: the whole vocabulary",
    )
    command.set_defaults(run_command=_export)


def _export(options: argparse.Namespace) -> None:
    from nmt.bundle import check_writable

    check_writable(options.folder)
    bundle, data = load_trained(options)
    from nmt.export import export, save_export

    exported = export(bundle, data, options.weights == "int8", options.shortlist, say)
    save_export(exported, options.folder.resolve())
    write_line(exported.table())
    _say_use(exported.bundle, options.folder)


def add_average(commands: Any) -> None:
    """Adds `nmt average` to the commands."""
    command = commands.add_parser(
        "average",
        help="the mean of several models' weights, as a model",
        description="Writes a bundle with the mean of the weights of several models, such as checkpoints of one run.",
    )
    command.add_argument(
        "models", metavar="MODEL", nargs="+", type=Path, help="a checkpoint in a run's folder, a bundle or a run"
    )
    command.add_argument(
        "-o", "--output", metavar="FOLDER", type=Path, required=True, help="where the bundle is written"
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--best", type=positive, metavar="N", help="of one run, the N best checkpoints it has kept")
    which.add_argument("--last", type=positive, metavar="N", help="of one run, the N newest checkpoints it has kept")
    command.set_defaults(run_command=_average)


def _average(options: argparse.Namespace) -> None:
    chosen = options.best or options.last
    if chosen and len(options.models) > 1:
        raise UserError("--best and --last choose among the checkpoints of one run; give its folder alone")
    from nmt.bundle import check_writable

    check_writable(options.output)
    from nmt.average import average, best_checkpoints, last_checkpoints, save_average

    paths = options.models
    if chosen:
        paths = (best_checkpoints if options.best else last_checkpoints)(paths[0], chosen)
    mean = average(paths)
    save_average(mean, options.output.resolve())
    write_line(f"the mean of {', '.join(map(str, paths))}")
    _say_use(mean, options.output)


def _say_use(bundle: "Bundle", folder: Path) -> None:
    command = bundle.recipe.evaluation.command
    write_line(f"to {command}: nmt {command} --model {folder} < input.txt")
