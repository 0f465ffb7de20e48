"""How tests are written: they watch the product from outside, and never by the clock."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
FILES = sorted(
    str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py") if "vendor" not in path.parts
)
MAY_READ_A_CLOCK = {
    "waiting.py": "gives up what only a fault keeps waiting",
    "soak/soak.py": "a soak lasts as long as it is asked to, and plots figures over time",
}
MAY_BE_PRIVATE = {"os._exit": "CPython's documented way to end a process at once"}
CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
REPLACE = ("setattr", "delattr", "getattr", "patch", "object")


def clocks_read(code: str) -> list[str]:
    """Lines on which code reads a clock."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Attribute(value=ast.Name("time"), attr=name):
                is_clock = name.removesuffix("_ns") in CLOCKS
            case ast.ImportFrom(module="time"):
                is_clock = any(alias.name != "sleep" for alias in node.names)
            case ast.Attribute(value=ast.Name("datetime"), attr="now" | "utcnow"):
                is_clock = True
            case _:
                is_clock = False
        if is_clock:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def private_names_used(code: str) -> list[str]:
    """Lines on which code reaches for what the product keeps to itself."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls")):
                continue  # a helper's own
            case ast.Attribute(attr=name):
                is_private = is_private_name(name) and ast.unparse(node) not in MAY_BE_PRIVATE
            case ast.ImportFrom(module=str(module)):
                is_private = module.startswith("gpen_webui") and any(
                    is_private_name(alias.name) for alias in node.names
                )
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(name)) if name in REPLACE:
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                is_private = any(
                    is_private_name(str(text).rpartition(".")[2]) for text in texts[:2]
                )
            case _:
                is_private = False
        if is_private:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


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
