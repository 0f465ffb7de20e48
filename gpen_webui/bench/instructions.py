"""How many instructions the stages around the network take.

`python -m gpen_webui.bench.instructions` needs valgrind, and a processor with AVX2.

Valgrind's callgrind counts them, on a processor of its own that knows no AVX-512, so the counts
depend neither on what else is running nor, but for a little, on the machine. They are compared
with a budget: more than a tenth above it fails, so that slowness cannot creep in unseen.

Networks are left out, which are none of this program's code; so is what a decoder process does.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

BUDGET = Path(__file__).with_name("instructions.json")
NAME = "gpen_webui.bench.instructions"
MOST_ABOVE = 1.10
# What valgrind takes for a request of the program that it runs, as machine code for x86-64: a
# function of one pointer, to the request and its arguments (valgrind.h, callgrind.h).
REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
DUMP, ZERO, START = 0x43540000, 0x43540001, 0x43540004
TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
# What picks other code on another processor.
FIXED = {
    "PYTHONHASHSEED": "0",
    "OPENCV_IPP": "disabled",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def stages() -> dict[str, Callable[[], object]]:
    """What is counted, by its name: each on a small input, and ready to be called."""
    import cv2
    import numpy as np

    from gpen_webui.faces.align import crop_matrix, extract_crop, template
    from gpen_webui.faces.blend import Patch, blend_band, plan_bands
    from gpen_webui.faces.centerface import merged
    from gpen_webui.faces.face import Face
    from gpen_webui.faces.view import View
    from gpen_webui.options import RestoreOptions
    from gpen_webui.photo.encode import encode_photo
    from gpen_webui.photo.photo import Photo
    from gpen_webui.stages.adjust import adjust_face

    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (30, 40, 3), np.uint8)
    pixels = cv2.resize(coarse, (400, 300), interpolation=cv2.INTER_CUBIC)
    matrix = crop_matrix(template(150) + 60, 128)
    crop = extract_crop(pixels, matrix, 128)
    restored = np.clip(crop.astype(np.float32) + random.normal(0, 6, crop.shape), 0, 255)
    patch = Patch(crop, restored.astype(np.float32), matrix)
    (band,) = plan_bands(pixels.shape, [matrix], 128)
    photo = Photo(pixels=pixels, name="counted.jpg", format="jpeg")
    options = RestoreOptions()
    corners = random.uniform(0, 300, (60, 2))
    faces = [
        Face((x, y, x + 40, y + 50), np.zeros((5, 2), np.float32), score)
        for (x, y), score in zip(corners.tolist(), random.uniform(0, 1, 60).tolist(), strict=True)
    ]
    return {
        "shrink for finding": lambda: View.of(pixels, 0.4),
        "merge faces": lambda: merged(faces),
        "crop": lambda: extract_crop(pixels, matrix, 128),
        "adjust": lambda: adjust_face(crop, patch.restored, options),
        "blend": lambda: blend_band(pixels, pixels.copy(), [patch], band),
        "encode": lambda: encode_photo(photo, pixels),
    }


def count() -> dict[str, int]:
    """Instructions of each stage, called a second time. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="gpen-webui-count-") as folder:
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={folder}/counted", sys.executable, "-m", NAME, "--run",
        ]  # fmt: skip
        done = subprocess.run(
            command, env=os.environ | FIXED, check=True, capture_output=True, text=True
        )
        names = json.loads(done.stdout)
        return {
            name: _total(Path(folder) / f"counted.{number}")
            for number, name in enumerate(names, start=1)
        }


def compare(counted: dict[str, int], budget: dict[str, int]) -> list[str]:
    """What is above the budget, or not in it, in sentences."""
    return [
        f"“{name}” takes {number:,} instructions, and its budget is {budget.get(name, 0):,}."
        for name, number in counted.items()
        if number > budget.get(name, 0) * MOST_ABOVE
    ]


def _total(path: Path) -> int:
    found = TOTAL.search(path.read_text(encoding="utf-8", errors="replace"))
    assert found, f"{path.name} tells no total"
    return int(found[1])


def _run() -> None:
    """The counted process: every stage once to be ready, and once more to be counted."""
    code = mmap.mmap(-1, len(REQUEST), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(REQUEST)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ask = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64 * 6))(address)
    start, zero, dump = ((ctypes.c_uint64 * 6)(request) for request in (START, ZERO, DUMP))
    found = stages()
    for stage in found.values():
        stage()
    gc.disable()
    ask(start)
    for stage in found.values():
        ask(zero)
        stage()
        ask(dump)
    print(json.dumps(list(found)))


def main() -> int:
    """Count, print, and compare with the budget, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="make what is counted the budget")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        _run()
        return 0
    counted = count()
    for name, number in counted.items():
        print(f"{name:20} {number:12,}")
    if arguments.write:
        BUDGET.write_text(json.dumps(counted, indent=2) + "\n", encoding="utf-8")
        return 0
    above = compare(counted, json.loads(BUDGET.read_text(encoding="utf-8")))
    print("\n".join(above) or "All stages are within their budget.")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
