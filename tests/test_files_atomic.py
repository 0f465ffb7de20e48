"""A file is written whole or not at all, on every file system."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gpen_webui.files.atomic import write_atomically, writing_atomically
from tests.shims import NO_HARD_LINKS, preloaded

WRITE = (
    "import os, sys, pathlib\n"
    "from gpen_webui.files.atomic import write_atomically\n"
    "from gpen_webui.files.placing import place, write_staged\n"
    "os.umask(int(sys.argv[2], 8))\n"
    "folder = pathlib.Path(sys.argv[1])\n"
    "write_atomically(folder / 'note.json', b'whole')\n"
    "write_staged(folder / 'staged', b'photo')\n"
    "place(folder / 'staged', folder, pathlib.PurePosixPath('tree/photo.jpg'))\n"
    "(folder / 'staged').unlink()\n"
)


def test_an_earlier_file_is_replaced_and_nothing_else_is_left(tmp_path: Path):
    path = tmp_path / "note.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["note.json"]


def test_a_failure_while_writing_leaves_the_earlier_file_as_it_was(tmp_path: Path):
    path = tmp_path / "note.json"
    write_atomically(path, b"old")
    with pytest.raises(RuntimeError, match="gave up"):
        give_up_writing(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["note.json"]


def give_up_writing(path: Path) -> None:
    with writing_atomically(path) as file:
        file.write(b"half of the n")
        raise RuntimeError("gave up")


def test_a_full_disk_is_an_error_and_leaves_the_earlier_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "note.json"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["note.json"]


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("077", 0o600), ("002", 0o664)])
def test_files_get_the_permissions_that_the_umask_leaves(
    project: Path, tmp_path: Path, umask: str, mode: int
):
    subprocess.run([sys.executable, "-c", WRITE, tmp_path, umask], cwd=project, check=True)
    for name in ("note.json", "tree/photo.jpg"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_a_secret_can_be_kept_to_its_owner(tmp_path: Path):
    write_atomically(tmp_path / "secret", b"x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


FOLDERS_CANNOT_BE_FLUSHED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
int fsync(int handle) {
    struct stat found;
    if (fstat(handle, &found) == 0 && S_ISDIR(found.st_mode)) { errno = CODE; return -1; }
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return real(handle);
}
"""

NO_PERMISSIONS = """
#include <errno.h>
#include <sys/stat.h>
int chmod(const char *path, mode_t mode) { errno = EPERM; return -1; }
int fchmod(int handle, mode_t mode) { errno = EPERM; return -1; }
int fchmodat(int folder, const char *path, mode_t mode, int flags) { errno = EPERM; return -1; }
"""

FILE_SYSTEMS = {
    **{
        f"folders cannot be flushed ({name})": FOLDERS_CANNOT_BE_FLUSHED.replace("CODE", name)
        for name in ("EINVAL", "ENOTSUP", "EIO", "EPERM", "EACCES")
    },
    "permissions cannot be set": NO_PERMISSIONS,
    "there are no hard links": NO_HARD_LINKS,
}


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_files_are_written_whole_on_a_file_system_where(
    project: Path, tmp_path: Path, file_system: str
):
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {**os.environ, **preloaded(tmp_path, FILE_SYSTEMS[file_system])}
    command = [sys.executable, "-c", WRITE, folder, "022"]
    subprocess.run(command, cwd=project, env=environment, check=True)
    assert (folder / "note.json").read_bytes() == b"whole"
    assert (folder / "tree" / "photo.jpg").read_bytes() == b"photo"
    assert sorted(os.listdir(folder)) == ["note.json", "tree"]
