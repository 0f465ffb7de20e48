"""The notes that a .safetensors file keeps beside its weights: words by name.

Such a file begins with the length of its table of contents, 8 bytes, and the table, in JSON, in
which the notes stand under `__metadata__`; the tensors follow, at places counted from its end
(https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

from gpen_webui.files.atomic import writing_atomically
from gpen_webui.gpen.weight_files import read_safetensors_table

KEY = "__metadata__"
ALIGNED = 8  # bytes, at a multiple of which the tensors begin


def read_metadata(path: Path) -> dict[str, str]:
    """The notes of a .safetensors file; of one that has none, and of any other file, none.

    Raises OSError.
    """
    with open(path, "rb") as file:
        try:
            notes = read_safetensors_table(file).get(KEY, {})
        except (ValueError, struct.error):
            return {}
    return notes if isinstance(notes, dict) else {}


def copy_with_metadata(source: Path, target: Path, notes: Mapping[str, str]) -> None:
    """Copy a .safetensors file, with these notes beside those that it has.

    Raises OSError, and ValueError or struct.error where it is no such file.
    """
    with open(source, "rb") as file:
        contents = read_safetensors_table(file)
        contents[KEY] = contents.get(KEY, {}) | dict(notes)
        text = json.dumps(contents, ensure_ascii=False).encode()
        text += b" " * (-len(text) % ALIGNED)
        with writing_atomically(target) as copy:
            copy.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(file, copy)
