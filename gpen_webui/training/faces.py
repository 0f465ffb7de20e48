"""A folder of aligned faces: who is in it, who is held out, and training samples from it.

Every random number comes from (seed, step, place in the batch). A sample is thus the same
whether the training ran through or was interrupted, and whatever thread made it.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.training.clutter import clutter
from gpen_webui.training.degrade import change_tonality, degrade

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PERSON_SEPARATOR = "--"  # `0007--wedding.png`: person 0007; without it every file is a person
HELD_OUT_OF_256 = 26  # about a tenth of the people are never trained on
SPARE = 1.25  # faces are kept larger than the crop, so that turning one loses no detail
MAX_TURN_DEGREES, MAX_ZOOM, MAX_SHIFT = 8.0, 0.08, 0.03  # a detector's error, and a bit more
CLUTTERED_SHARE = 0.2  # of the faces


class FacesError(UserError):
    """The folder of faces cannot be used; the sentence says why and what to do."""


def list_faces(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files to train on and those of the held-out people, each in the order of names.

    Who is held out depends on the person's name alone: it stays so when faces are added. Of
    a few people, none of whom that picks, one is held out.
    Raises FacesError where the folder does not exist or holds no face.
    """
    if not folder.is_dir():
        raise FacesError(f"{folder} is no folder; make it with `./run.sh train prepare`.")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FacesError(f"{folder} holds no faces; fill it with `./run.sh train prepare`.")
    people = {person_of(file) for file in files}
    held_out = {person for person in people if _draw(person) < HELD_OUT_OF_256}
    if not held_out and len(people) > 1:
        held_out = {min(people, key=lambda person: (_draw(person), person))}
    return (
        [file for file in files if person_of(file) not in held_out],
        [file for file in files if person_of(file) in held_out],
    )


def person_of(file: Path) -> str:
    """Who is on a face's file, by its name."""
    return file.stem.split(PERSON_SEPARATOR)[0]


def _draw(person: str) -> int:
    """A number from 0 to 255 that depends on the name alone."""
    return hashlib.sha256(person.encode()).digest()[0]


def read_face(file: Path, size: int) -> np.ndarray:
    """A face file as (size,size,3) uint8 RGB, shrunk without aliasing.

    Raises FacesError where it is no square picture or damaged.
    """
    bgr = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None or bgr.shape[0] != bgr.shape[1]:
        raise FacesError(f"{file.name} is no square picture; prepare the faces anew.")
    filter_ = cv2.INTER_AREA if bgr.shape[0] > size else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(bgr, (size, size), interpolation=filter_)[:, :, ::-1])


def to_tensor(faces: np.ndarray) -> Tensor:
    """(N,S,S,3) levels 0-255 -> (N,3,S,S) float32 in [-1,1], channels last in memory."""
    return torch.from_numpy(faces.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


class Samples:
    """Batches of (degraded, true) faces, made ahead by one thread.

    batch(step) is a pure function of the step; the steps may be asked for in any order.
    """

    def __init__(self, files: list[Path], size: int, batch: int, seed: int):
        self.size, self._batch, self._seed = size, batch, seed
        self._faces = np.stack([read_face(file, round(size * SPARE)) for file in files])
        self._pool = ThreadPoolExecutor(1, "samples")
        self._ahead: dict[int, Future] = {}

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The inputs and the truths of a step, each (B,3,S,S) in [-1,1]."""
        future = self._ahead.pop(step, None) or self._pool.submit(self._make, step)
        if step + 1 not in self._ahead:
            self._ahead[step + 1] = self._pool.submit(self._make, step + 1)
        inputs, truths = future.result()
        return to_tensor(inputs), to_tensor(truths)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _make(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = [self._pair(step, place) for place in range(self._batch)]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])

    def _pair(self, step: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self._seed, step, place))
        face = self._crop(self._face_at(step, place), rng)
        if rng.random() < CLUTTERED_SHARE:
            face = clutter(face, rng)
        truth = change_tonality(face, rng)
        return degrade(truth, rng), truth

    def _face_at(self, step: int, place: int) -> np.ndarray:
        """Every face once per round, each round in its own order."""
        turn, position = divmod(step * self._batch + place, len(self._faces))
        order = np.random.default_rng((self._seed, turn)).permutation(len(self._faces))
        return self._faces[order[position]]

    def _crop(self, face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Turned, zoomed, shifted and mirrored a little, as a detector's errors would."""
        centre = (face.shape[0] - 1) / 2
        turn = rng.normal(0, MAX_TURN_DEGREES / 2)
        zoom = (1 + rng.uniform(-MAX_ZOOM, MAX_ZOOM)) / SPARE
        matrix = cv2.getRotationMatrix2D((centre, centre), turn, zoom)
        matrix[:, 2] += (self.size - 1) / 2 - centre
        matrix[:, 2] += rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * self.size
        crop = cv2.warpAffine(
            face,
            matrix,
            (self.size, self.size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return (crop[:, ::-1] if rng.random() < 0.5 else crop).astype(np.float32)
