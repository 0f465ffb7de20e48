"""What a results folder knows of its photos: report.json, and a journal while a run lasts.

The journal is why a run can die at any instruction: before a result is put in place its
name is written down, afterwards its report. The next run with `--skip-existing` therefore
knows which photos are done, which files are its own half-recorded results (done again, and
replaced by the same bytes), and which were there before and must not be touched.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path, PurePath
from threading import Lock

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import remove_temporaries, write_report
from gpen_webui.files.lock import FileLock, LockHeldError

JOURNAL = ".gpen-webui-journal.jsonl"
LOCK = ".gpen-webui-lock"
STATES = ("done", "no_face", "failed", "cancelled")


class ResultsInUseError(UserError):
    """The results folder belongs to another run, or its report to another program."""


class RunRecord:
    """The record of one results folder; `begin` and `finish` may be called from many threads.

    Raises ResultsInUseError where another run writes to the folder, and rather than overwrite
    a report.json that this program did not write.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = Lock()
        self._started = time.time()
        self._photos: dict[str, dict] = {}
        self._begun: set[str] = set()
        self._read_report()
        try:
            self._folder_lock = FileLock(folder / LOCK)
        except LockHeldError as error:
            raise ResultsInUseError(
                f"Another run is writing to {folder}; wait for it, or choose another -o."
            ) from error
        self._journal = open(folder / JOURNAL, "a", encoding="utf-8")  # noqa: SIM115
        if os.path.getsize(folder / JOURNAL):  # an earlier run did not come to its end
            self._read_journal()
            remove_temporaries(folder)
        self._journal.write("\n")  # ends the line that the death of a process cut off

    def result_of(self, name: str) -> dict | None:
        """The report of a photo that an earlier run restored, while its result is still there."""
        report = self._photos.get(name)
        if report and report["result"] and (self.folder / report["result"]).is_file():
            return report
        return None

    def is_ours(self, result: PurePath) -> bool:
        """Whether an interrupted run was about to write this result."""
        return result.as_posix() in self._begun

    def begin(self, result: PurePath) -> None:
        """Note that this result is about to be put in place."""
        self._append({"begin": result.as_posix()})

    def finish(self, report: dict) -> None:
        """Note what came of one photo."""
        with self._lock:
            self._photos[report["name"]] = report
        self._append({"photo": report})

    def counts(self) -> dict[str, int]:
        """How many photos ended in which state."""
        found = Counter(report["state"] for report in self._photos.values())
        return {state: found[state] for state in STATES}

    def close(self) -> Path:
        """Write report.json, then drop the journal."""
        report = {
            "started": _clock(self._started),
            "finished": _clock(time.time()),
            "counts": self.counts(),
            "photos": sorted(self._photos.values(), key=lambda photo: photo["name"]),
        }
        path = write_report(self.folder, report)
        self._journal.close()
        (self.folder / JOURNAL).unlink()
        self._folder_lock.close()
        return path

    def _append(self, entry: dict) -> None:
        with self._lock:
            self._journal.write(json.dumps(entry) + "\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())

    def _read_report(self) -> None:
        try:
            report = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
            self._photos = {photo["name"]: photo for photo in report["photos"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            raise ResultsInUseError(
                f"{self.folder / 'report.json'} is not a report of ours and is not overwritten; "
                "choose another results folder with -o."
            ) from None

    def _read_journal(self) -> None:
        try:
            lines = (self.folder / JOURNAL).read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # cut off
            if "begin" in entry:
                self._begun.add(entry["begin"])
            else:
                self._photos[entry["photo"]["name"]] = entry["photo"]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
