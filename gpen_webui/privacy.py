"""Nothing leaves this machine, and nothing is left in the user's folders.

Some libraries report their use to their makers or keep caches in the home folder. This is
switched off before any of them is imported: the package itself imports this module first.
Child processes inherit it by their environment, and by importing the package themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

from gpen_webui.folders import CACHE

# Importing one of these raises ImportError from now on; what would use it goes on without.
# OpenVINO's package is not asked to be silent: an opt-out would be a file in the home folder.
# Its model converter is what would use that; without it OpenVINO is also imported in half the time.
_REPORTING_MODULES = ("openvino_telemetry", "openvino.tools.ovc")

_SWITCHES = {
    "DO_NOT_TRACK": "1",  # the convention that many tools heed
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face's libraries
}
_CACHES = {
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
}


def keep_private(
    modules: MutableMapping[str, object] = sys.modules,  # type: ignore[assignment]  # see below
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Switch reporting off and send caches to the program's own folder.

    A cache folder that the user has chosen stays.
    """
    for name in _REPORTING_MODULES:
        modules[name] = None  # Python's way to bar an import; the type stubs know no None
    environment.update(_SWITCHES)
    for variable, folder in _CACHES.items():
        environment.setdefault(variable, str(CACHE / folder))
