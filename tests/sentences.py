"""The sentences of the server, found in its code, and their translations brought up to date.

`python -m tests.sentences` writes gpen_webui/web/translations/*/LC_MESSAGES/sentences.po and .mo
anew: what is new stands there with an empty translation, what is gone is gone.

A sentence is a text that ends in a full stop, or stands in PHRASES; the blanks of an f-string
become {names}. Programs that are used in a terminal alone speak English.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gpen_webui"
TRANSLATIONS = PACKAGE / "web" / "translations"
TERMINAL = (
    "bench",
    "cli",
    "launcher",
    "training",
    "jobs/folder_record.py",
    "settings.py",
    "web/announcement.py",
    "web/metrics.py",
    "web/openapi.py",
    "web/server.py",
)
# What stands in blanks of sentences, or by itself, and is no sentence: constants by name, and
# functions by name, whose texts all count.
PHRASES = {
    "pipeline.py": ("STAGE_WORDS",),
    "jobs/store/commands.py": ("STATE_WORDS",),
    "photo/decoder_pool.py": ("REMEDY",),
    "models/published.py": ("NO_LICENCE", "PARSENET_LICENCE", "OWN_LICENCE", "ASK_MAKER"),
    "stages/turn.py": ("LIE",),
    "stages/face_reports.py": ("NOT_CHOSEN", "_too_small"),
    "faces/second_look.py": ("MISPLACED", "NO_FACE"),
    "stages/enlarge.py": ("_less_than",),
    "shortage.py": ("FILES", "PROCESSES", "MEMORY"),
}
FEWEST_WORDS = 3


def sentences() -> dict[str, list[tuple[str, int]]]:
    """Where each sentence stands: file and line."""
    found: dict[str, list[tuple[str, int]]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name.startswith(TERMINAL):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for text, line in _texts(tree, PHRASES.get(name, ())):
            found.setdefault(text, []).append((f"gpen_webui/{name}", line))
    return found


def write_translations() -> None:
    """Bring the files of every language up to date."""
    template = Catalog(charset="utf-8")
    for text, places in sentences().items():
        template.add(text, locations=[(place, None) for place, _ in places])
    for folder in sorted(TRANSLATIONS.glob("*/LC_MESSAGES")):
        path = folder / "sentences.po"
        if path.exists():
            with path.open("rb") as file:
                catalog = read_po(file, locale=folder.parent.name, domain="sentences")
        else:
            catalog = Catalog(locale=folder.parent.name, domain="sentences", charset="utf-8")
        catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalog.obsolete.clear()
        catalog.fuzzy = False
        with path.open("wb") as file:
            write_po(file, catalog, width=0, sort_output=True, omit_header=False)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)
        empty = [message.id for message in catalog if message.id and not message.string]
        for text in empty:
            print(f"{folder.parent.name}: not translated: {text}")


def _texts(tree: ast.Module, phrases: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    phrase_nodes = set()
    for node in ast.walk(tree):
        if _name_of(node) in phrases:
            phrase_nodes |= {id(inner) for inner in ast.walk(node)}
    skipped = _skipped(tree)
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        text = _text_of(node)
        is_phrase = id(node) in phrase_nodes
        if text and (is_phrase or _is_sentence(text)) and re.search(r"[A-Za-z]{2}", text):
            yield text.strip(), node.lineno


def _is_sentence(text: str) -> bool:
    return text.rstrip().endswith(".") and len(text.split()) >= FEWEST_WORDS


def _name_of(node: ast.AST) -> str | None:
    """The name that a definition or an assignment gives."""
    match node:
        case ast.FunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _skipped(tree: ast.Module) -> set[int]:
    """Docstrings, what is logged, and the parts of f-strings, which are seen as a whole."""
    skipped = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                skipped.add(id(text))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                skipped |= {id(inner) for inner in ast.walk(node)}
            case ast.JoinedStr():
                skipped |= {id(inner) for part in node.values for inner in ast.walk(part)}
    return skipped


def _text_of(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str() as text):
            return text.replace("{", "{{").replace("}", "}}")
        case ast.JoinedStr(values=parts):
            names: dict[str, str] = {}
            return "".join(_part(part, names) for part in parts)
    return None


def _part(part: ast.expr, names: dict[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value).replace("{", "{{").replace("}", "}}")
    assert isinstance(part, ast.FormattedValue)
    source = ast.unparse(part.value)
    if source not in names:
        name = _blank(part.value)
        while name in names.values():
            name += "_"
        names[source] = name
    return f"{{{names[source]}}}"


def _blank(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
    return "value"


if __name__ == "__main__":
    write_translations()
