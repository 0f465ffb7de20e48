"""The command line: restore, serve, models, bench, train. Thin over the rooms below.

No command's libraries are imported before that command runs, so `--help` is immediate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpen_webui.cli.machine_options import add_machine_options
from gpen_webui.errors import UserError
from gpen_webui.settings import Settings

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the process's exit code. Without a command: serve."""
    parser = build_parser()
    arguments = list(arguments)
    wants_help = arguments[:1] in (["-h"], ["--help"])
    if not wants_help and (not arguments or arguments[0].startswith("-")):
        arguments.insert(0, "serve")
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    from gpen_webui.bench.command import add_bench_parser
    from gpen_webui.cli.restore import add_restore_parser
    from gpen_webui.gpen.models_command import add_models_parser
    from gpen_webui.training.commands import add_train_parser

    parser = argparse.ArgumentParser(
        prog="run.sh", description="Restore faces in portraits, on your own machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_restore_parser(commands)
    _add_serve_parser(commands)
    add_models_parser(commands)
    add_bench_parser(commands)
    add_train_parser(commands)
    return parser


def _add_serve_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("serve", help="serve the web page (the default)")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 7860)")
    parser.add_argument("--outputs", type=Path, metavar="DIR", help="where results go")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where models lie")
    parser.add_argument("--model", metavar="NAME|FILE", help="the model to restore with")
    parser.add_argument(
        "--album-root",
        type=Path,
        action="append",
        metavar="DIR",
        help="a folder whose photos API clients may name by path; may be given several times",
    )
    add_machine_options(parser)
    parser.add_argument(
        "--max-photo-seconds", type=int, metavar="N", help="give a photo up after N seconds"
    )
    parser.add_argument("--max-megapixels", type=int, metavar="N", help="largest photo (100)")
    parser.add_argument("--max-file-mb", type=int, metavar="N", help="largest upload (200)")
    parser.add_argument("--max-store-gb", type=int, metavar="N", help="limit for all uploads")
    parser.add_argument("--token", help="password for access from other machines")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from gpen_webui.web.server import serve

    settings = Settings.from_environment(
        host=options.host,
        port=options.port,
        outputs=options.outputs and options.outputs.absolute(),
        models=options.models and options.models.absolute(),
        model=options.model,
        album_roots=options.album_root and tuple(root.absolute() for root in options.album_root),
        device=options.device,
        precision=options.precision,
        workers=options.workers,
        max_photo_seconds=options.max_photo_seconds,
        max_megapixels=options.max_megapixels,
        max_file_mb=options.max_file_mb,
        max_store_gb=options.max_store_gb,
        token=options.token,
        open_browser=False if options.no_browser else None,
    )
    return serve(settings)
