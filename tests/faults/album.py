"""An album of 50 small photos, each different, in a few folders."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2

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


def write_album(folder: Path, count: int) -> None:
    """The same as files."""
    for name, content in album(count).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder, also hidden ones, with what is in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
