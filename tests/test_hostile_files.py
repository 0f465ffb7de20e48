"""Hostile files through the photo opener: a right picture or one clear sentence, soon."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.photo import Photo, open_photo, thumbnail
from tests.hostile.card import BLOCK, largest_difference
from tests.hostile.corpus import make_corpus
from tests.hostile.file import HostileFile

SECONDS = 5.0
BYTES = 600_000_000


@pytest.fixture(scope="module")
def corpus() -> list[HostileFile]:
    return make_corpus()


@pytest.fixture(scope="module")
def folder(corpus: list[HostileFile], tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for file in corpus:
        (folder / file.name).write_bytes(file.data)
    return folder


def opened(path: Path) -> Photo | str:
    """The photo, or the sentence."""
    try:
        return open_photo(path)
    except PhotoError as error:
        return str(error)


def wrong_picture(file: HostileFile, photo: Photo, folder: Path) -> str | None:
    """What is wrong with a picture that was accepted."""
    if file.refused:
        return "was accepted"
    if file.cut_from is not None:
        whole = opened(folder / file.cut_from)
        same = photo.pixels.shape == whole.pixels.shape and (photo.pixels == whole.pixels).all()
        return None if same else "half a picture passes for a whole one"
    if file.whole is not None and (photo.pixels != file.whole).any():
        return "a damaged picture passes for a whole one"
    if file.pixels is None:
        return None
    if photo.pixels.shape != file.pixels.shape:
        return f"has the size {photo.pixels.shape}"
    if all(size % BLOCK == 0 for size in photo.pixels.shape[:2]):
        difference = largest_difference(photo.pixels, file.pixels)
    else:
        difference = np.abs(photo.pixels.astype(np.int16) - file.pixels).max()
    if difference > file.tolerance:
        return f"has colours that differ by {difference:.0f}"
    if file.alpha is None:
        return None if photo.alpha is None else "is transparent"
    right = photo.alpha is not None and (photo.alpha == file.alpha).all()
    return None if right else "has another transparency"


def wrong_sentence(file: HostileFile, sentence: str) -> str | None:
    """What is wrong with a refusal."""
    if file.pixels is not None:
        return f"was refused: {sentence}"
    plain = sentence.startswith(file.name) and sentence.endswith(".") and "; " in sentence
    return None if plain and len(sentence) < 300 else f"is no sentence: {sentence}"


def processor_seconds() -> float:
    """Of this process, of its children and of those that have ended. Not the clock's, so that
    a busy machine fails nothing."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:2])
    return total


def test_the_corpus_is_large(corpus: list[HostileFile]):
    assert len({file.name for file in corpus}) == len(corpus) >= 400


@pytest.mark.slow
def test_the_corpus_is_always_the_same(corpus: list[HostileFile]):
    again = {file.name: file.data for file in make_corpus.__wrapped__()}
    changed = [file.name for file in corpus if again[file.name] != file.data]
    assert changed == ["sequence.avif"]  # which tells when it was made


def test_every_file_gives_its_picture_or_one_sentence_within_seconds(corpus, folder: Path):
    wrong = {}
    for file in corpus:
        started = processor_seconds()
        outcome = opened(folder / file.name)
        seconds = processor_seconds() - started
        if isinstance(outcome, Photo):
            wrong[file.name] = wrong_picture(file, outcome, folder)
        else:
            wrong[file.name] = wrong_sentence(file, outcome)
        if seconds > SECONDS:
            wrong[file.name] = f"took {seconds:.1f} s"
    assert {name: why for name, why in wrong.items() if why} == {}


@pytest.mark.slow
def test_every_file_gives_a_thumbnail_or_one_sentence(corpus, folder: Path):
    wrong = {}
    for file in corpus:
        outcome = shown(folder / file.name)
        if isinstance(outcome, str):
            wrong[file.name] = wrong_sentence(file, outcome)
        elif file.refused or not outcome.startswith(b"\xff\xd8"):
            wrong[file.name] = "was shown"
    assert {name: why for name, why in wrong.items() if why} == {}


def shown(path: Path) -> bytes | str:
    """The thumbnail, or the sentence."""
    try:
        return thumbnail(path, 64)
    except PhotoError as error:
        return str(error)


@pytest.mark.slow
def test_no_file_takes_more_memory_than_it_may(folder: Path):
    """Of a process that opens them all, and of the largest of its children."""
    # By way of a shell: a process inherits the peak of the one that it was started from.
    command = ["sh", "-c", '"$0" "$@" && true', sys.executable, "-c", OPEN_ALL, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    idle, peak, child = json.loads(done.stdout)
    assert peak - idle + child < BYTES


OPEN_ALL = """
import json, resource, sys
from pathlib import Path
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.photo import open_photo
from gpen_webui.photo.decoder_pool import shared_decoders

def peak(who):
    return resource.getrusage(who).ru_maxrss * 1024

idle = peak(resource.RUSAGE_SELF)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        open_photo(path)
    except PhotoError:
        pass
shared_decoders.close()
print(json.dumps([idle, peak(resource.RUSAGE_SELF), peak(resource.RUSAGE_CHILDREN)]))
"""
