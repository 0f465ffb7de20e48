"""Sets of aligned faces: who is in them, who is held out, and training samples from them.

Every random number comes from (seed, step, place in the batch). A sample is thus the same
whether the training ran through or was interrupted, and whatever thread made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND
from gpen_webui.training.clutter import clutter, hold_hand_to, put_on_hat
from gpen_webui.training.degrade import change_tonality, degrade
from gpen_webui.training.face_mesh import FaceMesh, Outlines
from gpen_webui.training.light import relight
from gpen_webui.training.old_print import age

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PERSON_SEPARATOR = "--"  # `0007--wedding.png`: person 0007; without it every file is a person
HELD_OUT_OF_256 = 26  # about a tenth of the people are never trained on
HELD_OUT_LIST = "held-out.txt"  # in a folder of faces: who is held out instead, one a line
SPARE = 1.25  # faces are kept larger than the crop, so that turning one loses no detail
MAX_TURN_DEGREES, MAX_ZOOM, MAX_SHIFT = 8.0, 0.08, 0.03  # a detector's error, and a bit more
MAX_STRETCH, MAX_SHEAR = 0.06, 0.05  # a head turned up, down or aside is seen shorter
# Of the faces: what is around and in front of them, in what light, and how many become old prints.
CLUTTERED_SHARE, HAT_SHARE, HAND_SHARE, LIGHT_SHARE, PRINT_SHARE = 0.2, 0.05, 0.05, 0.3, 0.25


class FacesError(UserError):
    """The folder of faces cannot be used; the sentence says why and what to do."""


def list_faces(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files to train on and those of the held-out people, each in the order of names.

    Who is held out depends on the person's name alone: it stays so when faces are added. Of
    a few people, none of whom that picks, one is held out. Where the folder has a HELD_OUT_LIST,
    that says who.
    Raises FacesError where the folder does not exist or holds no face.
    """
    if not folder.is_dir():
        raise FacesError(f"{folder} is no folder; make it with `{COMMAND} train prepare`.")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise FacesError(f"{folder} holds no faces; fill it with `{COMMAND} train prepare`.")
    people = {person_of(file) for file in files}
    held_out = _held_out(folder, people)
    return (
        [file for file in files if person_of(file) not in held_out],
        [file for file in files if person_of(file) in held_out],
    )


@dataclass(frozen=True)
class FaceSet:
    """A folder of faces, its files split by person. name: the folder's."""

    name: str
    training: list[Path]
    held_out: list[Path]


def open_sets(folders: Sequence[Path]) -> list[FaceSet]:
    """The sets in these folders, each as `list_faces` splits it.

    Raises FacesError where one cannot be used, holds nobody to train on or to hold out, or where
    two have the same name.
    """
    sets = [FaceSet(folder.resolve().name, *list_faces(folder)) for folder in folders]
    for folder, faces in zip(folders, sets, strict=True):
        if not faces.training or not faces.held_out:
            raise FacesError(
                f"{folder} holds too few people to hold some out for validation; "
                "add faces of more people."
            )
    names = [faces.name for faces in sets]
    for name in names:
        if names.count(name) > 1:
            raise FacesError(f"Two folders of faces are named {name}; rename one of them.")
    return sets


def balanced(sets: Sequence[FaceSet]) -> list[Path]:
    """The files to train on, those of small sets several times.

    A set's share of the samples grows with the root of its size: a small one is neither lost
    among the others nor learned by heart.
    """
    largest = max(len(faces.training) for faces in sets)
    files = []
    for faces in sets:
        files += faces.training * round((largest / len(faces.training)) ** 0.5)
    return files


def person_of(file: Path) -> str:
    """Who is on a face's file, by its name."""
    return file.stem.split(PERSON_SEPARATOR)[0]


def _held_out(folder: Path, people: set[str]) -> set[str]:
    listed = folder / HELD_OUT_LIST
    if listed.exists():
        return people & set(listed.read_text(encoding="utf-8").split())
    held_out = {person for person in people if _draw(person) < HELD_OUT_OF_256}
    if not held_out and len(people) > 1:
        held_out = {min(people, key=lambda person: (_draw(person), person))}
    return held_out


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


class Batch(NamedTuple):
    """inputs, truths: (B,3,S,S) in [-1,1], damaged and true. features: (B,1,S,S) in [0,1], where
    eyes (1) and lips (0.5) lie, all 0 on a face whose features were not found."""

    inputs: Tensor
    truths: Tensor
    features: Tensor


class Samples:
    """Batches of degraded and true faces, made ahead by one thread.

    batch(step) is a pure function of the step; the steps may be asked for in any order. A file
    that is given several times is kept in memory once.
    """

    def __init__(self, files: list[Path], size: int, batch: int, seed: int):
        self.size, self._batch, self._seed = size, batch, seed
        unique = list(dict.fromkeys(files))
        self._faces = np.stack([read_face(file, round(size * SPARE)) for file in unique])
        places = {file: place for place, file in enumerate(unique)}
        self._places = np.array([places[file] for file in files])
        mesh = FaceMesh()
        self._outlines = [mesh.outlines(face) for face in self._faces]
        self._pool = ThreadPoolExecutor(1, "samples")
        self._ahead: dict[int, Future] = {}

    def batch(self, step: int) -> Batch:
        """What a step is trained on."""
        future = self._ahead.pop(step, None) or self._pool.submit(self._make, step)
        if step + 1 not in self._ahead:
            self._ahead[step + 1] = self._pool.submit(self._make, step + 1)
        inputs, truths, features = future.result()
        return Batch(to_tensor(inputs), to_tensor(truths), torch.from_numpy(features)[:, None])

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _make(self, step: int) -> tuple[np.ndarray, ...]:
        samples = [self._sample(step, place) for place in range(self._batch)]
        return tuple(np.stack(parts) for parts in zip(*samples, strict=True))

    def _sample(self, step: int, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The input (S,S,3), the truth (S,S,3) and the features (S,S)."""
        rng = np.random.default_rng((self._seed, step, place))
        number = self._number_at(step, place)
        face, outlines = self._crop(self._faces[number], self._outlines[number], rng)
        for share, change in _SCENES:
            if rng.random() < share:
                face = change(face, rng)
        if rng.random() < PRINT_SHARE:
            truth, worn = age(face, rng)
        else:
            truth = worn = change_tonality(face, rng)
        features = outlines.drawn(self.size) if outlines else np.zeros(face.shape[:2], np.float32)
        return degrade(worn, rng), truth, features

    def _number_at(self, step: int, place: int) -> int:
        """Every face once per round, each round in its own order."""
        turn, position = divmod(step * self._batch + place, len(self._places))
        order = np.random.default_rng((self._seed, turn)).permutation(len(self._places))
        return self._places[order[position]]

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
        matrix[:, 2] += rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * self.size
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
