"""`./run.sh restore`: photos and folders in, a results folder with its report out."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpen_webui.cli.machine_options import add_log_options, add_machine_options, add_time_limit
from gpen_webui.cli.option_arguments import add_option_arguments
from gpen_webui.heap import without_collection


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `restore` and its options to the command line."""
    parser = commands.add_parser(
        "restore",
        help="restore photos and folders without a browser",
        description="Restore the faces in photos. Folders are walked with all that is in them; "
        "originals are never changed and nothing is ever overwritten.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a photo or a folder")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="results folder (a new one in outputs/)"
    )
    files = add_how_to_restore(parser)
    files.add_argument(
        "--skip-existing", action="store_true", help="go on with -o DIR where a run was stopped"
    )
    parser.set_defaults(run=run)


def add_how_to_restore(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add what says how photos are restored; the group of options about results."""
    parser.add_argument("--model", metavar="NAME|FILE", help="the model to restore with")
    add_option_arguments(parser)
    files = parser.add_argument_group("results")
    files.add_argument("--save-faces", action="store_true", help="also save each face by itself")
    files.add_argument("--compare", action="store_true", help="also save before and after in one")
    machine = parser.add_argument_group("machine")
    add_machine_options(machine)
    add_time_limit(machine)
    add_log_options(machine)
    machine.add_argument("--json", action="store_true", help="print one JSON object per photo")
    return files


def run(arguments: argparse.Namespace) -> int:
    """Restore everything that the arguments name; return the process's exit code.

    Raises UserError for what makes the whole run impossible.
    """
    with without_collection():
        from gpen_webui.cli.restore_plan import plan_restore

        plan = plan_restore(arguments)
        from gpen_webui.cli.restore_run import restore  # while the networks open

    return restore(plan)
