"""The reports in the results folders, read back: what is known of results without the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.options import RestoreOptions
from gpen_webui.states import RESTORED_ITEMS


def written_reports(files: StoreFiles) -> Iterator[tuple[str, str, dict]]:
    """The id, folder and report of each job that has ended."""
    for folder in sorted(files.outputs.iterdir()):
        if folder != files.root and (report := read_report(folder)):
            yield report["job"], folder.name, report


def read_report(folder: Path) -> dict | None:
    """The report of a results folder; None where there is none, or it is not to be believed."""
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        RestoreOptions.parse(report["options"])
        for photo in report["photos"]:
            _check(photo)
        is_ours = isinstance(report["job"], str) and isinstance(report["name"], str)
        return report if is_ours else None
    except (OSError, UserError, ValueError, TypeError, KeyError, AttributeError):
        return None


def finished_columns(photo: dict, folder: Path) -> dict | None:
    """The columns of an item from its report; None where it has no result that is there."""
    if photo["state"] not in RESTORED_ITEMS:
        return None
    try:
        size = (folder / photo["result"]).stat().st_size
    except OSError:
        return None
    return {
        "state": photo["state"],
        "stage": None,
        "planned": photo["result"],
        "folded": photo["result"].casefold(),
        "placed": 1,
        "result": photo["result"],
        "result_size": size,
        "faces": len(photo["faces"]),
        "seconds": round(sum(photo["seconds"].values()), 3),
        "error": None,
        "warnings": json.dumps(photo["warnings"]),
        "report": json.dumps(photo),
    }


def _check(photo: dict) -> None:
    """Raises ValueError, TypeError, KeyError or AttributeError where it is none of ours."""
    result = photo["result"]
    if result is not None and (".." in PurePosixPath(result).parts or result.startswith("/")):
        raise ValueError("a result outside of its folder")
    photo["name"].casefold()
    if photo["state"] in RESTORED_ITEMS:
        PurePosixPath(result)
        len(photo["faces"]), sum(photo["seconds"].values()), list(photo["warnings"])
