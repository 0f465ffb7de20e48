"""The networks that restore faces, and what they make of crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.faces.align import extract_crop
from gpen_webui.stages.base import NetworkFace
from gpen_webui.stages.face_purposes import purpose_of
from gpen_webui.stages.fidelity_gate import read_fidelity_gate

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine
    from gpen_webui.models.installed import InstalledModel
    from gpen_webui.stages.small_faces import SmallFaces

RunNetwork = Callable[[np.ndarray], np.ndarray]  # crops in, as many restored ones out

FACES_PER_RUN = 8
# Crops and restored faces of one photo that are held at a time; a crowd is done part by part.
HELD_BYTES = 256 << 20
FLAT = 1.0  # a restored face with less contrast than this (standard deviation) is broken


class NetworkError(UserError):
    """The network returned no face."""


class FaceNetwork:
    """One engine, and another for small faces where there is one; thread-safe."""

    def __init__(self, engine: Engine, model: InstalledModel, small_faces: SmallFaces | None):
        self.engine = engine
        self.model = model
        self.small_faces = small_faces
        self.purpose = purpose_of(model.name)
        models = [model, small_faces.model] if small_faces else [model]
        self._gates = {each.name: read_fidelity_gate(each.path) for each in models}

    def model_of(self, matrix: np.ndarray) -> str:
        """The name of the model that restores a face."""
        if self.small_faces and self.small_faces.take(matrix, self.engine.size):
            return self.small_faces.model.name
        return self.model.name

    def most_held(self) -> int:
        """How many faces of a photo are held at a time."""
        bytes_per_face = self.engine.size**2 * 3 * (1 + 4)  # a crop, and a restored one
        return max(FACES_PER_RUN, HELD_BYTES // bytes_per_face)

    def crops(self, pixels: np.ndarray, matrices: list[np.ndarray]) -> list[np.ndarray]:
        """The faces of a photo (H,W,3) uint8, upright: (S,S,3) uint8 each."""
        return [extract_crop(pixels, matrix, self.engine.size) for matrix in matrices]

    def restore(
        self, crops: list[np.ndarray], name: str, matrices: list[np.ndarray] | None = None
    ) -> list[NetworkFace]:
        """What becomes of crops (S,S,3) uint8.

        name: what errors call the photo. matrices: those by which the crops were cut out; None:
        they are whole photos. Raises NetworkError where the network's answer is no picture.
        """
        restored: dict[int, NetworkFace] = {}
        for model, run, wanted in self._networks(crops, matrices):
            for start in range(0, len(wanted), FACES_PER_RUN):
                part = wanted[start : start + FACES_PER_RUN]
                faces = self._run(run, model, [crops[i] for i in part], name)
                restored |= zip(part, faces, strict=True)
        return [restored[i] for i in range(len(crops))]

    def close(self) -> None:
        """Free the engines."""
        self.engine.close()
        if self.small_faces:
            self.small_faces.engine.close()

    def _networks(
        self, crops: list[np.ndarray], matrices: list[np.ndarray] | None
    ) -> list[tuple[InstalledModel, RunNetwork, list[int]]]:
        """The networks that are at hand, and the indices of the crops that each of them takes."""
        everything = range(len(crops))
        small = [
            i
            for i in everything
            if self.small_faces
            and matrices
            and self.small_faces.take(matrices[i], self.engine.size)
        ]
        others = [i for i in everything if i not in small]
        networks: list[tuple[InstalledModel, RunNetwork, list[int]]]
        networks = [(self.model, self.engine.run, others)]
        if self.small_faces:
            networks.append((self.small_faces.model, self.small_faces.run, small))
        return networks

    def _run(
        self, run: RunNetwork, model: InstalledModel, crops: list[np.ndarray], name: str
    ) -> list[NetworkFace]:
        shown = [self.purpose.shown(crop) for crop in crops]
        batch = np.stack(shown).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        restored = run(np.ascontiguousarray(batch))
        faces, gate = [], self._gates[model.name]
        for crop, output in zip(crops, restored, strict=True):
            face = (cv2.merge(tuple(output)) + 1) * 127.5
            if not np.isfinite(face).all() or (face.std() < FLAT < crop.std(dtype=np.float32)):
                raise NetworkError(
                    f"{name}: the model {model.name} returned no picture; choose "
                    "another model, or --precision exact."
                )
            face = self.purpose.taken(crop, np.clip(face, 0, 255))
            faces.append((crop, face, gate.share(crop, face) if gate else 1.0))
        return faces
