"""The web package: no module imports, in whatever way, one that imports it."""

import ast
from pathlib import Path

import pytest

from gpen_webui.errors import UserError
from gpen_webui.web import errors

WEB = Path(errors.__file__).parent
MODULES = sorted(path.stem for path in WEB.glob("*.py") if path.stem != "__init__")


def neighbours(module: str) -> set[str]:
    """The modules of the package that one imports: at load time, deferred, or for types only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((WEB / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "gpen_webui.web":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gpen_webui.web."):
            names.add(node.module.split(".")[2])
    return names & set(MODULES)


def reachable(module: str) -> set[str]:
    seen: set[str] = set()
    ahead = neighbours(module)
    while ahead:
        seen |= ahead
        ahead = {more for one in ahead for more in neighbours(one)} - seen
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_web_package_imports_itself_round_a_circle(module: str):
    assert module not in reachable(module)


def test_every_error_of_the_web_package_has_its_own_line_in_the_table():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    own = {kind for kind in kinds if issubclass(kind, UserError)}
    listed = [kind for kind, _, _ in errors.STATUS]
    assert own <= set(listed)
    assert len(listed) == len(set(listed))


def test_no_line_of_the_table_hides_a_later_one():
    kinds = [kind for kind, _, _ in errors.STATUS]
    hidden = [
        (later, earlier)
        for place, later in enumerate(kinds)
        for earlier in kinds[:place]
        if issubclass(later, earlier)
    ]
    assert hidden == []
