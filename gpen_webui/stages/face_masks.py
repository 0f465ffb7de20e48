"""Which parts of restored faces are face, so that only these are blended in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Hashable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gpen_webui.faces.parts import soft_mask
from gpen_webui.models.parsing import parsing_model
from gpen_webui.options import RestoreOptions
from gpen_webui.parsing.recognise import SIDE
from gpen_webui.stages.base import FoundFaces, Intermediates, NetworkResult, WorkingPhoto, key_for
from gpen_webui.states import Stage

if TYPE_CHECKING:
    from gpen_webui.engines.face_parser import FaceParser
    from gpen_webui.models.folder import InstalledModel

log = logging.getLogger(__name__)

OpenFaceParser = Callable[["InstalledModel"], "FaceParser"]
# For a face that is not recognised: all within the feather counts.
EVERYTHING = np.ones((1, 1), np.float32)


class FaceMasks:
    """ParseNet's masks; it is opened when a photo first asks for them. Thread-safe.

    models: the folder in which it lies.
    """

    def __init__(self, open_parser: OpenFaceParser, models: Path):
        self._open = open_parser
        self._models = models
        self._parser: FaceParser | None = None
        self._lock = Lock()

    def of(
        self, working: WorkingPhoto, found: FoundFaces, restored: dict[int, np.ndarray]
    ) -> Generator[str, None, dict[int, np.ndarray]]:
        """Masks (m,m) float32, 0-1, of restored faces (S,S,3) float32 RGB, 0-255, both by their
        place in `found.kept`. Faces that are not recognised are told in `working.warnings`.

        Raises ModelError, CheckpointError or EngineError where ParseNet cannot be used.
        """
        masks = {}
        for place, face in restored.items():
            key = _key(working.options, found.matrices[place])
            mask = working.intermediates.get(key)
            if mask is None:
                yield Stage.NETWORK
                with working.clock.stage(Stage.NETWORK):
                    mask = self._mask_of(face)
                working.intermediates.put(key, mask, mask.nbytes)
            if mask.shape == EVERYTHING.shape:
                number = found.kept[place] + 1
                working.warnings.append(
                    f"ParseNet sees no face in face {number}; that one is blended in with a soft "
                    "edge around it."
                )
            masks[place] = mask
        yield Stage.BLEND
        return masks

    def kept(
        self,
        reuse: Intermediates,
        options: RestoreOptions,
        network: NetworkResult,
        places: list[int],
    ) -> dict[int, np.ndarray]:
        """Those of the masks of these faces that an earlier run with these options has kept."""
        found = {i: reuse.get(_key(options, network.found.matrices[i])) for i in places}
        return {i: mask for i, mask in found.items() if mask is not None}

    def close(self) -> None:
        """Free the network."""
        with self._lock:
            if self._parser:
                self._parser.close()
            self._parser = None

    def _mask_of(self, face: np.ndarray) -> np.ndarray:
        method = cv2.INTER_AREA if len(face) > SIDE else cv2.INTER_LINEAR
        shown = cv2.resize(face, (SIDE, SIDE), interpolation=method) / 127.5 - 1
        (classes,) = self._opened().run(shown.transpose(2, 0, 1)[None].astype(np.float32))
        mask = soft_mask(classes)
        return EVERYTHING if mask is None else mask

    def _opened(self) -> FaceParser:
        with self._lock:
            if self._parser is None:
                self._parser = self._open(parsing_model(self._models))
                log.info("%s", self._parser.description)
            return self._parser


def _key(options: RestoreOptions, matrix: np.ndarray) -> Hashable:
    return key_for(Stage.NETWORK, options, "parts", matrix.tobytes())
