"""The documents' tables of options, made from the descriptors.

`python -m tests.option_tables` writes them anew into README.md and docs/http-api.md.
"""

from pathlib import Path

from gpen_webui.options import DEFAULTS, OPTIONS, Option, Switch

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = (
    "<!-- options: made by python -m tests.option_tables -->\n",
    "<!-- end of options -->\n",
)
# What the page offers outside its form: beside each face, and by a brush.
BESIDE_FORM = (
    "preset",
    "rotate",
    "crop",
    "mask",
    "not_faces",
    "face_strength",
    "face_mode",
    "face_boxes",
    "add_face",
)


def command_line_table() -> str:
    """A Markdown table of the options as the command line takes them, and the page shows them."""
    rows = ["| option | values (default) | what it does |", "|---|---|---|"]
    for name, option in OPTIONS.items():
        flag = name.replace("_", "-")
        flags = f"`--{flag}`, `--no-{flag}`" if isinstance(option, Switch) else f"`--{flag}`"
        is_on_page = option.label or name in BESIDE_FORM
        where = option.help if is_on_page else f"{option.help} (not on the page)"
        rows.append(f"| {flags} | {_values(name, option)} | {where} |")
    return "\n".join(rows) + "\n"


def api_table() -> str:
    """A Markdown table of the options as the HTTP API takes them."""
    rows = ["| option | values (default) | what it does |", "|---|---|---|"]
    for name, option in OPTIONS.items():
        rows.append(f"| `{name}` | {_values(name, option)} | {option.help} |")
    return "\n".join(rows) + "\n"


TABLES = {"README.md": command_line_table, "docs/http-api.md": api_table}


def _values(name: str, option: Option) -> str:
    default = DEFAULTS[name]
    if isinstance(option, Switch):
        default = "on" if default else "off"
    default = "none" if default == "" else default
    unit = f" {option.unit}" if getattr(option, "unit", "") else ""
    return f"{option.values()}{unit} ({default})" if default != "" else option.values()


def with_table(text: str, table: str) -> str:
    """The text of a document with a table between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table + END + after


def write_tables() -> None:
    """Bring the table of each document up to date."""
    for name, table in TABLES.items():
        document = ROOT / name
        text = document.read_text(encoding="utf-8")
        document.write_text(with_table(text, table()), encoding="utf-8")


if __name__ == "__main__":
    write_tables()
