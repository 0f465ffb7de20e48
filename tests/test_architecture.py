"""The architecture: who may import what, and what must not be loaded early."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "gpen_webui"
PACKAGES_THAT_MAY_IMPORT = {
    "torch": ("gpen/", "enlarging/", "parsing/", "engines/", "training/", "bench/"),
    "openvino": ("engines/openvino/", "training/"),
    "PIL": ("photo/",),
    "pillow_heif": ("photo/",),
    "safetensors": ("gpen/", "enlarging/"),
    "flask": ("web/",),
    "werkzeug": ("web/",),
    "gunicorn": ("web/",),
    "simple_websocket": ("web/",),
    "zipstream": ("web/",),
    "flask_sock": ("web/",),
    "prometheus_client": ("web/",),
    "flask_babel": ("web/",),
    "sqlite3": ("jobs/store/",),
    "celery": ("cluster/messaging.py",),  # says why
    "kombu": ("cluster/messaging.py",),
    "redis": (),  # by kombu alone
    "matplotlib": ("training/", "bench/"),
    "psutil": ("bench/",),
    "platformdirs": ("folders.py",),
}
# Read it from the entry points inwards: a package imports only from those that stand after it.
ORDER = [
    "launcher",
    "__main__",
    "cli",
    "web",
    "cluster",
    "bench",
    "training",
    "jobs",
    "pipeline",
    "networks",
    "stages",
    "repairing",
    "faces",
    "engines",
    "models",
    "enlarging",
    "parsing",
    "gpen",
    "photo",
    "files",
    "options",
    "option_kinds",
    "sentences",
    "face_numbers",
    "thread_network",
    "heap",
    "control_groups",
    "child_process",
    "settings",
    "logs",
    "shortage",
    "errors",
    "states",
    "privacy",
    "folders",
]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports_of(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(path: str) -> str:
    return ".".join(Path("gpen_webui", path).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: str) -> set[str]:
    """The modules of this program that a file imports, but not those named for their types only."""
    tree = parsed(PACKAGE / path)
    typing_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    known = {module_of(file) for file in FILES}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in typing_only or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            name = alias.name
            if isinstance(node, ast.ImportFrom):
                name = f"{node.module}.{name}"
            found |= {part for part in (name, name.rpartition(".")[0]) if part in known}
    return found - {module_of(path), "gpen_webui"}


def package_of(path: str) -> str:
    return path.removesuffix(".py").split("/")[0]


FILES = sorted(str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("library", PACKAGES_THAT_MAY_IMPORT)
def test_only_its_own_packages_import_a_library(library: str):
    allowed = PACKAGES_THAT_MAY_IMPORT[library]
    offenders = [
        file
        for file in FILES
        if not file.startswith(allowed)
        and any(name.split(".")[0] == library for name in imports_of(PACKAGE / file))
    ]
    assert offenders == []


def test_no_package_imports_from_one_above_it():
    offenders = []
    for file in FILES:
        package = package_of(file)
        if package not in ORDER:
            continue
        for name in imports_of(PACKAGE / file):
            parts = name.split(".")
            if parts[0] != "gpen_webui" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            if ORDER.index(parts[1]) < ORDER.index(package):
                offenders.append(f"{file} imports {name}")
    assert offenders == []


def test_every_package_has_its_place_in_the_order():
    packages = {package_of(file) for file in FILES} - {"__init__"}
    assert packages <= set(ORDER)


def test_no_modules_import_each_other_in_circles_not_even_when_called():
    modules = {module_of(file): imported_modules(file) for file in FILES}
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("module", ["cli", "jobs.service", "stages.restorer", "pipeline"])
def test_heavy_libraries_are_not_loaded_before_a_model_is_needed(module: str):
    code = (
        f"import sys, gpen_webui.{module}; "
        "print([name for name in ('torch', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_server_that_works_alone_loads_nothing_of_what_several_machines_need():
    code = (
        "import sys, gpen_webui.web.application; "
        "several = ('celery', 'kombu', 'redis', 'gpen_webui.cluster.coordinator'); "
        "print([name for name in several if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
