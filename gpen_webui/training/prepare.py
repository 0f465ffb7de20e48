"""From a heap of photos to a folder of aligned faces worth training on.

Kept are faces with enough pixels that are sharp and not there already, sorted by person:
`0007--wedding-2.jpg` is the second face found in wedding, and person 0007's. People are told
apart by the recogniser, so that nobody is both trained on and measured.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from gpen_webui.faces.align import crop_matrix, extract_crop, scale_of
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.photo import open_photo
from gpen_webui.training.faces import PERSON_SEPARATOR, FacesError, to_tensor
from gpen_webui.training.identity import FaceRecogniser

log = logging.getLogger(__name__)

MIN_SCORE = 0.8  # of the detector: what is hardly a face teaches nothing
LOOKED_AT = 256  # side at which sharpness and likeness are judged
MIN_SHARPNESS = 0.06
HASH_SIDE, MAX_HASH_DISTANCE = 16, 24  # of 256 bits
SAME_PERSON = 0.5  # distance of descriptors; the recogniser's own threshold is 0.6
SPARE = 2  # faces are kept at up to this many times the training size
JPEG_QUALITY = 96


@dataclass
class Prepared:
    """What came of the photos. dropped: faces by reason (small, blurred, duplicate)."""

    photos: int = 0
    unreadable: int = 0
    without_face: int = 0
    kept: int = 0
    people: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class Preparer:
    """Takes photos one by one and writes their faces to a folder."""

    def __init__(self, output: Path, size: int):
        """size: the side that training will use; faces with fewer pixels are dropped.

        Raises FacesError where the folder holds anything already: people are numbered anew.
        """
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise FacesError(f"{output} is not empty; choose a new folder with -o.")
        output.mkdir(parents=True, exist_ok=True)
        self._output, self._size = output, size
        self._detector, self._recogniser = FaceDetector(), FaceRecogniser()
        self._hashes: list[np.ndarray] = []
        self._people: list[np.ndarray] = []
        self.result = Prepared()

    def add(self, photos: Iterable[Path]) -> Prepared:
        """Write the faces of these photos; one that cannot be read is counted and left out."""
        for path in photos:
            self.result.photos += 1
            try:
                pixels = open_photo(path).pixels
            except PhotoError as error:
                log.warning("%s", error)
                self.result.unreadable += 1
                continue
            self._add_photo(path, pixels)
        self.result.people = len(self._people)
        return self.result

    def _add_photo(self, path: Path, pixels: np.ndarray) -> None:
        faces = [
            face
            for face in self._detector.detect(pixels)
            if face.score >= MIN_SCORE and not face.doubt
        ]
        if not faces:
            self.result.without_face += 1
        for number, face in enumerate(faces, 1):
            side = round(self._size / scale_of(crop_matrix(face.landmarks, self._size)))
            if side < self._size:
                self.result.dropped["small"] += 1
                continue
            side = min(side, SPARE * self._size)
            crop = extract_crop(pixels, crop_matrix(face.landmarks, side), side)
            reason = self._why_not(crop)
            if reason:
                self.result.dropped[reason] += 1
                continue
            person = self._person_of(crop)
            name = f"{person:04d}{PERSON_SEPARATOR}{path.stem}-{number}"
            self._write(name, crop)
            self.result.kept += 1

    def _why_not(self, crop: np.ndarray) -> str | None:
        """Why a face is not worth keeping; one that is, is remembered."""
        small = cv2.resize(crop, (LOOKED_AT, LOOKED_AT), interpolation=cv2.INTER_AREA)
        if sharpness(small) < MIN_SHARPNESS:
            return "blurred"
        bits = difference_hash(small)
        if any(np.count_nonzero(bits != other) <= MAX_HASH_DISTANCE for other in self._hashes):
            return "duplicate"
        self._hashes.append(bits)
        return None

    @torch.inference_mode()
    def _person_of(self, crop: np.ndarray) -> int:
        """The number of the nearest person seen so far, or a new one."""
        descriptor = self._recogniser(to_tensor(crop[None]))[0].numpy()
        if self._people:
            distances = np.linalg.norm(np.stack(self._people) - descriptor, axis=1)
            if distances.min() < SAME_PERSON:
                return int(distances.argmin())
        self._people.append(descriptor)
        return len(self._people) - 1

    def _write(self, name: str, crop: np.ndarray) -> None:
        path = self._output / f"{name}.jpg"
        number = 1
        while path.exists():  # photos of one name from different folders
            number += 1
            path = self._output / f"{name}-{number}.jpg"
        options = (
            cv2.IMWRITE_JPEG_QUALITY,
            JPEG_QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        )
        path.write_bytes(cv2.imencode(".jpg", crop[:, :, ::-1], options)[1].tobytes())


def sharpness(face: np.ndarray) -> float:
    """Fine detail relative to contrast in the middle of an aligned face (S,S,3), S = LOOKED_AT.

    The standard deviation of what a blur of 1 px takes away, over that of the picture.
    """
    middle = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)[76:228, 52:204]
    detail = middle - cv2.GaussianBlur(middle, (0, 0), 1.0)
    return float(detail.std() / (middle.std() + 1))


def difference_hash(face: np.ndarray) -> np.ndarray:
    """Whether each cell is brighter than its right neighbour: (256,) bool, much the same for
    a copy at another size, quality or exposure."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(int)
    return (cells[:, 1:] > cells[:, :-1]).ravel()
