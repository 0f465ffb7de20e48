"""Pick the device and the library that run a model.

`open_engine` says in `Engine.description` what it picked and why.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_webui.engines.base import Engine, EngineError, TileEngine
from gpen_webui.engines.cores import may_have_gpu
from gpen_webui.settings import DEVICES, PRECISIONS

if TYPE_CHECKING:
    from gpen_webui.engines.face_parser import FaceParser
    from gpen_webui.models.installed import InstalledModel


def open_engine(
    model: InstalledModel,
    *,
    device: str = "auto",
    precision: str = "exact",
    workers: int = 1,
    cache: Path | None = None,
) -> Engine:
    """Make `model` ready to run.

    device: auto, cpu, cuda or mps. precision: exact (float32), fast or auto, see the README.
    workers: how many threads will call `run` at once. cache: folder for compiled models;
    None compiles anew at each start.

    Raises EngineError where the device is missing, and CheckpointError for a bad model file.
    """
    if device not in DEVICES:
        raise EngineError(f"There is no device “{device}”; choose one of {', '.join(DEVICES)}.")
    if precision not in PRECISIONS:
        choices = ", ".join(PRECISIONS)
        raise EngineError(f"There is no precision “{precision}”; choose one of {choices}.")
    if model.path.suffix.lower() == ".onnx":
        return _open_onnx(model, device=device, workers=workers, cache=cache)
    if gpu := _gpu(device):
        from gpen_webui.engines.torch_engine import TorchEngine

        return TorchEngine(model, gpu, precision=precision, cache=cache)
    if importlib.util.find_spec("openvino") is not None:
        from gpen_webui.engines.openvino.engine import OpenVinoEngine

        return OpenVinoEngine(model, precision=precision, workers=workers, cache=cache)
    from gpen_webui.engines.torch_engine import TorchEngine

    return TorchEngine(model, "cpu", precision=precision, cache=cache)


def open_tile_engine(
    model: InstalledModel,
    *,
    device: str = "auto",
    precision: str = "exact",
    workers: int = 1,
    cache: Path | None = None,
) -> TileEngine:
    """Make a network that enlarges ready to run; `model.size` is the side of its tiles.

    Arguments and errors as for `open_engine`; a damaged file raises EnlargingFileError.
    """
    if gpu := _gpu(device):
        from gpen_webui.engines.torch_tile_engine import TorchTileEngine

        return TorchTileEngine(model, gpu, precision=precision, cache=cache)
    if importlib.util.find_spec("openvino") is not None:
        from gpen_webui.engines.openvino.tile_engine import OpenVinoTileEngine

        return OpenVinoTileEngine(model, precision=precision, workers=workers, cache=cache)
    from gpen_webui.engines.torch_tile_engine import TorchTileEngine

    return TorchTileEngine(model, "cpu", precision=precision, cache=cache)


def open_face_parser(model: InstalledModel, *, device: str = "auto") -> FaceParser:
    """Make ParseNet ready to run. device: as for `open_engine`.

    Raises EngineError where the device is missing, CheckpointError for a damaged file.
    """
    from gpen_webui.engines.face_parser import FaceParser

    return FaceParser(model, _gpu(device) or "cpu")


def _gpu(device: str) -> str | None:
    """The GPU to use; None for the CPU. Raises EngineError where the one asked for is missing."""
    if device not in ("cuda", "mps") and not (device == "auto" and may_have_gpu()):
        return None
    from gpen_webui.engines.torch_engine import gpu_device

    gpu = gpu_device(device)
    if gpu is None and device != "auto":
        raise EngineError(f"PyTorch finds no “{device}” device here; choose --device auto.")
    return gpu


def _open_onnx(model: InstalledModel, *, device: str, workers: int, cache: Path | None) -> Engine:
    """A network of others, which only OpenVINO can run."""
    if device not in ("auto", "cpu"):
        raise EngineError(
            f"{model.name} is an ONNX graph, which runs on the CPU alone; choose --device auto."
        )
    if importlib.util.find_spec("openvino") is None:
        raise EngineError(
            f"{model.name} is an ONNX graph, which needs OpenVINO; install that, or choose "
            "another model."
        )
    from gpen_webui.engines.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(model, precision="exact", workers=workers, cache=cache)
