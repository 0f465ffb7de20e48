"""What a weight file holds, read from its table of contents: before any memory is taken for it.

Three formats: `.safetensors`, and the two of `torch.save`, a zip archive and, before PyTorch 1.6,
a chain of pickles. Each comes down to the same: tensors by name, and where in the file the numbers
of each lie.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gpen_webui.errors import UserError
from gpen_webui.gpen.pickled_tensors import (
    OddTensor,
    PickledTensor,
    Storage,
    UnsafePickleError,
    read_pickle,
)

NUMBER_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
SAFETENSORS_NUMBERS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
NESTED_UNDER = ("g_ema", "params_ema", "params", "state_dict")
MAX_CONTENTS = 2 << 20  # bytes of a table of contents; that of gpen-bfr-512 has 26 kB
MAX_DIMENSIONS = 8  # of a tensor; weights have 4
LEGACY_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
ENCODER_LAYER = re.compile(r"ecd(\d{1,2})\.")
MIN_CROP, MAX_CROP = 8, 2048
SHARED_SLACK = 1 << 20  # bytes that small tensors may share


class CheckpointError(UserError):
    """A weight file cannot be used; the sentence says why and what to do."""


@dataclass(frozen=True)
class Piece:
    """A run of bytes of the file. crc32: of these bytes, where the file states it."""

    start: int
    length: int
    crc32: int | None = None


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as its file describes it.

    numbers: float32, float16, bfloat16 or float64; anything else, in words, cannot be used.
    offset, stride: in elements, from the start of its piece.
    """

    numbers: str
    shape: tuple[int, ...]
    piece: Piece = Piece(0, 0)
    offset: int = 0
    stride: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        """What its numbers take as they are stored."""
        return math.prod(self.shape) * NUMBER_BYTES.get(self.numbers, 0)


def read_contents(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a weight file by name; of a training checkpoint, those of the averaged
    generator.

    Raises CheckpointError for what is damaged, could run code or is no weight file.
    """
    size = _size_of(path)
    try:
        with open(path, "rb") as file:
            if path.suffix.lower() == ".safetensors":
                tensors = _read_safetensors(file, size)
            elif file.read(4) == b"PK\x03\x04":
                tensors = _read_zip(file, size)
            else:
                tensors = _read_legacy(file)
    except UnsafePickleError as error:
        raise CheckpointError(
            f"{path.name} holds more than weights and could run code, so it was not opened; "
            "fetch the model from its authors."
        ) from error
    except _NotTensors:
        raise not_gpen(path.name, "it does not hold tensors by name") from None
    except _Compressed:
        raise CheckpointError(
            f"{path.name} is compressed, as weight files never are; unpack it and save the "
            "weights anew with torch.save."
        ) from None
    except (OSError, ValueError, LookupError, struct.error, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path) from error
    except (TypeError, AttributeError, ArithmeticError) as error:  # other things than expected
        raise _unreadable(path) from error
    except (NotImplementedError, RecursionError, RuntimeError) as error:
        raise _unreadable(path) from error
    _check_bytes(path, tensors, size)
    return tensors


def read_pieces(path: Path, pieces: set[Piece]) -> Iterator[tuple[Piece, bytearray]]:
    """The bytes of some pieces of a file, in its order. Raises CheckpointError."""
    try:
        with open(path, "rb") as file:
            for piece in sorted(pieces, key=lambda piece: piece.start):
                content = bytearray(piece.length)
                file.seek(piece.start)
                if file.readinto(content) != piece.length:
                    raise _unreadable(path)
                if piece.crc32 is not None and zlib.crc32(content) != piece.crc32:
                    raise _unreadable(path)
                yield piece, content
    except OSError as error:
        raise _unreadable(path) from error


def crop_size(names: Iterable[str]) -> int | None:
    """The side of a GPEN network's crops in pixels, told by the names of its encoder's layers.

    None where they are another network's, or where it is smaller or larger than we can run.
    """
    levels = [int(found[1]) for name in names if (found := ENCODER_LAYER.match(name))]
    size = 2 ** (2 + max(levels)) if levels else 0
    return size if MIN_CROP <= size <= MAX_CROP else None


def not_gpen(name: str, why: str) -> CheckpointError:
    """The refusal of a file that holds something else."""
    return CheckpointError(f"{name} is not a GPEN checkpoint ({why}); choose another file.")


class _NotTensors(Exception):  # noqa: N818 - told as a CheckpointError
    """Readable, but something else."""


class _Compressed(Exception):  # noqa: N818 - told as a CheckpointError
    """A zip archive whose parts are packed."""


def _size_of(path: Path) -> int:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(
            f"The weights {path} cannot be opened ({reason}); check the path."
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path.name} is no file; choose a file of weights.")
    if status.st_size == 0:
        raise CheckpointError(f"{path.name} is empty; fetch the file anew.")
    return status.st_size


def _check_bytes(path: Path, tensors: Mapping[str, StoredTensor], size: int) -> None:
    """Every number must be in the file: views that repeat a few make much of little."""
    claimed = sum(tensor.bytes for tensor in tensors.values())
    if claimed > size + SHARED_SLACK:
        raise CheckpointError(
            f"{path.name} claims {claimed / 1e6:,.0f} MB of weights in {size / 1e6:,.1f} MB, so it "
            "was not opened; fetch the model from its authors."
        )


def read_safetensors_table(file: IO[bytes]) -> dict:
    """The table of contents of a .safetensors file; its tensors follow.

    Raises ValueError or struct.error where there is none.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    if length > MAX_CONTENTS:
        raise ValueError("the table of contents is too long")
    contents = json.loads(file.read(length))
    if not isinstance(contents, dict):
        raise ValueError("there is no table of contents")
    return contents


def _read_safetensors(file: IO[bytes], size: int) -> dict[str, StoredTensor]:
    contents = read_safetensors_table(file)
    begun = file.tell()
    tensors = {}
    for name, entry in contents.items():
        if name == "__metadata__":
            continue
        shape, (begin, end) = _counts(entry["shape"]), _counts(entry["data_offsets"])
        numbers = SAFETENSORS_NUMBERS.get(entry["dtype"], str(entry["dtype"]))
        piece = Piece(begun + begin, end - begin)
        tensor = tensors[name] = StoredTensor(numbers, shape, piece, 0, _dense(shape))
        if end < begin or begun + end > size or _is_torn(tensor):
            raise ValueError("a tensor reaches beyond the file")
    return tensors


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > MAX_DIMENSIONS:
        raise ValueError("a shape is no short list")
    if not all(isinstance(value, int) and 0 <= value < 1 << 40 for value in values):
        raise ValueError("a shape is no list of counts")
    return tuple(values)


def _is_torn(tensor: StoredTensor) -> bool:
    return tensor.numbers in NUMBER_BYTES and tensor.bytes != tensor.piece.length


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))


