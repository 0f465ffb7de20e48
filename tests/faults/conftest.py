"""What the fault proofs share: an album, and what must come of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.album import PHOTOS, QUICK_PHOTOS, contents_of, write_album


@pytest.fixture(scope="session")
def undisturbed(request, tmp_path_factory, project: Path) -> dict[str, bytes]:
    """The results of the album by their names, from one quiet run of the command line."""
    count = PHOTOS if request.config.getoption("--slow") else QUICK_PHOTOS
    folder = tmp_path_factory.mktemp("undisturbed")
    write_album(folder / "photos", count)
    command = [sys.executable, "app.py", "restore", folder / "photos", "-o", folder / "results"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    results = contents_of(folder / "results")
    report = json.loads(results.pop("report.json"))
    assert results.pop("report.html")
    assert report["counts"]["done"] == len(results) == count
    return results
