"""The documents' table of options, made from the descriptors.

`python -m tests.option_tables` writes it anew into README.md.
"""

from pathlib import Path

from gpen_webui.options import DEFAULTS, OPTIONS, Switch

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = (
    "<!-- options: made by python -m tests.option_tables -->\n",
    "<!-- end of options -->\n",
)


def option_table() -> str:
    """A Markdown table with a row for each option."""
    rows = ["| option | values (default) | what it does |", "|---|---|---|"]
    for name, option in OPTIONS.items():
        flag = name.replace("_", "-")
        default = DEFAULTS[name]
        if isinstance(option, Switch):
            default = "on" if default else "off"
        unit = f" {option.unit}" if getattr(option, "unit", "") else ""
        flags = f"`--{flag}`, `--no-{flag}`" if isinstance(option, Switch) else f"`--{flag}`"
        rows.append(f"| {flags} | {option.values()}{unit} ({default}) | {option.help} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    """The text of a document with today's table between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + option_table() + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
