"""What runs CenterFace's network: OpenVINO, which takes half of OpenCV's time, and a fourth of it
in 8 bits; OpenCV elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from threading import Lock
from typing import Protocol

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.thread_network import ThreadNetwork

OUTPUTS = ("537", "538", "539", "540")  # heat map, log size / 4, offset, landmarks


class DetectorError(UserError):
    """The detector's weights are missing or damaged."""


class RunsPictures(Protocol):
    """Gives a network's outputs (1,C,h,w) float32 for a picture (H,W,3) uint8 RGB."""

    def run(self, pixels: np.ndarray) -> list[np.ndarray]: ...

    def free_memory(self) -> None: ...


class CenterFaceNetwork:
    """Opened with the first picture; may be called from many threads.

    ranges: a file of them, see PictureNetwork. Raises DetectorError where the weights are missing.
    """

    def __init__(self, weights: Path, ranges: Path | None, workers: int, cache: Path | None):
        self._weights, self._ranges = weights, ranges
        self._workers, self._cache = workers, cache
        self._opening = Lock()
        self._opened: RunsPictures | None = None
        if not weights.is_file():
            raise DetectorError(_missing(weights))

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The four outputs (C,H/4,W/4) float32 for a picture (H,W,3) uint8 RGB whose sides are
        multiples of 32. Raises DetectorError where the weights are damaged."""
        return [output[0] for output in self.prepare().run(pixels)]

    def prepare(self) -> RunsPictures:
        """Open it, if that has not been done."""
        with self._opening:
            if self._opened is None:
                try:
                    self._opened = self._open()
                except (OSError, RuntimeError, ValueError, KeyError) as error:
                    raise DetectorError(_damaged(self._weights)) from error
            return self._opened

    def free_memory(self) -> None:
        """Give back what is kept for the next picture."""
        if self._opened:
            self._opened.free_memory()

    def _open(self) -> RunsPictures:
        if importlib.util.find_spec("openvino") is None:
            return OpenCvNetwork(self._weights)
        from gpen_webui.engines.openvino.picture_network import PictureNetwork

        return PictureNetwork(self._weights, self._ranges, workers=self._workers, cache=self._cache)


class OpenCvNetwork:
    """CenterFace's network, one for each thread."""

    def __init__(self, weights: Path):
        self._network = ThreadNetwork(
            weights,
            cv2.dnn.readNetFromONNX,
            DetectorError,
            missing=_missing(weights),
            damaged=_damaged(weights),
        )

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        network = self._network.get()
        network.setInput(cv2.dnn.blobFromImage(pixels))
        return list(network.forward(OUTPUTS))

    def free_memory(self) -> None:
        """Of the calling thread's network."""
        self._network.free()


def _missing(weights: Path) -> str:
    return f"The face detector {weights} is missing; fetch this program's files anew."


def _damaged(weights: Path) -> str:
    return f"The face detector {weights} is damaged; fetch this program's files anew."
