"""Weight files and ONNX graphs of the user's own, brought into the models folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpen_webui.models.folder import InstalledModel, ModelError, name_of
from gpen_webui.models.importing import bring_in, import_model
from gpen_webui.models.published import published_model
from gpen_webui.models.records import hash_file

SAME = 1e-3  # of the standard deviation: more than rounding, less than any wrong weight


@dataclass(frozen=True)
class Imported:
    """remark: what the user should know of it, or "" ."""

    model: InstalledModel
    remark: str = ""


def import_weights(file: Path, models: Path, name: str | None = None) -> Imported:
    """Add a weight file, or an ONNX graph: as weights of our own network where they can be read
    out of it and give the same result, else as it is.

    name: what the file is called, if not as on the disk. Raises ModelError, CheckpointError.
    """
    name = name or file.name
    if Path(name).suffix.lower() != ".onnx":
        return Imported(import_model(file, models, name))
    if not file.is_file():
        raise ModelError(f"{file} cannot be opened; check the path.")
    known = _known_as(file, name)
    state = _weights_of(file, name)
    if state is None:
        _check_face(file, name)
        model = import_model(file, models, name)
        how = "It is no GPEN network, so it runs as it is: on the CPU, in float32."
        return Imported(model, f"{known}{how}")
    from gpen_webui.gpen.checkpoint import save_checkpoint

    target = f"{name_of(Path(name))}.safetensors"
    model = bring_in(models, target, lambda path: save_checkpoint(path, state))
    return Imported(model, f"{known}Its weights were taken over into {target}.")


def _weights_of(file: Path, name: str) -> dict | None:
    """The weights under their published names; None where our network would not give the same."""
    import torch

    from gpen_webui.engines.openvino.onnx_model import run_onnx
    from gpen_webui.engines.quality import real_crops
    from gpen_webui.gpen.network import GPEN
    from gpen_webui.gpen.onnx_file import read_onnx
    from gpen_webui.gpen.onnx_weights import NotGpenError, weights_from_onnx

    try:
        config, state = weights_from_onnx(read_onnx(file, name))
    except NotGpenError:
        return None
    with torch.device("meta"):
        network = GPEN(config)
    network.load_state_dict(state, strict=True, assign=True)
    crop = real_crops(config.size)[1:2]
    with torch.inference_mode():
        ours = network(torch.from_numpy(crop)).numpy()
    difference = np.abs(run_onnx(file, crop, name) - ours).max()
    return state if difference <= SAME * ours.std() else None


def _check_face(file: Path, name: str) -> None:
    from gpen_webui.engines.openvino.onnx_model import (
        SAME_FACE_PSNR,
        not_the_same_face,
        run_onnx,
        same_face_psnr,
    )
    from gpen_webui.engines.quality import real_crops
    from gpen_webui.gpen.onnx_file import crop_size_of, read_onnx

    size = crop_size_of(read_onnx(file, name), name)
    restored = run_onnx(file, real_crops(size)[:1], name)[0]
    if same_face_psnr(restored, size) < SAME_FACE_PSNR:
        raise not_the_same_face(name)


def _known_as(file: Path, name: str) -> str:
    """Whether it is the ONNX file that is known under its name."""
    entry = published_model(name_of(Path(name)))
    if entry is None or entry.onnx_sha256 is None:
        return ""
    if hash_file(file) == entry.onnx_sha256:
        return f"This is the known ONNX form of {entry.name}. "
    return f"This is not the known ONNX form of {entry.name}, but another file of that name. "
