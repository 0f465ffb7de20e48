"""Weight files that claim far more than they hold, or hold what no GPEN checkpoint does."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from gpen_webui.gpen.network import GPEN, NetworkConfig

HUGE = NetworkConfig(2048, channel_multiplier=4, narrow=2.0)
DAMAGES = ("missing", "more", "shape", "nan", "code")
SMALL = NetworkConfig(64, channel_multiplier=1, narrow=0.125)


class RunsCode:
    """What a pickle makes by calling a function of its own choice: loading it makes the folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self._folder),)


def damage(state: dict, kind: str, lost: str, more: str, changed: str, made: Path) -> None:
    """Do one of DAMAGES to a state: without `lost`, with `more`, or `changed` is not what it was.

    made: the folder that appears where code in the state is run.
    """
    match kind:
        case "missing":
            del state[lost]
        case "more":
            state[more] = torch.zeros(3)
        case "shape":
            state[changed] = torch.zeros(len(state[changed]) + 1)
        case "nan":
            state[changed][0] = torch.nan
        case "code":
            state[changed] = RunsCode(made)


def expanded(config: NetworkConfig) -> dict[str, torch.Tensor]:
    """One number in the place of all."""
    with torch.device("meta"):
        state = GPEN(config).state_dict()
    return {name: torch.zeros(1).expand(tensor.shape) for name, tensor in state.items()}


def no_channels() -> dict[str, torch.Tensor]:
    """The names of a network whose layers at 2048 px would be less than a channel wide."""
    state = small_state(NetworkConfig(64, 1, 1 / 64))
    levels = {f"ecd{level}.0.1.weight": torch.zeros(4, 4, 3, 3) for level in range(5, 10)}
    return {**state, **levels, "generator.input.input": torch.zeros(1, 8, 4, 4)}


def small_state(config: NetworkConfig = SMALL) -> dict[str, torch.Tensor]:
    return GPEN(config).state_dict()


def with_tensor(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**small_state(), "ecd0.0.1.bias": tensor}


def deflated(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save(state, path)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def header_only(header: bytes, path: Path, body: bytes = b"") -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)


def one_for_all(path: Path) -> None:
    """Every tensor of a huge network lies over the same bytes."""
    with torch.device("meta"):
        state = GPEN(HUGE).state_dict()
    length = max(tensor.numel() for tensor in state.values() if tensor.numel() < 1 << 16) * 4
    entries = {
        name: {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [0, length]}
        for name, tensor in state.items()
    }
    header_only(json.dumps(entries).encode(), path, bytes(length))


def legacy(state: dict[str, torch.Tensor], path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def in_zip(pickled: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)


def nested_key() -> bytes:
    """A dictionary whose key is a tuple in a tuple in a tuple, too deep to be hashed."""
    return b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s."


def quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.zeros(8), 0.1, 0, torch.qint8)


ODD_ENTRIES = (
    b"5",
    b'"x"',
    b"[1]",
    b"null",
    b'{"dtype": ["F32"], "shape": [0], "data_offsets": [0, 0]}',
    b'{"dtype": "F32", "shape": [%s1], "data_offsets": [0, 4]}' % (b"1," * 200_000),
)

BOMBS: dict[str, Callable[[Path], None]] = {
    "expanded.pth": lambda path: torch.save(expanded(HUGE), path),
    "expanded-legacy.pt": lambda path: legacy(expanded(HUGE), path),
    "deflated.pth": lambda path: deflated(
        {n: torch.zeros(t.shape) for n, t in expanded(NetworkConfig(256, 2, 0.5)).items()}, path
    ),
    "too-large.pth": lambda path: torch.save(expanded(NetworkConfig(4096, 1, 0.25)), path),
    "no-channels.pth": lambda path: torch.save(no_channels(), path),
    "too-wide.pth": lambda path: torch.save(expanded(NetworkConfig(64, 64, 0.25)), path),
    "one-for-all.safetensors": one_for_all,
    "memo.pth": lambda path: in_zip(b"\x80\x02}r\xff\xff\xff\x7f.", path),
    "nested-key.pth": lambda path: in_zip(nested_key(), path),
    "nested-key-legacy.pth": lambda path: path.write_bytes(
        b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
        + nested_key()
    ),
    "bytes.pth": lambda path: in_zip(b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", path),
    "meta.pth": lambda path: torch.save(with_tensor(torch.empty(8, device="meta")), path),
    "meta-legacy.pth": lambda path: legacy(with_tensor(torch.empty(8, device="meta")), path),
    "sparse.pth": lambda path: torch.save(with_tensor(torch.zeros(8).to_sparse()), path),
    "quantised.pth": lambda path: torch.save(with_tensor(quantised()), path),
    "quantised-legacy.pth": lambda path: legacy(with_tensor(quantised()), path),
    "complex.pth": lambda path: torch.save(with_tensor(torch.zeros(8, dtype=torch.cfloat)), path),
    "complex-legacy.pth": lambda path: legacy(
        with_tensor(torch.zeros(8, dtype=torch.cfloat)), path
    ),
    "integers.pth": lambda path: torch.save(with_tensor(torch.zeros(8, dtype=torch.int64)), path),
    "eight-bits.safetensors": lambda path: save_file(
        with_tensor(torch.zeros(8, dtype=torch.float8_e4m3fn)), path
    ),
    "complex.safetensors": lambda path: save_file(
        with_tensor(torch.zeros(8, dtype=torch.cfloat)), path
    ),
    "deep.safetensors": lambda path: header_only(b"[" * 100_000 + b"]" * 100_000, path),
    "numbers.safetensors": lambda path: header_only(b"[1, 2]", path),
    "null.safetensors": lambda path: header_only(b"null", path),
    "level-3000000000.safetensors": lambda path: header_only(b'{"ecd3000000000.0": {}}', path),
    "level-20000.safetensors": lambda path: header_only(
        b'{"ecd20000.0": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}', path
    ),
    "level-minus-9.safetensors": lambda path: header_only(b'{"ecd-9.0": {}}', path),
    **{
        f"odd-entry-{number}.safetensors": lambda path, entry=entry: header_only(
            b'{"ecd0.0.0.weight": %s}' % entry, path
        )
        for number, entry in enumerate(ODD_ENTRIES)
    },
    "system.pth": lambda path: path.write_bytes(
        b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, 3, {}, []))
    ),
    "long-header.safetensors": lambda path: header_only(b'{"a": ' + b" " * (8 << 20) + b"1}", path),
}


def write_bombs(folder: Path) -> list[Path]:
    paths = []
    for name, write in BOMBS.items():
        write(folder / name)
        paths.append(folder / name)
    return paths
