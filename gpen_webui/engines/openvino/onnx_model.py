"""Networks of others that came as ONNX graphs, and comparisons with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov

from gpen_webui.engines.openvino.core import CORE
from gpen_webui.engines.quality import psnr, real_crops
from gpen_webui.gpen.onnx_file import crop_size_of, read_onnx
from gpen_webui.gpen.weight_files import CheckpointError

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
ELEMENTS_PER_PIXEL = 64  # that any layer may have; gpen-bfr-2048 has 32
ELEMENTS_AT_LEAST = 1 << 26
SAME_FACE_PSNR = 14.0  # dB between a good photo of a face and what a network makes of it


def read_onnx_model(path: Path, name: str | None = None) -> ov.Model:
    """An ONNX file as a graph for one crop (1,3,S,S) float32 RGB in [-1,1], and out alike.

    name: what errors call it. Raises CheckpointError where it is anything else, or would take far
    more memory than GPEN.
    """
    name = name or path.name
    size = crop_size_of(read_onnx(path, name), name)
    try:
        model = CORE.read_model(path)
        model.reshape([1, 3, size, size])
        shapes = [output.get_partial_shape() for op in model.get_ops() for output in op.outputs()]
    except RuntimeError as error:
        raise CheckpointError(
            f"{name} uses operations that OpenVINO cannot run; choose another model."
        ) from error
    most = max(ELEMENTS_AT_LEAST, ELEMENTS_PER_PIXEL * size * size)
    if any(shape.is_static and np.prod(shape.to_shape(), dtype=float) > most for shape in shapes):
        raise CheckpointError(
            f"{name} would take far more memory than a model for crops of {size} px should, "
            "so it was not run; choose another model."
        )
    if model.output(0).get_partial_shape() != ov.PartialShape([1, 3, size, size]):
        raise CheckpointError(f"{name} does not give crops of {size} px; choose another.")
    return model


def run_onnx(path: Path, crops: np.ndarray, name: str) -> np.ndarray:
    """What an ONNX file makes of crops (N,3,S,S) float32, computed in float32. name: what errors
    call it. Raises CheckpointError."""
    try:
        compiled = CORE.compile_model(read_onnx_model(path, name), "CPU", EXACT)
        request = compiled.create_infer_request()
        return np.concatenate([request.infer([crop[None]])[0].copy() for crop in crops])
    except RuntimeError as error:
        raise CheckpointError(f"{name} cannot be run by OpenVINO; choose another model.") from error


def same_face_psnr(restored: np.ndarray, size: int) -> float:
    """How close a network's answer (3,S,S) to the good crop of the check is to it, in dB."""
    return psnr(restored, real_crops(size)[0])


def not_the_same_face(name: str) -> CheckpointError:
    """The refusal of a network that takes or gives something else than pictures of faces."""
    return CheckpointError(
        f"{name} does not give back the face that it is shown, so it is no model of faces, or one "
        "that takes and gives other numbers than RGB from -1 to 1; choose another model."
    )
