"""How well damage is found: F1 within two pixels, and what is taken for damage where there is none.

Lines a pixel wide are found when they are found beside themselves: so a found pixel is right where
damage lies within TOLERANCE of it, and damage is found where a found pixel lies so near (as edges
are compared in the Berkeley benchmark, Martin et al., 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.training.scratches.samples import read_grey, sample

TOLERANCE = 2  # pixels
SEED = 20261128
SIZE = 256  # of the pictures that are looked at

Find = Callable[[np.ndarray], np.ndarray]  # (H,W) uint8 grey -> (H,W) bool


@dataclass
class Counts:
    """Pixels over many pictures: found, of these right; damaged, of these found; sound pictures'
    pixels, of these found."""

    found: int = 0
    right: int = 0
    damaged: int = 0
    discovered: int = 0
    sound: int = 0
    false: int = 0

    def add(self, found: np.ndarray, damaged: np.ndarray) -> None:
        """Count a damaged picture: two (H,W) bool."""
        self.found += int(found.sum())
        self.right += int((found & _near(damaged)).sum())
        self.damaged += int(damaged.sum())
        self.discovered += int((damaged & _near(found)).sum())

    def add_sound(self, found: np.ndarray) -> None:
        """Count a picture without damage."""
        self.sound += found.size
        self.false += int(found.sum())

    @property
    def f1(self) -> float:
        """0-1, the harmonic mean of precision and recall."""
        precision = self.right / max(self.found, 1)
        recall = self.discovered / max(self.damaged, 1)
        return 2 * precision * recall / max(precision + recall, 1e-9)

    @property
    def false_area(self) -> float:
        """The share of sound pictures that is taken for damage, 0-1."""
        return self.false / max(self.sound, 1)


@dataclass
class HeldOut:
    """Fixed pictures made of held-out photos: damaged ones with their damage, and sound ones."""

    damaged: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    sound: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, files: Sequence[Path], count: int) -> HeldOut:
        """`count` pictures of each kind, (SIZE,SIZE) uint8."""
        made = cls()
        photos = [read_grey(file) for file in files]
        for place in range(count):
            photo = photos[place % len(photos)]
            rng = np.random.default_rng((SEED, place))
            made.damaged.append(sample(photo, SIZE, rng, sound_share=0))
            made.sound.append(sample(photo, SIZE, rng, sound_share=1)[0])
        return made

    def measure(self, find: Find) -> Counts:
        """What a detector finds in them."""
        counts = Counts()
        for picture, damaged in self.damaged:
            counts.add(find(picture), damaged)
        for picture in self.sound:
            counts.add_sound(find(picture))
        return counts


def _near(mask: np.ndarray) -> np.ndarray:
    side = 2 * TOLERANCE + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0
