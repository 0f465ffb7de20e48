"""What every engine does, and what a network's input looks like.

An engine owns its threads: callers may use any number of threads of their own and get the
same bytes for the same crop, whatever else is being computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from gpen_webui.enlarging.tiles import TileShape
from gpen_webui.errors import UserError


class EngineError(UserError):
    """The requested device or precision cannot be used."""


class Engine(ABC):
    """A network that is ready to run.

    size: side of the crops in pixels. description: one sentence for the user, what was
    picked and why. threads: how many cores it computes on. streams: how many crops it works
    on at once.
    """

    size: int
    description: str
    threads: int
    streams: int

    @abstractmethod
    def run(self, crops: np.ndarray) -> np.ndarray:
        """Restore crops (N,3,S,S) float32 RGB in [-1,1]; same shape and type, not clipped.

        May be called from many threads at once. Each crop's result depends on that crop
        only, to the last bit. Raises RuntimeError once the engine is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the weights and threads. May be called twice."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class TileEngine(ABC):
    """A network that enlarges tiles of photos, ready to run.

    shape: of the tiles. description: one sentence for the log, what was picked and why.
    streams: how many tiles it works on at once.
    """

    shape: TileShape
    description: str
    streams: int

    @abstractmethod
    def run(self, tiles: np.ndarray) -> np.ndarray:
        """Enlarge tiles (N,3,h,w) float32 RGB in [0,1], of the sizes that `shape` allows; returns
        what they show without their margins, enlarged, not clipped.

        May be called from many threads at once. Each tile's result depends on that tile only, to
        the last bit. Raises RuntimeError once the engine is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the weights. May be called twice."""


def check_shape(crops: np.ndarray, size: int) -> None:
    """Raises ValueError where `crops` are not what `Engine.run` takes."""
    if crops.ndim != 4 or crops.shape[1:] != (3, size, size) or crops.dtype != np.float32:
        raise ValueError(
            f"crops must be (N, 3, {size}, {size}) float32, not {crops.shape} {crops.dtype}"
        )
