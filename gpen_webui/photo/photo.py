"""A whole picture, as opened.

What comes in, whatever it is, becomes RGB in 8 bits, upright (decode.py, in a process of its
own: decoder_pool.py); what cannot be kept is said in a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpen_webui.photo.decoder_pool import shared_decoders


@dataclass(frozen=True, eq=False)
class Photo:
    """A whole picture, upright.

    pixels: (H,W,3) uint8 RGB. alpha: (H,W) uint8 or None. grey: the file had no colour, and
    its result will have none. format: jpeg, png, webp, tiff, bmp, heif or avif. icc, exif: as
    in the file, with the orientation reset. xmp: what describes the picture. dpi: dots per inch,
    across and down. name: what messages call it.
    """

    pixels: np.ndarray
    name: str
    format: str
    alpha: np.ndarray | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


def open_photo(path: Path, *, name: str | None = None, max_megapixels: int = 100) -> Photo:
    """Open a photo file; its content decides what it is, not its suffix.

    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    name = name or path.name
    answer = shared_decoders.ask(path, name, max_megapixels)
    height, width = answer.fields["size"]
    blocks = {block: answer.parts.get(block) for block in ("icc", "exif", "xmp")}
    dpi = answer.fields["dpi"]
    alpha = answer.parts.get("alpha")
    return Photo(
        pixels=answer.parts["pixels"].reshape(height, width, 3),
        name=name,
        format=answer.fields["format"],
        alpha=None if alpha is None else alpha.reshape(height, width),
        grey=answer.fields["grey"],
        **{name: None if data is None else data.tobytes() for name, data in blocks.items()},
        dpi=None if dpi is None else tuple(dpi),
        warnings=tuple(answer.fields["warnings"]),
    )


def thumbnail(
    path: Path, side: int, *, name: str | None = None, max_megapixels: int = 100
) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    Raises PhotoError as `open_photo` does.
    """
    answer = shared_decoders.ask(path, name or path.name, max_megapixels, side=side)
    return answer.parts["jpeg"].tobytes()
