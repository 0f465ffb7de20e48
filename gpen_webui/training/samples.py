"""Training samples from aligned faces: moved, in another light, aged, and then damaged.

Every random number comes from (seed, step, place in the batch). A sample is thus the same
whether the training ran through or was interrupted, and whatever thread or process made it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from gpen_webui.training.clutter import clutter, hold_hand_to, put_on_hat
from gpen_webui.training.degrade import change_tonality, degrade
from gpen_webui.training.face_mesh import OutlineFinder, Outlines
from gpen_webui.training.faces import read_face, to_tensor
from gpen_webui.training.light import relight
from gpen_webui.training.made_ahead import MadeAhead
from gpen_webui.training.old_print import age

SPARE = 1.25  # faces are kept larger than the crop, so that turning one loses no detail
MAX_TURN_DEGREES, MAX_ZOOM, MAX_SHIFT = 8.0, 0.08, 0.03  # a detector's error, and a bit more
MAX_STRETCH, MAX_SHEAR = 0.06, 0.05  # a head turned up, down or aside is seen shorter
# Of the faces: what is around and in front of them, in what light, and how many become old prints.
CLUTTERED_SHARE, HAT_SHARE, HAND_SHARE, LIGHT_SHARE, PRINT_SHARE = 0.2, 0.05, 0.05, 0.3, 0.25


class Batch(NamedTuple):
    """inputs, truths: (B,3,S,S) in [-1,1], damaged and true. features: (B,1,S,S) in [0,1], where
    eyes (1) and lips (0.5) lie, all 0 on a face whose features were not found."""

    inputs: Tensor
    truths: Tensor
    features: Tensor


class Samples:
    """Batches of degraded and true faces, made ahead.

    batch(step) is a pure function of the step; the steps may be asked for in any order.
    """

    def __init__(self, files: list[Path], size: int, batch: int, seed: int, processes: int = 0):
        """processes: that make batches beside each other; 0 for one thread, which leaves the
        cores to a training on the CPU."""
        self._maker = SampleMaker(files, size, batch, seed)
        self._made = MadeAhead(self._maker, processes)

    def batch(self, step: int) -> Batch:
        """What a step is trained on."""
        inputs, truths, features = self._made.at(step)
        return Batch(to_tensor(inputs), to_tensor(truths), torch.from_numpy(features)[:, None])

    def close(self) -> None:
        self._made.close()


class SampleMaker:
    """Makes the batch of a step when called.

    A file that is given several times is kept in memory once.
    """

    def __init__(self, files: list[Path], size: int, batch: int, seed: int):
        self.size, self._batch, self._seed = size, batch, seed
        unique = list(dict.fromkeys(files))
        self._faces = np.stack([read_face(file, round(size * SPARE)) for file in unique])
        places = {file: place for place, file in enumerate(unique)}
        self._places = np.array([places[file] for file in files])
        finder = OutlineFinder()
        self._outlines = [finder.outlines(face) for face in self._faces]

    def __call__(self, step: int) -> tuple[np.ndarray, ...]:
        """Inputs and truths (B,S,S,3) in levels and features (B,S,S)."""
        samples = [self._sample(step, place) for place in range(self._batch)]
        return tuple(np.stack(parts) for parts in zip(*samples, strict=True))

    def _sample(self, step: int, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The input (S,S,3), the truth (S,S,3) and the features (S,S)."""
        rng = np.random.default_rng((self._seed, step, place))
        truth, worn, outlines = self.truth(self.number_at(step, place), rng)
        features = outlines.drawn(self.size) if outlines else np.zeros(truth.shape[:2], np.float32)
        return degrade(worn, rng), truth, features

    def truth(
        self, number: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, Outlines | None]:
        """A face, moved and in another light, as it is to be: (S,S,3) float32, 0-255; the same as
        a worn print, which it is where it became none; and where its features lie."""
        face, outlines = self._crop(self._faces[number], self._outlines[number], rng)
        for share, change in _SCENES:
            if rng.random() < share:
                face = change(face, rng)
        if rng.random() < PRINT_SHARE:
            truth, worn = age(face, rng)
        else:
            truth = worn = change_tonality(face, rng)
        return truth, worn, outlines

    def number_at(self, step: int, place: int) -> int:
        """Every face once per round, each round in its own order."""
        turn, position = divmod(step * self._batch + place, len(self._places))
        order = np.random.default_rng((self._seed, turn)).permutation(len(self._places))
        return int(self._places[order[position]])

    def _crop(
        self, face: np.ndarray, outlines: Outlines | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, Outlines | None]:
        """Turned, zoomed, shifted and mirrored a little, as a detector's errors would.

        And stretched and sheared, as heads that are turned up, down or aside are seen.
        """
        centre = (face.shape[0] - 1) / 2
        turn = rng.normal(0, MAX_TURN_DEGREES / 2)
        zoom = (1 + rng.uniform(-MAX_ZOOM, MAX_ZOOM)) / SPARE
        matrix = cv2.getRotationMatrix2D((0, 0), turn, zoom)
        stretch = 1 + rng.uniform(-MAX_STRETCH, MAX_STRETCH)
        shape = np.array(((1, rng.uniform(-MAX_SHEAR, MAX_SHEAR)), (0, stretch)))
        matrix[:, :2] = matrix[:, :2] @ shape
        matrix[:, 2] = (self.size - 1) / 2 - matrix[:, :2] @ (centre, centre)
        matrix[:, 2] = matrix[:, 2] + rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * self.size
        if rng.random() < 0.5:
            matrix = np.array(((-1, 0, self.size - 1), (0, 1, 0))) @ np.vstack((matrix, (0, 0, 1)))
        crop = cv2.warpAffine(
            face,
            matrix,
            (self.size, self.size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return crop.astype(np.float32), outlines and outlines.moved(matrix)


_SCENES = (
    (CLUTTERED_SHARE, clutter),
    (HAT_SHARE, put_on_hat),
    (HAND_SHARE, hold_hand_to),
    (LIGHT_SHARE, relight),
)
