"""Where the program's own files lie: beside the code in a clone, in the user's folders where it
was installed as a package.

BUNDLED: what comes with it, to be read only: `templates`, `static` and the embedded `models`.
DATA: holds `outputs` and `models`, unless settings say otherwise. CACHE: what libraries keep for
their next start; safe to delete. IMPORTED_FROM: what a child's PYTHONPATH needs to hold.
COMMAND: what a user types to start the program.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
IMPORTED_FROM = _PACKAGE.parent

if (IMPORTED_FROM / "run.sh").is_file():  # a clone
    BUNDLED = DATA = IMPORTED_FROM
    CACHE = IMPORTED_FROM / ".cache"
    COMMAND = "run.bat" if os.name == "nt" else "./run.sh"
    _TO_GET_EXTRA = f"start it with `{COMMAND} {{extra}}`, which installs what is missing"
else:
    from platformdirs import user_cache_path, user_data_path

    BUNDLED = _PACKAGE / "bundled"
    DATA = user_data_path("gpen-webui", appauthor=False)
    CACHE = user_cache_path("gpen-webui", appauthor=False)
    COMMAND = "gpen-webui"
    _TO_GET_EXTRA = "install it with `python -m pip install 'gpen-webui[{extra}]'`"


def to_get_extra(extra: str) -> str:
    """What a user does where the libraries of `bench` or `train` are missing: half a sentence."""
    return _TO_GET_EXTRA.format(extra=extra)
