"""The house plan: who may import what, and what must not be loaded early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "gpen_webui"
ROOMS_ALLOWED_TO_IMPORT = {
    "torch": ("gpen/", "training/", "bench/"),
    "openvino": ("gpen/",),
    "nncf": ("gpen/",),
    "PIL": ("photo", "training/", "bench/"),
    "flask": ("web/", "__init__.py"),
    "flask_sock": ("web/",),
    "flask_babel": ("web/",),
    "sqlite3": ("jobs/store",),
}
# Read from the front door inwards: a room imports only from rooms that stand after it.
ORDER = ["cli", "web", "bench", "training", "jobs", "pipeline", "restore", "adjust", "faces",
         "gpen", "photo", "options", "heap", "logs", "settings", "errors", "states"]  # fmt: skip


def imports_of(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(path: str) -> str:
    return path.removesuffix(".py").split("/")[0]


FILES = sorted(str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("library", ROOMS_ALLOWED_TO_IMPORT)
def test_only_its_own_rooms_import_a_library(library: str):
    allowed = ROOMS_ALLOWED_TO_IMPORT[library]
    offenders = [
        file
        for file in FILES
        if not file.startswith(allowed)
        and any(name.split(".")[0] == library for name in imports_of(PACKAGE / file))
    ]
    assert offenders == []


def test_no_room_imports_from_a_room_above_it():
    offenders = []
    for file in FILES:
        room = room_of(file)
        if room not in ORDER:
            continue
        for name in imports_of(PACKAGE / file):
            parts = name.split(".")
            if parts[0] != "gpen_webui" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            if ORDER.index(parts[1]) < ORDER.index(room) and room not in ("cli",):
                offenders.append(f"{file} imports {name}")
    assert offenders == []


def test_every_room_has_its_place_in_the_order():
    rooms = {room_of(file) for file in FILES} - {"__init__"}
    assert rooms <= set(ORDER)


@pytest.mark.parametrize("module", ["cli", "jobs.service", "restore", "pipeline"])
def test_heavy_libraries_are_not_loaded_before_a_model_is_needed(module: str):
    code = (
        f"import sys, gpen_webui.{module}; "
        "print([name for name in ('torch', 'openvino', 'nncf') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
