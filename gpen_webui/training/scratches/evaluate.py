"""How good repairing is, by held-out photos with drawn damage: what is found, what is filled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpen_webui.repairing.fill import fill, without_wide
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.restorer import last
from gpen_webui.training.faces import FaceSet, read_picture
from gpen_webui.training.scratches.damage import wear
from gpen_webui.training.scratches.measures import SEED, SIZE, Counts, HeldOut

WIDEST = 35.0  # pixels of a hole that is filled, as in a print of 1,400 pixels


class Row(NamedTuple):
    """A set's numbers. f1: 0-1, damage found within two pixels. false_percent: of sound old prints,
    with drawn wires, lashes and writing; photo_percent: of the photos as they are. decibels: PSNR
    in the damage, with what was found filled in, minus that of the damaged picture."""

    name: str
    f1: float
    false_percent: float
    photo_percent: float
    decibels: float


def evaluate(weights: Path, sets: Sequence[FaceSet], count: int) -> list[Row]:
    """A row for each set. weights: an ONNX file. count: pictures of each kind and set."""
    detector = ScratchDetector(weights)

    def find(grey: np.ndarray) -> np.ndarray:
        return last(detector.find(np.repeat(grey[:, :, None], 3, axis=2), rim=0))

    rows = []
    for photos in sets:
        counts = HeldOut.of(photos.held_out, count).measure(find)
        as_they_are, gains = Counts(), []
        for place, file in enumerate(photos.held_out):
            photo = read_picture(file)
            as_they_are.add_sound(last(detector.find(photo, rim=0)))
            gains += _gains(detector, photo, place, max(1, count // len(photos.held_out)))
        rows.append(
            Row(
                photos.name,
                round(counts.f1, 3),
                round(100 * counts.false_area, 3),
                round(100 * as_they_are.false_area, 3),
                round(float(np.mean(gains)), 2),
            )
        )
    return rows


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [
        "| set | F1 | taken for damage, % of sound prints | of photos | filled, dB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.f1:.3f} | {row.false_percent:.3f} | {row.photo_percent:.3f} | "
        f"{row.decibels:+.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _gains(detector: ScratchDetector, photo: np.ndarray, place: int, count: int) -> list[float]:
    """In decibels, of `count` damaged parts of a photo."""
    gains = []
    for number in range(count):
        rng = np.random.default_rng((SEED, place, number))
        side = min(SIZE, *photo.shape[:2])
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        truth = photo[top : top + side, left : left + side].astype(np.float32)
        worn, damaged = wear(truth, rng)
        if not damaged.any():
            continue
        print_ = np.rint(worn).astype(np.uint8)
        holes = without_wide(last(detector.find(print_)), WIDEST)
        filled = last(fill(print_, holes.to_fill, WIDEST))
        gains.append(_psnr(filled, truth, damaged) - _psnr(print_, truth, damaged))
    return gains


def _psnr(picture: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    error = np.square(picture.astype(np.float32) - truth)[where].mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))
