"""The command line: restore, serve, worker, models, bench, train. Thin over the packages below.

No command's libraries are imported before that command runs, so `--help` is immediate.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from gpen_webui.cli.exit_codes import EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_USAGE
from gpen_webui.cli.standard_files import prepare_standard_files
from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND

# In the order of the help; each has a module of its name, with its `add_parser`.
COMMANDS = ("restore", "watch", "serve", "worker", "workers", "models", "bench", "train")
# Ctrl-C ends these by an exception, so that they can tidy up. The others answer it themselves as
# soon as they have begun; before, while libraries load, it ends them at once. An exception there
# would be lost or become an error of the library's own.
TIDYING_COMMANDS = ("models", "bench", "train", "watch")


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the process's exit code. Without a command: serve."""
    prepare_standard_files()
    arguments = list(arguments)
    wants_help = arguments[:1] in (["-h"], ["--help"])
    if not wants_help and (not arguments or arguments[0].startswith("-")):
        arguments.insert(0, "serve")
    try:
        options = build_parser(arguments[0]).parse_args(arguments)
        options.command_line = arguments
        if options.command in TIDYING_COMMANDS:
            _interrupt_with_an_exception()
        return options.run(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:  # whoever read our lines has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _interrupt_with_an_exception() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line: the whole of it, or as much as one command needs, where that is known."""
    parser = argparse.ArgumentParser(
        prog=COMMAND.removeprefix("./"),
        description="Restore faces in portraits, on your own machine.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in (command,) if command in COMMANDS else COMMANDS:
        import_module(f"gpen_webui.cli.{name}").add_parser(commands)
    return parser
