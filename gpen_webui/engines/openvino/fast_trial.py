"""The process that tries the fast mode: MODEL_FILE MODELS_FOLDER.

What it compiles for that stays in the cache, so that whoever wants the fast mode need not wait.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpen_webui.child_process import leave_ending_to_parent
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.fast_mode import KeptFastMode
from gpen_webui.engines.openvino.engine import settings_for
from gpen_webui.engines.openvino.fast import try_fast_mode
from gpen_webui.engines.openvino.graph_variants import VariantOpener
from gpen_webui.models.installed import find_model


def main(file: str, models: Path) -> None:
    """Measure and keep it. Raises UserError where the model cannot be used."""
    model, cache = find_model(file, models), models / ".cache"
    opener = VariantOpener(model, cache, lambda variant: settings_for(1, cpu_cores()))
    KeptFastMode(cache, model.sha256).keep(try_fast_mode(opener))


if __name__ == "__main__":
    leave_ending_to_parent()
    if hasattr(os, "nice"):
        os.nice(19)
    main(sys.argv[1], Path(sys.argv[2]))
