"""A store that is damaged or missing is put together again from all that is left of it.

The sources, in the order in which they are believed: the damaged file with its WAL, the
backups, the names that are noted beside the uploads, the reports in the results folders. The
new store is complete before it takes the old one's place, and the old one stays under
another name. A death in between changes nothing: the next start does it again, or goes on.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gpen_webui.files.atomic import flush_folder
from gpen_webui.files.linking import link_or_copy
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.backups import back_up, backup_paths, flush_file
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.integrity import damage_in, version_of
from gpen_webui.jobs.store.mending import mend, merge
from gpen_webui.jobs.store.salvage import copy_with_wal, fresh_store, salvage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rescue:
    """What was found again of a store, as many albums (jobs) and photos (items).

    database: the store. kept: the name of the damaged file beside it; None where it was missing.
    """

    database: Path
    kept: str | None
    jobs: int
    items: int

    def __str__(self) -> str:
        what = f"was damaged; it is kept as {self.kept}" if self.kept else "was missing"
        return (
            f"The job store {self.database} {what}. {self.jobs} albums with {self.items} photos "
            "were found again; look them through. Uploads that belong to none are in the album "
            "lost+found."
        )


def rescue_if_needed(files: StoreFiles) -> Rescue | None:
    """Put the store together again if it is damaged or missing; what came of it.

    Raises StoreError where there is no room for that, or no right to do it.
    """
    try:
        return _rescue_if_needed(files)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The job store {files.database} is damaged, and cannot be put together again "
            f"({error}); make room, check the folder's permissions and start again."
        ) from error


def prepare_migration(files: StoreFiles) -> None:
    """Back a store of an earlier version up before it is changed."""
    if version_of(files.database) in range(1, schema.VERSION):
        log.info("the job store is brought up to date, which may take a minute")
        back_up(files.database)


def _rescue_if_needed(files: StoreFiles) -> Rescue | None:
    if _complete_path(files).exists():  # the process died on the last few steps
        _replace_store(files)
    damage = damage_in(files.database)
    if damage is None or not _has_traces(files):
        return None
    log.warning("the job store %s is damaged: %s", files.database, damage)
    _put_together(files)
    kept = _replace_store(files)
    rescue = _counted(files, kept)
    log.warning("%s", rescue)
    return rescue


def _has_traces(files: StoreFiles) -> bool:
    """Whether there was a store before."""
    beside = (files.database, _beside(files.database, "-wal"), *backup_paths(files.database))
    return any(path.exists() and path.stat().st_size for path in beside)


def _put_together(files: StoreFiles) -> None:
    work = files.root / "salvage"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    backups = [path for path in backup_paths(files.database) if path.exists()]
    store = work / "store.sqlite"
    first_pages = [*backups, *_empty_stores(work)]
    copy_with_wal(files.database, work / "damaged.sqlite")
    salvage(work / "damaged.sqlite", store, first_pages)
    for k, backup in enumerate(backups):
        older = work / f"older-{k}.sqlite"
        shutil.copyfile(backup, work / f"backup-{k}.sqlite")
        if salvage(work / f"backup-{k}.sqlite", older, first_pages):
            merge(files, store, older)
        if damage_in(backup) is None:  # what only an earlier one has was deleted since
            break
    mend(files, store)
    flush_file(store)
    os.replace(store, _complete_path(files))
    flush_folder(files.root)
    shutil.rmtree(work, ignore_errors=True)


def _empty_stores(work: Path) -> list[Path]:
    stores = []
    for version in range(schema.VERSION, 0, -1):
        stores.append(work / f"empty-{version}.sqlite")
        fresh_store(stores[-1], version)
    return stores


def _replace_store(files: StoreFiles) -> Path | None:
    """Let the new store take the damaged one's place; where that is kept, if it is there."""
    kept = None
    if files.database.exists() and files.database.stat().st_size:
        kept = _new_name(files.database)
        for suffix in ("", "-wal"):
            if _beside(files.database, suffix).exists():
                link_or_copy(_beside(files.database, suffix), _beside(kept, suffix))
    for suffix in ("-wal", "-shm"):  # the new store must never meet the old one's WAL
        _beside(files.database, suffix).unlink(missing_ok=True)
    os.replace(_complete_path(files), files.database)
    flush_folder(files.root)
    return kept


def _new_name(database: Path) -> Path:
    stamp = time.strftime("%Y%m%d_%H%M%S")
    for attempt in count(1):
        number = "" if attempt == 1 else f"-{attempt}"
        path = database.with_name(f"{database.stem}.damaged-{stamp}{number}.sqlite")
        if not path.exists():
            return path
    raise AssertionError("unreachable")


def _complete_path(files: StoreFiles) -> Path:
    return files.database.with_name(f"{files.database.stem}.salvaged.sqlite")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _counted(files: StoreFiles, kept: Path | None) -> Rescue:
    with closing(sqlite3.connect(files.database)) as store:
        jobs, items = (
            store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("jobs", "items")
        )
    return Rescue(files.database, kept.name if kept else None, jobs, items)
