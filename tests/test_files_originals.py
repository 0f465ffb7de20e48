"""Photos named by their paths: the file that was opened is read, and no link is followed."""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from gpen_webui.files.originals import OriginalError, open_original
from gpen_webui.files.placing import write_staged

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A file some folders deep, beside a secret."""
    path = tmp_path.resolve() / "albums" / "1998" / "summer" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the photo")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.jpg").write_bytes(b"the secret")
    return path


def test_what_was_opened_is_read_by_this_process_and_its_children(photo: Path):
    with open_original(photo, "a.jpg") as held:
        code = "import sys; print(open(sys.argv[1]).read())"
        child = subprocess.run([sys.executable, "-c", code, held], capture_output=True, text=True)
        assert held.read_bytes() == b"the photo"
    assert child.stdout.strip() == "the photo"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_what_takes_its_place_meanwhile_is_not_read(photo: Path, tmp_path: Path):
    with open_original(photo, "a.jpg") as held:
        photo.unlink()
        photo.symlink_to(tmp_path / "private" / "a.jpg")
        assert held.read_bytes() == b"the photo"


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_link_in_any_part_of_the_path_is_refused(photo: Path, tmp_path: Path, depth: int):
    swapped = [photo, *photo.parents][depth]
    swapped.rename(tmp_path / "aside")
    target = tmp_path / "private"
    swapped.symlink_to(target / "a.jpg" if depth == 0 else target)
    with (
        pytest.raises(OriginalError, match=r"a\.jpg cannot be used: .* link"),
        open_original(photo, "a.jpg"),
    ):
        pass


def test_a_file_over_the_limit_is_refused_without_being_read(photo: Path):
    os.truncate(photo, 3 << 30)
    with (
        pytest.raises(OriginalError, match="3221 MB long, and the limit for one file is 200 MB"),
        open_original(photo, "a.jpg", max_bytes=200_000_000),
    ):
        pass


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing"])
def test_what_is_no_file_is_refused_and_nobody_waits(photo: Path, kind: str):
    photo.unlink()
    if kind == "pipe":
        os.mkfifo(photo)
    elif kind == "folder":
        photo.mkdir()
    with pytest.raises(OriginalError, match=r"a\.jpg"), open_original(photo, "a.jpg"):
        pass


def test_a_long_original_is_passed_on_without_being_held_in_memory(photo: Path, tmp_path: Path):
    os.truncate(photo, 300_000_000)
    tracemalloc.start()
    with open_original(photo, "a.jpg") as held:
        size = write_staged(tmp_path / "staged", held.open("rb"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 300_000_000
    assert filecmp.cmp(photo, tmp_path / "staged", shallow=False)
    assert peak < 10_000_000


def test_no_descriptor_is_left_open(photo: Path):
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []
    for path in [photo, photo.with_name("none.jpg"), photo.parent / "x" / "y.jpg"] * 20:
        try:
            with open_original(path, "a.jpg"):
                pass
        except OriginalError:
            continue
    after = os.listdir("/proc/self/fd") if before else []
    assert len(after) <= len(before)
