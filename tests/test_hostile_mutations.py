"""Mutated photo files through the opener: whatever the bytes, a photo or one sentence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.photo import open_photo, thumbnail
from tests.hostile.card import CARD
from tests.hostile.damage import originals

ORIGINALS = originals(CARD)
QUICK, LONG = 150, 6_000
WEBP_LIMIT = 16_383  # pixels along a side that can be saved; an animation's canvas may be larger
TWISTED = (0, 1, 0x7F, 0x80, 0xFF)  # bytes that turn lengths and counts over

place = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), place, st.integers(0, 7)),
        st.tuples(st.just("set"), place, st.sampled_from(TWISTED)),
        st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("delete"), place, st.integers(1, 200)),
        st.tuples(st.just("repeat"), place, st.integers(1, 200)),
        st.tuples(st.just("zero"), place, st.integers(1, 200)),
        st.tuples(st.just("cut"), place, st.none()),
    ),
    min_size=1,
    max_size=8,
)


def mutate(data: bytes, edits: list[tuple]) -> bytes:
    """The file with each edit done, one after the other, somewhere in it."""
    changed = bytearray(data)
    for what, where, value in edits:
        at = int(where * len(changed))
        if what == "flip" and changed:
            changed[at] ^= 1 << value
        elif what == "set" and changed:
            changed[at] = value
        elif what == "insert":
            changed[at:at] = value
        elif what == "delete":
            del changed[at : at + value]
        elif what == "repeat":
            changed[at:at] = changed[at : at + value]
        elif what == "zero":
            changed[at : at + value] = bytes(len(changed[at : at + value]))
        elif what == "cut":
            del changed[at:]
    return bytes(changed)


def check(path: Path, data: bytes) -> None:
    """A photo that can be saved and shown, or one sentence."""
    path.write_bytes(data)
    try:
        photo = open_photo(path)
    except PhotoError as error:
        check_sentence(str(error), path)
        return
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.ndim == 3
    assert photo.pixels.size > 0
    if max(photo.pixels.shape) > WEBP_LIMIT and photo.format == "webp":
        with pytest.raises(PhotoError, match="choose another format") as refused:
            encode_photo(photo, photo.pixels)
        check_sentence(str(refused.value), path)
    else:
        encode_photo(photo, photo.pixels)
    thumbnail(path, 32)


def check_sentence(sentence: str, path: Path) -> None:
    assert sentence.startswith(path.name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "crash" not in sentence, "a decoder crashed: look at this file"


@settings(
    max_examples=QUICK, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(sorted(ORIGINALS)), edits=edits)
@example(kind="animated.webp", edits=[("repeat", 0.75, 16), ("flip", 0.0390625, 6)])  # too wide
def test_a_mutated_file_gives_a_photo_or_a_sentence(tmp_path: Path, kind: str, edits: list):
    check(tmp_path / "mutated", mutate(ORIGINALS[kind], edits))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(
    max_examples=LONG, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(sorted(ORIGINALS)), edits=edits)
def test_thousands_of_mutated_files_give_a_photo_or_a_sentence(tmp_path, kind: str, edits: list):
    check(tmp_path / "mutated", mutate(ORIGINALS[kind], edits))
