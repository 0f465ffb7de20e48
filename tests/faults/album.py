"""An album of 50 small photos, each different, in a few folders."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from tests.server import ASTRONAUT

PHOTOS = 50
QUICK_PHOTOS = 20  # as many as the quick proofs use at most
FACE = (slice(30, 230), slice(125, 325))  # rows and columns of the astronaut's picture


@cache
def album(count: int) -> dict[str, bytes]:
    """The first photos of the album: name with folders -> JPEG of 128 x 128 pixels."""
    return {f"{1931 + n % 4}/{n}.jpg": portrait(n) for n in range(count)}


def portrait(number: int, side: int = 128) -> bytes:
    """A JPEG that is filled by a face; each number gives another one."""
    pixels = cv2.imread(str(ASTRONAUT))[FACE]
    pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    pixels[:2, :2] = (number % 256, number // 256 % 256, 0)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@cache
def old_prints(count: int) -> dict[str, bytes]:
    """As many portraits of 200 x 200 pixels, faded, grainy and scratched; one in ten shows no
    face."""
    return {f"{1931 + n % 4}/{n}.jpg": _old_print(n) for n in range(count)}


def _old_print(number: int, side: int = 200) -> bytes:
    rng = np.random.default_rng(number)
    pixels = cv2.imread(str(ASTRONAUT))[FACE]
    pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    if number % 10 == 9:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 25)
    levels = 70 + 0.55 * pixels + rng.normal(0, 5, (side, side, 1))
    for _ in range(3):
        ends = rng.integers(0, side, (2, 2)).tolist()
        cv2.line(levels, *ends, (240, 240, 240), 2, cv2.LINE_AA)
    return cv2.imencode(".jpg", np.clip(levels, 0, 255).astype(np.uint8))[1].tobytes()


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Files by their names, with folders."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder, also hidden ones, with what is in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
