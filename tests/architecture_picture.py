"""The packages from the entry points down, and who imports whom, as docs/architecture.svg.

`python -m tests.architecture_picture` draws it from the code as it stands.
"""

import ast
from html import escape
from pathlib import Path

from tests.test_architecture import FILES, ORDER, PACKAGE, imported_modules, package_of

PICTURE = PACKAGE.parent / "docs" / "architecture.svg"
ROW, NAME, WORDS, LEFT, TOP = 30, 110, 580, 16, 90
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2933 }
.name { font-weight: 600 } .words { fill: #52606d; font-size: 13px }
.row { fill: #f5f7fa; stroke: none } circle { stroke: none }
.same { fill: #cbd2d9 } .imports { fill: #2a6f97 }
"""


def draw() -> str:
    """An SVG: a row for each package, a dot in the column of each package that it imports."""
    imports = _imports_of_packages()
    width, height = LEFT + NAME + WORDS + ROW * len(ORDER) + 3 * LEFT, TOP + ROW * len(ORDER) + LEFT
    parts = [f"<style>{STYLE}</style>", f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for index, package in enumerate(ORDER):
        y = TOP + ROW * index
        if index % 2 == 0:
            parts.append(f'<rect class="row" y="{y}" width="{width}" height="{ROW}"/>')
        parts.append(_text(LEFT, y, package, "name"))
        parts.append(_heading(LEFT + NAME + WORDS + ROW * index + ROW // 2, package))
        parts.append(_text(LEFT + NAME, y, _purpose(package), "words"))
        for column, other in enumerate(ORDER):
            kind = "same" if other == package else "imports" if other in imports[package] else None
            if kind:
                x = LEFT + NAME + WORDS + ROW * column + ROW // 2
                parts.append(f'<circle class="{kind}" cx="{x}" cy="{y + ROW // 2}" r="6"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        "<title>Each package, what it is for, and the packages that it imports</title>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: int, y: int, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y + 20}">{escape(words)}</text>'


def _heading(x: int, package: str) -> str:
    turned = f'transform="rotate(-50 {x} {TOP - 10})"'
    return f'<text class="words" x="{x}" y="{TOP - 10}" {turned}>{escape(package)}</text>'


def _imports_of_packages() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {package: set() for package in ORDER}
    for file in FILES:
        if package_of(file) in found:
            names = {name.split(".")[1] for name in imported_modules(file)}
            found[package_of(file)] |= names - {package_of(file)}
    return found


def _purpose(package: str) -> str:
    """The first sentence of a package's or module's docstring."""
    path = PACKAGE / package / "__init__.py"
    path = path if path.exists() else PACKAGE / f"{package}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].split(". ")[0].rstrip(".")


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(Path(PICTURE).relative_to(PACKAGE.parent))
