"""No library is listed in a version that the public list of known vulnerabilities names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LISTS = ("requirements.txt", "requirements-test.txt", "requirements-cluster.txt",
         "requirements-bench.txt", "requirements-train.txt")  # fmt: skip
SOURCES = ("pypi", "osv")


def audit(path: Path, source: str) -> dict | None:
    """What pip-audit reports of a list; None where the source did not answer."""
    options = "--disable-pip --require-hashes --format json --progress-spinner off".split()
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", path, "-s", source, *options],
        capture_output=True,
        text=True,
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
def test_no_listed_version_has_a_known_vulnerability(project: Path, name: str):
    for source in SOURCES:
        report = audit(project / name, source)
        # What a source does not know it skips, and where it knows nothing, that says nothing.
        if report and any("skip_reason" not in found for found in report["dependencies"]):
            break
    else:
        pytest.skip("needs a network: neither PyPI's nor OSV's list of vulnerabilities answers")
    known = {
        found["name"]: [flaw["id"] for flaw in found["vulns"]]
        for found in report["dependencies"]
        if found.get("vulns")
    }
    assert known == {}
