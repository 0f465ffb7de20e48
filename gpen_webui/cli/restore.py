"""`./run.sh restore`: photos and folders in, a results folder with its report out."""

from __future__ import annotations

import argparse
import shlex
from contextlib import closing
from pathlib import Path

from gpen_webui.cli.machine_options import add_machine_options
from gpen_webui.cli.option_arguments import add_option_arguments, chosen_options
from gpen_webui.errors import UserError
from gpen_webui.files.atomic import new_run_folder
from gpen_webui.settings import Settings

EXIT_OK, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130


class ResultsFolderError(UserError):
    """Results cannot be written where they should go."""


def add_restore_parser(commands: argparse._SubParsersAction) -> None:
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
    parser.add_argument("--model", metavar="NAME|FILE", help="the model to restore with")
    add_option_arguments(parser)
    files = parser.add_argument_group("results")
    files.add_argument("--save-faces", action="store_true", help="also save each face by itself")
    files.add_argument("--compare", action="store_true", help="also save before and after in one")
    files.add_argument(
        "--skip-existing", action="store_true", help="go on with -o DIR where a run was stopped"
    )
    machine = parser.add_argument_group("machine")
    add_machine_options(machine)
    machine.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Restore everything that the arguments name; return the process's exit code.

    Raises UserError for what makes the whole run impossible.
    """
    from gpen_webui.cli.album import Album
    from gpen_webui.cli.progress import Progress
    from gpen_webui.files.find_photos import find_photos
    from gpen_webui.logs import log_to_file
    from gpen_webui.pipeline import choose_workers, open_restorer

    options = chosen_options(arguments)
    settings = Settings.from_environment(
        model=arguments.model,
        device=arguments.device,
        precision=arguments.precision,
        workers=arguments.workers,
    )
    photos, others = find_photos(arguments.paths, exclude=arguments.output or settings.outputs)
    workers = min(len(photos), choose_workers(settings))
    log_to_file(settings.outputs)

    progress = Progress(len(photos), as_json=arguments.json)
    if others:
        progress.say(f"{len(others)} files in the folders are not photos and are left out.")
    with closing(open_restorer(settings, workers)) as restorer:
        progress.say(f"Model: {restorer.engine.description}")
        folder = _results_folder(arguments.output, settings.outputs)
        extras = {name for name in ("save_faces", "compare") if getattr(arguments, name)}
        try:
            album = Album(restorer, options, folder, progress, extras, workers)
            interrupted = album.restore(photos, skip_existing=arguments.skip_existing)
            counts = album.close()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ResultsFolderError(
                f"The report cannot be written to {folder} ({error.strerror}); make room or "
                f"choose another -o, then go on with: {_going_on(arguments, folder)}"
            ) from error
    progress.close(counts, folder)
    if interrupted:
        progress.say(f"Stopped; nothing is half done. Go on with: {_going_on(arguments, folder)}")
        return EXIT_INTERRUPTED
    return EXIT_SOME_FAILED if counts["failed"] else EXIT_OK


def _results_folder(chosen: Path | None, outputs: Path) -> Path:
    try:
        if chosen is None:
            return new_run_folder(outputs)
        chosen.mkdir(parents=True, exist_ok=True)
        return chosen
    except OSError as error:
        raise ResultsFolderError(
            f"The results folder {chosen or outputs} cannot be made ({error.strerror}); "
            "choose another with -o."
        ) from error


def _going_on(arguments: argparse.Namespace, folder: Path) -> str:
    """The command that restores what an interrupted run left undone, in the same way."""
    again = list(arguments.command_line)
    if arguments.output is None:
        again += ["-o", str(folder)]
    if not arguments.skip_existing:
        again.append("--skip-existing")
    return f"./run.sh {shlex.join(again)}"
