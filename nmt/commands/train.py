"""`nmt train`."""

import argparse
from pathlib import Path
from typing import Any

from nmt.commands.arguments import add_overrides


def add_train(commands: Any) -> None:
    """Adds `nmt train` to the commands."""
    command = commands.add_parser(
        "train",
        help="train a model from a recipe, and test it",
        description="Trains a model from a recipe, and tests it. The run's folder holds all that comes of it.",
    )
    command.add_argument("recipe", metavar="RECIPE", help="a YAML file, such as recipes/de-en.yaml")
    add_overrides(command)
    command.add_argument("--run", metavar="DIR", type=Path, help="the run's folder (runs/<recipe>/<time>)")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    command.set_defaults(run_command=_train)


def _train(options: argparse.Namespace) -> None:
    from nmt.recipe_file import load_recipe

    load_recipe(options.recipe, options.overrides)  # a mistake is answered before anything heavy is imported
    from nmt.training.run import train

    train(options.recipe, options.overrides, options.run, options.resume)
