"""`nmt recipe`."""

import argparse
from typing import Any

from nmt.commands.arguments import add_overrides, write_line
from nmt.errors import UserError


def add_recipe(commands: Any) -> None:
    """Adds `nmt recipe` to the commands."""
    command = commands.add_parser("recipe", help="show, check or describe recipes")
    actions = command.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print a recipe with all its defaults")
    show.add_argument("recipe", metavar="RECIPE")
    add_overrides(show)
    show.set_defaults(run_command=_recipe_show)
    check = actions.add_parser("check", help="validate recipes, with overrides if any")
    check.add_argument("recipes", metavar="RECIPE", nargs="+", help="YAML files; KEY=VALUE changes a field of all")
    check.set_defaults(run_command=_recipe_check)
    schema = actions.add_parser("schema", help="print the JSON schema of recipes, for editors")
    schema.set_defaults(run_command=_recipe_schema)


def _recipe_show(options: argparse.Namespace) -> None:
    from nmt.recipe_file import dump_recipe, load_recipe

    write_line(dump_recipe(load_recipe(options.recipe, options.overrides).recipe).rstrip("\n"))


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
            write_line(f"{path}: ok")
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))


def _recipe_schema(_: argparse.Namespace) -> None:
    from nmt.recipe_file import recipe_schema

    write_line(recipe_schema())
