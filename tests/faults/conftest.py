"""What the fault proofs share: an album, and what must come of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.album import PHOTOS, QUICK_PHOTOS, album, contents_of, write_files


@pytest.fixture(scope="session")
def undisturbed(request, tmp_path_factory, project: Path) -> dict[str, bytes]:
    """The results of the album by their names, from one quiet run of the command line."""
    count = PHOTOS if request.config.getoption("--slow") else QUICK_PHOTOS
    return results_in_peace(project, tmp_path_factory.mktemp("undisturbed"), album(count))


def results_in_peace(
    project: Path, folder: Path, files: dict[str, bytes], *options: str
) -> dict[str, bytes]:
    """The results of photos by their names, from one quiet run of the command line."""
    write_files(folder / "photos", files)
    command = [sys.executable, "app.py", "restore", folder / "photos", "-o", folder / "results"]
    command += options
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    results = contents_of(folder / "results")
    report = json.loads(results.pop("report.json"))
    assert results.pop("report.html")
    assert report["counts"]["done"] + report["counts"]["no_face"] == len(results) == len(files)
    return results