class _SmallReads(io.RawIOBase):
    """A file that gives no more than a table of contents at once, so that none is read whole."""

    def __init__(self, file: IO[bytes]):
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(min(count, MAX_CONTENTS + 1) if count >= 0 else MAX_CONTENTS + 1)
        if len(content) > MAX_CONTENTS:
            raise ValueError("the table of contents is too long")
        return content


def _read_zip(file: IO[bytes], size: int) -> dict[str, StoredTensor]:
    with zipfile.ZipFile(_SmallReads(file)) as archive:
        parts = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in parts:
            raise _NotTensors
        if any(info.compress_type != zipfile.ZIP_STORED for info in parts.values()):
            raise _Compressed
        if "byteorder" in parts and archive.read(parts["byteorder"]) != b"little":
            raise ValueError("the numbers are in another order of bytes")
        if parts["data.pkl"].file_size > MAX_CONTENTS:
            raise ValueError("the table of contents is too long")
        content = read_pickle(io.BytesIO(archive.read(parts["data.pkl"])))

    def piece_of(storage: Storage) -> Piece:
        info = parts[f"data/{storage.key}"]
        file.seek(info.header_offset)
        header = struct.unpack("<4s22x2H", file.read(30))
        start = info.header_offset + 30 + header[1] + header[2]
        if header[0] != b"PK\x03\x04" or start + info.file_size > size:
            raise ValueError("a part is cut short")
        return Piece(start, info.file_size, info.CRC)

    return _stored(content, piece_of)


def _read_legacy(file: IO[bytes]) -> dict[str, StoredTensor]:
    """Magic number, version, system, contents, keys; then per key a count and the numbers."""
    file.seek(0)
    head = io.BytesIO(file.read(MAX_CONTENTS))
    begins = head.read(len(LEGACY_HEAD))
    if begins != LEGACY_HEAD:
        head.seek(0)
        read_pickle(head)  # to tell a pickle that could run code from a damaged file
        raise _NotTensors
    storages: dict[str, Storage] = {}
    _version, system, content, keys = (read_pickle(head, storages) for _ in range(4))
    if not system["little_endian"]:
        raise ValueError("the numbers are in another order of bytes")
    if not isinstance(keys, list):
        raise ValueError("there is no list of keys")
    pieces, position, size = {}, head.tell(), os.fstat(file.fileno()).st_size
    for key in keys:
        storage = storages[str(key)]
        length = storage.count * storage.number_bytes
        file.seek(position)
        if file.read(8) != struct.pack("<q", storage.count) or position + 8 + length > size:
            raise ValueError("a part is cut short")
        pieces[storage.key] = Piece(position + 8, length)
        position += 8 + length
    return _stored(content, lambda storage: pieces[storage.key])


def _stored(content: Any, piece_of: Callable[[Storage], Piece]) -> dict[str, StoredTensor]:
    for key in NESTED_UNDER:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise _NotTensors
    tensors = {}
    for name, value in content.items():
        if isinstance(value, OddTensor) and isinstance(name, str):
            tensors[name] = StoredTensor(value.kind, ())
        elif isinstance(value, PickledTensor) and isinstance(name, str):
            tensors[name] = _view(value, piece_of(value.storage))
        else:
            raise _NotTensors
    return tensors


def _view(tensor: PickledTensor, piece: Piece) -> StoredTensor:
    numbers, shape, stride = tensor.storage.numbers, tensor.shape, tensor.stride
    stored = StoredTensor(numbers, shape, piece, tensor.offset, stride)
    if numbers in NUMBER_BYTES:
        steps = zip(shape, stride, strict=True)
        last = tensor.offset + sum((count - 1) * step for count, step in steps)
        if math.prod(shape) and (last + 1) * NUMBER_BYTES[numbers] > piece.length:
            raise ValueError("a tensor reaches beyond its storage")
    return stored


def _unreadable(path: Path) -> CheckpointError:
    if _is_web_page(path):
        return CheckpointError(
            f"{path.name} is a web page, not weights; fetch the file itself from its authors."
        )
    return CheckpointError(f"{path.name} is damaged or cut short; fetch the file anew.")


def _is_web_page(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(512).lstrip().lower()
    except OSError:
        return False
    return head.startswith((b"<!doctype", b"<html", b"<?xml"))
