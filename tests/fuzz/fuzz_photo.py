"""An atheris target for the photo decoder, here without its guard, so that a crash is seen.

    .venv/bin/python -m pip install atheris
    PYTHONPATH=. .venv/bin/python tests/fuzz/fuzz_photo.py -max_total_time=600 CORPUS_FOLDER

The folder is filled with one small file of each format where it is empty. A crash, a hang of
more than 10 seconds or any exception but the decoder's own leaves the guilty file in the
working folder, as `crash-...` or `timeout-...`.
"""

import contextlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pillow_heif", "gpen_webui.photo"]):
    from gpen_webui.photo.decode import decode
    from gpen_webui.photo.errors import PhotoError

from tests.hostile.card import CARD
from tests.hostile.damage import originals

SCRATCH = Path(tempfile.mkdtemp()) / "photo"


def decode_one(data: bytes) -> None:
    """Decode bytes as a file of at most four megapixels."""
    SCRATCH.write_bytes(data)
    with contextlib.suppress(PhotoError, MemoryError):
        decode(SCRATCH, "photo", max_megapixels=4, on_size=lambda pixels: None)


def main() -> None:
    """Fill an empty corpus, then fuzz until libFuzzer's own limits."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    for folder in folders[:1]:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            for name, data in originals(CARD[:32, :32]).items():
                (folder / name).write_bytes(data)
    defaults = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *defaults, *sys.argv[1:]], decode_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
