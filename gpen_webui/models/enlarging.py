"""The networks that enlarge and clean whole photos, which come with the program."""

from __future__ import annotations

import hashlib

from gpen_webui.folders import BUNDLED
from gpen_webui.models.folder import InstalledModel, ModelError

TILE_SIDE = 256  # pixels of a photo that are enlarged at a time


def enlarging_model(name: str) -> InstalledModel:
    """The network of this name; `size` is the side of its tiles. Raises ModelError."""
    path = BUNDLED / "models" / f"{name}.safetensors"
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path.name}, which enlarges photos, cannot be read ({error.strerror}); fetch this "
            "program's files anew."
        ) from error
    return InstalledModel(name, path, sha256, TILE_SIDE)
