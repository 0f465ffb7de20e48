"""What a results folder of the command line knows of its photos.

report.json is the lasting record. While a run lasts, the folder also has a store of its own,
in a hidden folder that goes when the run has ended. Where a run died, the next one takes from
that store what was done, and which photos were being restored at that moment.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import REPORT, remove_temporaries, write_atomically
from gpen_webui.files.find_photos import FoundPhoto
from gpen_webui.files.lock import FileLock, LockHeldError, LocksNotSupportedError
from gpen_webui.files.names import numbered_paths
from gpen_webui.jobs.html_report import html_report_in
from gpen_webui.jobs.origins import is_another, origin_of
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.claims import MAX_CRASHES, ClaimQueue
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.lookup import Lookup
from gpen_webui.jobs.store.report import job_report
from gpen_webui.states import PROCESSED_ITEMS, ItemState

log = logging.getLogger(__name__)

HIDDEN = ".gpen-webui-run"
EARLIER = "earlier.json"


class FolderInUseError(UserError):
    """The results folder belongs to another run, or its report to another program."""


class FolderRecord:
    """The record of one results folder, which is locked from the making of the object to close().

    photos: the reports of its photos by their names. crashes: how often the process died while
    it restored a photo, by the photo's name. follows_death: whether the last run died here; what
    it had placed, but not recorded, is gone. Raises FolderInUseError where another run works
    there and rather than touch a report.json or a hidden folder that this program did not
    make, OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.photos: dict[str, dict] = {}
        self.crashes: dict[str, int] = {}
        self.follows_death = False
        self._left_out: list[dict] = []
        self._superseded: set[str] = set()  # results of photos that were restored once more
        self._origins: dict[str, dict] = {}  # of this run's photos, and of a dead one's, by name
        self._read_report()
        self._hidden = folder / HIDDEN
        self._refuse_links()
        self._hidden.mkdir(exist_ok=True)
        try:
            self._lock = FileLock(self._hidden / "lock")
        except LocksNotSupportedError:
            self._remove_lock_file()
            raise
        except LockHeldError as error:
            raise FolderInUseError(
                f"Another run is writing to {folder}; wait for it, or choose another -o."
            ) from error
        self._read_report()  # once more: another run may have ended just now
        self._take_up_dead_run()

    def result_of(self, name: str) -> dict | None:
        """The report of a photo that an earlier run restored, while its result is still there."""
        report = self.photos.get(name)
        if report and report["result"] and (self.folder / report["result"]).is_file():
            return report
        return None

    def name_apart(self, photos: Sequence[FoundPhoto]) -> list[FoundPhoto]:
        """The photos of a run; one whose name is another photo's in the record gets " (2)"."""
        taken = {str(photo.name) for photo in photos}
        named = []
        for photo in photos:
            name = str(photo.name)
            if self._is_of_another(name, photo.source):
                paths = map(str, numbered_paths(PurePosixPath(photo.name)))
                name = next(
                    path
                    for path in paths
                    if path not in taken and not self._is_of_another(path, photo.source)
                )
                taken.add(name)
            self._origins[name] = origin_of(photo.source)
            named.append(replace(photo, name=PurePosixPath(name)))
        return named

    def results(self) -> Iterator[Path]:
        """The files that earlier runs have made."""
        for photo in self.photos.values():
            if photo["result"]:
                yield self.folder / photo["result"]
        for result in self._superseded:
            yield self.folder / result

    def is_own_file(self, path: Path) -> bool:
        """Whether it is where the record itself is kept."""
        own = [self._hidden, self.folder / REPORT]
        if name := html_report_in(self.folder):
            own.append(self.folder / name)
        return any(path.name == some.name and path.samefile(some) for some in own if some.exists())

    def is_left_out(self, name: str) -> bool:
        """Whether this photo has killed the process so often that it must not do so again."""
        report = self.photos.get(name)
        return bool(report and report.get("crashes", 0) >= MAX_CRASHES)

    def begin(self, left_out: list[dict]) -> StoreFiles:
        """Make room for a new run's store. left_out: what its report lists besides photos.

        What earlier runs did is on the disk before anything of theirs is removed. Raises OSError.
        """
        self._left_out = left_out
        known = {
            "photos": list(self.photos.values()),
            "superseded": sorted(self._superseded),
            "crashes": self.crashes,
            "origins": self._origins,
        }
        write_atomically(self._hidden / EARLIER, json.dumps(known).encode())
        for path in self._hidden.iterdir():
            if path.name.startswith("jobs.sqlite"):
                path.unlink()
        return StoreFiles(self.folder, HIDDEN)

    def complete(self, report: dict) -> dict:
        """A job's report with the photos of earlier runs, and with what was left out.

        A photo that was cancelled keeps an earlier report.
        """
        for photo in report["photos"]:
            if photo["state"] in PROCESSED_ITEMS:
                self._remember(photo)
            else:
                self.photos.setdefault(photo["name"], photo)
        return {
            **report,
            "counts": self.counts(),
            "left_out": self._left_out,
            "superseded": sorted(self._superseded),
            "photos": [self._with_origin(self.photos[name]) for name in sorted(self.photos)],
        }

    def counts(self, names: Container[str] | None = None) -> dict[str, int]:
        """How many photos there are, of these names or at all, and how many in which state."""
        found = Counter(
            photo["state"] for name, photo in self.photos.items() if names is None or name in names
        )
        return {"total": found.total(), **{state: found[state] for state in ItemState}}

    def close(self, ended: bool) -> None:
        """Let others in. ended: report.json says all, so the run's own store goes."""
        if ended:
            shutil.rmtree(self._hidden, ignore_errors=True)
        self._lock.close()

    def _refuse_links(self) -> None:
        """An album from a stranger may bring such a folder along, with links that lead out of it:
        what lies behind them would be taken for ours and removed."""
        there = self._hidden.iterdir() if self._hidden.is_dir() else ()
        if any(path.is_symlink() for path in (self._hidden, *there)):
            raise FolderInUseError(
                f"{self._hidden} is a link or holds one, which no run of this program has made; "
                "remove it, or choose another results folder with -o."
            )

    def _remove_lock_file(self) -> None:
        with suppress(OSError):
            (self._hidden / "lock").unlink()
            self._hidden.rmdir()

    def _read_report(self) -> None:
        try:
            self._adopt(json.loads((self.folder / REPORT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise FolderInUseError(
                f"{self.folder / REPORT} is not a report of ours and is not overwritten; "
                "choose another results folder with -o."
            ) from None

    def _take_up_dead_run(self) -> None:
        try:
            known = json.loads((self._hidden / EARLIER).read_text(encoding="utf-8"))
            self._adopt(known)
            self.crashes = {str(name): int(n) for name, n in known["crashes"].items()}
            self._origins = dict(known.get("origins", {}))
        except FileNotFoundError:
            pass  # the last run came to its end
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s cannot be read and is not used", self._hidden / EARLIER)
        self.follows_death = (self._hidden / "jobs.sqlite").exists()
        if self.follows_death:
            try:
                self._take_up_store()
            except StoreError as error:  # photos that it knew as done are done again
                log.warning("%s", error)
            remove_temporaries(self.folder)

    def _take_up_store(self) -> None:
        files = StoreFiles(self.folder, HIDDEN)
        with closing(Database(files.database)) as database:
            ClaimQueue(files, database).recover()
            lookup = Lookup(files, database)
            for job in reversed(lookup.jobs()):
                crashes = lookup.crashes(job.id)
                self.crashes |= crashes
                for photo in job_report(database, job.id)["photos"]:
                    if photo["state"] in PROCESSED_ITEMS:
                        count = crashes.get(photo["name"], 0)
                        known = self._with_origin(photo)
                        self._remember({**known, "crashes": count} if count else known)

    def _adopt(self, report: dict) -> None:
        """Remember a report's photos. Raises TypeError, KeyError where it is none of ours."""
        for photo in report["photos"]:
            if not isinstance(photo["result"], str | None):
                raise TypeError("no name of a file")
            self._remember(photo)
        self._superseded |= {str(result) for result in report.get("superseded", ())}

    def _is_of_another(self, name: str, source: Path) -> bool:
        return is_another(self.photos.get(name, {}).get("origin"), source)

    def _with_origin(self, photo: dict) -> dict:
        origin = self._origins.get(photo["name"])
        return {**photo, "origin": origin} if origin else photo

    def _remember(self, photo: dict) -> None:
        earlier = self.photos.get(photo["name"], photo)["result"]
        if earlier and earlier != photo["result"]:
            self._superseded.add(earlier)
        self.photos[photo["name"]] = photo
