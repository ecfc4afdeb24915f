"""`nmt report`."""

import argparse
from pathlib import Path
from typing import Any

from nmt.commands.arguments import say, write_line


def add_report(commands: Any) -> None:
    """Adds `nmt report` to the commands."""
    command = commands.add_parser(
        "report",
        help="compare finished runs on one page",
        description="Writes a page (index.html) and its tables as Markdown (report.md): scores beside the published "
        "ones, significance, learning curves, BLEU by length, alignments, gradients, translations.",
    )
    command.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folders of finished runs")
    command.add_argument(
        "--against", metavar="RUN", type=Path, help="the run that the others are tested against (the first)"
    )
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("report"), help="folder to write (report)"
    )
    command.set_defaults(run_command=_report)


def _report(options: argparse.Namespace) -> None:
    from nmt.report.build import write_report

    write_line(str(write_report(options.runs, options.against, options.output, say)))
