"""What `restore` does once it knows what to do."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gpen_webui.cli.album import Album, AlbumSettings, AlbumStoppedError
from gpen_webui.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED
from gpen_webui.cli.progress import Progress
from gpen_webui.cli.restore_plan import RestorePlan
from gpen_webui.cli.results_folder import ResultsFolderError, make_results_folder
from gpen_webui.files.find_photos import FoundPhoto, Why
from gpen_webui.folders import COMMAND
from gpen_webui.jobs.folder_record import FolderRecord
from gpen_webui.jobs.records import StoreError
from gpen_webui.pipeline import restorer_of


def restore(plan: RestorePlan) -> int:
    """Restore everything that is planned; return the process's exit code.

    Raises UserError for what makes the whole run impossible.
    """
    arguments, settings = plan.arguments, plan.settings
    photos, left_out = plan.found
    workers = plan.networks.workers
    restorer = restorer_of(plan.networks)  # closed by the workers that use it
    folder = make_results_folder(arguments.output, settings.outputs)
    going_on = _going_on(arguments, folder)
    with _record_of(folder, going_on) as record:
        if record.follows_death:  # what it found then may be gone now
            photos, left_out = plan.find()
        photos = record.name_apart(_without_results(photos, arguments.paths, record))
        left_out = [some for some in left_out if not record.is_own_file(some.path)]
        progress = Progress(len(photos), as_json=arguments.json)
        progress.left_out(left_out)
        progress.say(f"Model: {restorer.description}")
        album_settings = AlbumSettings(
            plan.options,
            workers,
            settings.max_photo_seconds,
            arguments.skip_existing,
            frozenset(name for name in ("save_faces", "compare") if getattr(arguments, name)),
            is_last=arguments.command == "restore",  # `watch` comes here again and again
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
