"""How tests are written: they watch the product from outside, and never by the clock."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
FILES = sorted(
    str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py") if "vendor" not in path.parts
)
MAY_READ_A_CLOCK = {
    "waiting.py": "gives up what only a fault keeps waiting",
    "soak/cluster_speed.py": "measures photos a second, as a share of those of another set-up",
    "soak/coordinator_load.py": "measures photos a second and how long pages take",
    "soak/soak.py": "a soak lasts as long as it is asked to, and plots figures over time",
}
MAY_BE_PRIVATE = {"os._exit": "CPython's documented way to end a process at once"}
CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
REPLACE = ("setattr", "delattr", "getattr", "patch", "object")


@cache
def nodes_of(code: str) -> list[ast.AST]:
    """The parts of code that matter here."""
    kinds = (ast.Attribute, ast.ImportFrom, ast.Call)
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]


def clocks_read(code: str) -> list[str]:
    """Lines on which code reads a clock."""
    return [line_of(node) for node in nodes_of(code) if is_clock(node)]


def is_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(alias.name != "sleep" for alias in node.names)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "time":
            return node.attr.removesuffix("_ns") in CLOCKS
        return node.value.id == "datetime" and node.attr in ("now", "utcnow")
    return False


def private_names_used(code: str) -> list[str]:
    """Lines on which code reaches for what the product keeps to itself."""
    return [line_of(node) for node in nodes_of(code) if is_private(node)]


def is_private(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        return is_private_name(node.attr) and not is_own and ast.unparse(node) not in MAY_BE_PRIVATE
    if isinstance(node, ast.ImportFrom):
        is_ours = (node.module or "").startswith("gpen_webui")
        return is_ours and any(is_private_name(alias.name) for alias in node.names)
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    texts = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
    return name in REPLACE and any(is_private_name(str(text).split(".")[-1]) for text in texts)


def line_of(node: ast.AST) -> str:
    return f"{node.lineno}: {ast.unparse(node)}"


def is_private_name(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.isidentifier()


@pytest.mark.parametrize(
    "code",
    [
        "started = time.monotonic()",
        "assert time.perf_counter() - started < 1",
        "ns = time.time_ns()",
        "from time import monotonic",
        "datetime.now()",
    ],
)
def test_code_that_reads_a_clock_is_found(code: str):
    assert clocks_read(code)
    assert not clocks_read("time.sleep(1)")


@pytest.mark.parametrize(
    "code",
    [
        "engine._network = broken",
        "service.store._database.reading()",
        "monkeypatch.setattr(Engine, '_choose', None)",
        "monkeypatch.setattr('gpen_webui.models.download._open', None)",
        "from gpen_webui.engines.openvino.engine import _streams",
    ],
)
def test_code_that_reaches_into_private_parts_is_found(code: str):
    assert private_names_used(code)
    assert not private_names_used("self._mine = engine.public; monkeypatch.setattr(a, 'b', 1)")


def test_no_test_asserts_by_the_clock():
    """Machines are busy: count calls, bytes, steps or events, or let one thing wait for another."""
    offenders = [
        f"{file}:{line}"
        for file in FILES
        if file not in MAY_READ_A_CLOCK
        for line in clocks_read((TESTS / file).read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_no_test_reaches_into_private_parts():
    """What nobody can see from outside may change; what matters can be seen."""
    offenders = [
        f"{file}:{line}"
        for file in FILES
        for line in private_names_used((TESTS / file).read_text(encoding="utf-8"))
    ]
    assert offenders == []
