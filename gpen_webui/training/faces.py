"""Sets of aligned faces: who is in them and who is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PERSON_SEPARATOR = "--"  # `0007--wedding.png`: person 0007; without it every file is a person
HELD_OUT_OF_256 = 26  # about a tenth of the people are never trained on
HELD_OUT_LIST = "held-out.txt"  # in a folder of faces: who is held out instead, one a line


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


def read_picture(file: Path, least: int = 1) -> np.ndarray:
    """A photo as (H,W,3) uint8 RGB. Raises FacesError where it is damaged or a side is shorter
    than `least` pixels."""
    bgr = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FacesError(f"{file.name} is no picture that can be read; take it out of the folder.")
    if min(bgr.shape[:2]) < least:
        raise FacesError(
            f"{file.name} is too small: both sides need {least} pixels; take it out of the folder."
        )
    return np.ascontiguousarray(bgr[:, :, ::-1])


def to_pixels(faces: Tensor) -> np.ndarray:
    """(N,3,S,S) in [-1,1] -> (N,S,S,3) float32, 0-255: what `to_tensor` was made of."""
    return ((faces.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def to_tensor(faces: np.ndarray) -> Tensor:
    """(N,S,S,3) levels 0-255 -> (N,3,S,S) float32 in [-1,1], channels last in memory."""
    return torch.from_numpy(faces.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
