"""What `restore` does once its arguments are read."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gpen_webui.cli.album import Album, AlbumSettings, AlbumStoppedError
from gpen_webui.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED
from gpen_webui.cli.option_arguments import chosen_options
from gpen_webui.cli.progress import Progress
from gpen_webui.cli.results_folder import ResultsFolderError, make_results_folder
from gpen_webui.files.find_photos import FoundPhoto, Why, find_photos
from gpen_webui.folders import COMMAND
from gpen_webui.jobs.folder_record import FolderRecord
from gpen_webui.jobs.records import StoreError
from gpen_webui.logs import log_to_file
from gpen_webui.models.enlarging import check_enlarging_model
from gpen_webui.models.parsing import check_parsing_model
from gpen_webui.option_kinds import OptionError
from gpen_webui.photo.formats import PHOTO_SUFFIXES
from gpen_webui.pipeline import choose_workers, open_restorer
from gpen_webui.settings import Settings


def restore(arguments: argparse.Namespace) -> int:
    """Restore everything that the arguments name; return the process's exit code.

    Raises UserError for what makes the whole run impossible.
    """
    options = chosen_options(arguments)
    settings = Settings.from_environment(
        model=arguments.model,
        device=arguments.device,
        precision=arguments.precision,
        workers=arguments.workers,
        max_photo_seconds=arguments.max_photo_seconds,
        log_level=arguments.log_level,
        log_format=arguments.log_format,
    )
    check_enlarging_model(options.enlarge_model, settings.models)
    check_parsing_model(options.face_mask, settings.models)
    exclude = arguments.output or settings.outputs
    find = partial(find_photos, arguments.paths, PHOTO_SUFFIXES, exclude=exclude)
    photos, left_out = find()
    if options.names_faces and len(photos) > 1:
        raise OptionError(
            f"There are {len(photos)} photos, each with other faces; name faces for one photo at "
            "a time."
        )
    if options.mask and len(photos) > 1:
        raise OptionError(
            f"--mask belongs to one photo, but {len(photos)} are named; name that one alone."
        )
    workers = min(len(photos), choose_workers(settings))
    log_to_file(settings.outputs, settings.log_level, settings.log_format)
    restorer = open_restorer(settings, workers)  # closed by the workers that use it
    folder = make_results_folder(arguments.output, settings.outputs)
    going_on = _going_on(arguments, folder)
    with _record_of(folder, going_on) as record:
        if record.follows_death:  # what it found then may be gone now
            photos, left_out = find()
        photos = record.name_apart(_without_results(photos, arguments.paths, record))
        left_out = [some for some in left_out if not record.is_own_file(some.path)]
        progress = Progress(len(photos), as_json=arguments.json)
        progress.left_out(left_out)
        progress.say(f"Model: {restorer.description}")
        album_settings = AlbumSettings(
            options,
            workers,
            settings.max_photo_seconds,
            arguments.skip_existing,
            frozenset(name for name in ("save_faces", "compare") if getattr(arguments, name)),
        )
        album = Album(record, restorer, album_settings, progress)
        interrupted = album.restore(photos, [some.as_dict() for some in left_out])
    counts = record.counts({str(photo.name) for photo in photos})
    earlier = record.counts()["total"] - counts["total"]
    progress.close(counts, folder, left_out, earlier)
    if interrupted:
        progress.say(f"Stopped; nothing is half done. Go on with: {going_on}")
        return EXIT_INTERRUPTED
    has_failed = counts["failed"] or any(some.why is Why.UNREADABLE for some in left_out)
    return EXIT_SOME_FAILED if has_failed else EXIT_OK


@contextmanager
def _record_of(folder: Path, going_on: str) -> Iterator[FolderRecord]:
    """The folder's record for the time of a run; what ends that is worded."""
    record, ended = None, False
    try:
        record = FolderRecord(folder)
        yield record
        ended = True
    except BrokenPipeError:
        raise
    except (AlbumStoppedError, StoreError) as error:
        raise ResultsFolderError(f"{error} Go on with: {going_on}") from error
    except OSError as error:
        raise ResultsFolderError(
            f"The results cannot be kept in {folder} ({error.strerror or error}); make room or "
            f"choose another -o, then go on with: {going_on}"
        ) from error
    finally:
        if record is not None:
            record.close(ended)


def _without_results(
    photos: list[FoundPhoto], named: Sequence[Path], record: FolderRecord
) -> list[FoundPhoto]:
    """Where results lie among the photos, they are not restored again, unless named outright."""
    results = {os.path.realpath(path) for path in record.results()}
    if not results:
        return photos
    return [
        photo
        for photo in photos
        if photo.source in named or os.path.realpath(photo.source) not in results
    ]


def _going_on(arguments: argparse.Namespace, folder: Path) -> str:
    """The command that restores what an interrupted run left undone, in the same way."""
    again = list(arguments.command_line)
    if arguments.output is None:
        again += ["-o", str(folder)]
    if not arguments.skip_existing:
        again.append("--skip-existing")
    return f"{COMMAND} {shlex.join(again)}"
