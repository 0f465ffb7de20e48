"""`./run.sh watch`: restores the photos of a folder, and whatever arrives in it later.

Each time something has arrived and stays as it is, it is a run of `restore --skip-existing`: so
it has all of that command's promises, and a stop at any moment loses nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gpen_webui.cli import restore

EVERY = 2.0  # seconds between two looks at the folder
PATIENCE = 30.0  # seconds, for files that keep growing while others wait


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `watch` and its options to the command line."""
    parser = commands.add_parser(
        "watch",
        help="restore what is in a folder, and what arrives in it later",
        description="Restore the photos of a folder, and each that arrives in it later, until "
        "Ctrl-C. What was restored already is not restored again.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where photos arrive")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", required=True, help="results folder"
    )
    restore.add_how_to_restore(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Watch until the user stops it; return the process's exit code.

    Raises UserError for what makes it impossible to go on.
    """
    from gpen_webui.cli.arrivals import Arrivals
    from gpen_webui.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK

    arguments.paths, arguments.skip_existing = [arguments.folder], True
    arrivals = Arrivals(arguments.folder, arguments.output, PATIENCE)
    try:
        while True:
            if arrivals.are_complete() and restore.run(arguments) == EXIT_INTERRUPTED:
                return EXIT_OK
            time.sleep(EVERY)
    except KeyboardInterrupt:
        return EXIT_OK
