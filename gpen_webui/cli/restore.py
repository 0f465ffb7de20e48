"""`./run.sh restore`: photos and folders in, a results folder with its report out."""

from __future__ import annotations

import argparse
import shlex
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from gpen_webui.cli.machine_options import add_machine_options
from gpen_webui.errors import UserError
from gpen_webui.files.atomic import new_run_folder
from gpen_webui.options import MODES, RestoreOptions
from gpen_webui.settings import Settings

EXIT_OK, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 130


class ResultsFolderError(UserError):
    """Results cannot be written where they should go."""


def add_restore_parser(commands: argparse._SubParsersAction) -> None:
    """Add `restore` and its options to the command line."""
    neutral = RestoreOptions()
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
    looks = parser.add_argument_group("how the result looks")
    looks.add_argument("--mode", choices=MODES, help=f"default: {neutral.mode}")
    for name, low, high, what in (
        ("strength", 0, 100, "how much of the restored face replaces the original"),
        ("denoise", 0, 100, "remove noise"),
        ("sharpen", 0, 100, "sharpen"),
        ("contrast", -50, 50, "contrast"),
        ("brightness", -50, 50, "brightness"),
    ):
        default = getattr(neutral, name)
        looks.add_argument(
            f"--{name}", type=int, metavar="N", help=f"{what}, {low} to {high} (default: {default})"
        )
    looks.add_argument(
        "--protect-skin",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep the skin's own tone (default: on)",
    )
    looks.add_argument(
        "--enhance-detail",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bring out fine detail (default: off)",
    )
    looks.add_argument(
        "--min-face",
        type=int,
        metavar="PX",
        help=f"leave faces narrower than this alone (default: {neutral.min_face})",
    )
    files = parser.add_argument_group("files")
    files.add_argument("--format", choices=["same", "png", "jpeg", "webp"], help="default: same")
    files.add_argument("--quality", type=int, metavar="N", help="of JPEG and WebP, 1 to 100")
    files.add_argument("--max-megapixels", type=int, metavar="N", help="largest photo (100)")
    files.add_argument(
        "--aligned",
        action="store_true",
        default=None,
        help="the photos are upright square face crops: run the network on them, nothing else",
    )
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

    options = _restore_options(arguments)
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


def _restore_options(arguments: argparse.Namespace) -> RestoreOptions:
    """The options given on the command line, checked; the rest keep their defaults."""
    names = {field.name for field in fields(RestoreOptions)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    return RestoreOptions.parse({name: value for name, value in given.items() if value is not None})


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
