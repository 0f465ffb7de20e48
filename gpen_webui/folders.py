"""Where the program's own files lie: beside the code in a clone, in the user's folders where it
was installed as a package.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PARENT = _PACKAGE.parent

IS_CLONE = (_PARENT / "app.py").is_file() and (_PARENT / "run.sh").is_file()

if IS_CLONE:
    BUNDLED = DATA = _PARENT
    CACHE = _PARENT / ".cache"
    COMMAND = "run.bat" if os.name == "nt" else "./run.sh"
else:
    from platformdirs import user_cache_path, user_data_path

    BUNDLED = _PACKAGE / "bundled"
    DATA = user_data_path("gpen-webui", appauthor=False)
    CACHE = user_cache_path("gpen-webui", appauthor=False)
    COMMAND = "gpen-webui"

# BUNDLED: read only; holds `templates`, `static` and the embedded `models`.
# DATA: holds `outputs` and `models`, unless settings say otherwise.
# CACHE: what libraries keep for their next start; safe to delete.
# COMMAND: what a user types to start the program.
