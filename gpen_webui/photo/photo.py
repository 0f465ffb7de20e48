"""A whole picture, as opened.

What comes in, whatever it is, becomes RGB in 8 bits, upright (decode.py, in a process of its
own: decoder_pool.py); what cannot be kept is said in a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpen_webui.photo.decoder_pool import shared_decoders
from gpen_webui.photo.metadata import BLOCKS, Metadata


@dataclass(frozen=True, eq=False)
class Photo(Metadata):
    """A whole picture, upright.

    pixels: (H,W,3) uint8 RGB. alpha: (H,W) uint8 or None. grey: the file had no colour, and
    its result will have none. format: of the result: jpeg, png, webp, tiff, bmp, heif or avif.
    file_format: of the file; the same, or gif. icc: what the pixels mean; None for sRGB. coding:
    how the file packs its pixels (packing.py). name: what messages call it. whole: height and
    width of the photo of which this is a part, turned or not; None where it is all. warnings: in
    sentences; losses: those of them that hold only where the photo is encoded anew. The rest is
    its metadata.
    """

    pixels: np.ndarray
    name: str
    format: str
    file_format: str = ""
    alpha: np.ndarray | None = None
    grey: bool = False
    icc: bytes | None = None
    whole: tuple[int, int] | None = None
    coding: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


def open_photo(path: Path, *, name: str | None = None, max_megapixels: int = 100) -> Photo:
    """Open a photo file; its content decides what it is, not its suffix.

    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    name = name or path.name
    answer = shared_decoders.ask(path, name, max_megapixels)
    fields = answer.fields
    height, width = fields["size"]
    blocks = {block: answer.parts.get(block) for block in ("icc", *BLOCKS)}
    dpi = fields["dpi"]
    alpha = answer.parts.get("alpha")
    return Photo(
        pixels=answer.parts["pixels"].reshape(height, width, 3),
        name=name,
        format=fields["format"],
        file_format=fields["file_format"],
        alpha=None if alpha is None else alpha.reshape(height, width),
        grey=fields["grey"],
        whole=None,
        **{name: None if data is None else data.tobytes() for name, data in blocks.items()},
        dpi=None if dpi is None else tuple(dpi),
        coding=fields["coding"],
        warnings=(*fields["warnings"], *fields["losses"]),
        losses=tuple(fields["losses"]),
    )


def thumbnail(
    path: Path, side: int, *, name: str | None = None, max_megapixels: int = 100, turn: int = 0
) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    turn: by how many quarters it is turned counterclockwise besides.

    Raises PhotoError as `open_photo` does.
    """
    answer = shared_decoders.ask(path, name or path.name, max_megapixels, side=side, turn=turn)
    return answer.parts["jpeg"].tobytes()
