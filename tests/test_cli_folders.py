"""`./run.sh restore` and folders: those that it reads, and the one that it writes to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from gpen_webui.files.atomic import write_report
from gpen_webui.files.find_photos import FoundPhoto
from gpen_webui.files.lock import FileLock
from gpen_webui.jobs import folder_record
from gpen_webui.jobs.folder_record import FolderRecord
from gpen_webui.jobs.store.database import Database
from tests.jobs_kit import REPORTS
from tests.server import small_photo
from tests.shims import NO_HARD_LINKS, NO_SHARED_MEMORY, preloaded

APP = (sys.executable, "app.py")
PLAIN_USER = (sys.executable, "-m", "tests.faults.plain_user")
POISONED = (sys.executable, "-m", "tests.faults.poisoned_server")
NO_LOCKS = """
import errno, fcntl, os, sys
def flock(*_):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
fcntl.flock = flock
from gpen_webui.cli import main
sys.exit(main(sys.argv[1:]))
"""
DIES = """
import os, signal, sys
from gpen_webui.jobs.runner import saving
from gpen_webui.jobs.store import claims
from gpen_webui.cli import main
name = sys.argv.pop(1)
where = claims.ClaimQueue if name == "place_for" else saving.Saver
real = getattr(where, name)
def dies(*arguments):
    if name != "place_for":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(where, name, dies)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def restore(project: Path, tmp_path: Path):
    """Runs `restore`, in another way than by app.py where that is given."""

    def run(
        *arguments: object, command: tuple[str, ...] = APP, **environment: str
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*command, "restore", *map(str, arguments)],
            cwd=project,
            env={
                **os.environ,
                "GPEN_WEBUI_OUTPUTS": str(tmp_path / "outputs"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def write_photo(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small_photo(number, side=160))
    return path


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def results_of(folder: Path) -> dict[str, str]:
    return {photo["name"]: photo["result"] for photo in report_of(folder)["photos"]}


def files_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_what_is_left_out_is_told_and_what_cannot_be_read_makes_exit_code_1(restore, tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    for number, name in enumerate(["2020/a.jpg", "locked/c.jpg", "@eaDir/a.jpg/THUMB.jpg"]):
        write_photo(tree / name, number)
    write_photo(tmp_path / "other" / "b.jpg", 3)
    (tree / "2021").symlink_to("../other")
    (tree / "notes.txt").write_text("not a photo")
    (tree / "locked").chmod(0)
    try:
        done = restore(tree, "-o", out, "--json", command=PLAIN_USER)
    finally:
        (tree / "locked").chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert f"{tree / 'locked'} cannot be read (Permission denied)" in done.stderr
    assert "Left out: 1 not photos, 1 kept by a device or system for itself, 1 unreadable." in (
        done.stderr
    )
    expected = {
        (str(tree / "locked"), "cannot be read"),
        (str(tree / "notes.txt"), "not a photo"),
        (str(tree / "@eaDir"), "kept by a device or system for itself"),
    }
    for listed in (json.loads(done.stdout.splitlines()[-1]), report_of(out)):
        assert {(some["path"], some["why"]) for some in listed["left_out"]} == expected
    assert results_of(out) == {"2020/a.jpg": "2020/a.jpg", "2021/b.jpg": "2021/b.jpg"}


def test_an_album_restored_into_itself_keeps_its_originals_and_is_not_restored_twice(
    restore, tmp_path
):
    album = tmp_path / "album"
    originals = {name: write_photo(album / name).read_bytes() for name in ("a.jpg", "t/b.jpg")}
    assert restore(album, "-o", album).returncode == 0
    done = restore(album, "-o", album, "--skip-existing")
    assert done.returncode == 0, done.stderr
    assert files_in(album) == {*originals, "a (2).jpg", "t/b (2).jpg", *REPORTS}
    assert results_of(album) == {"a.jpg": "a (2).jpg", "t/b.jpg": "t/b (2).jpg"}
    assert {name: (album / name).read_bytes() for name in originals} == originals


def test_an_original_that_lies_where_its_result_would_is_no_result(restore, tmp_path):
    album = tmp_path / "album"
    write_photo(album / "a.jpg")
    done = restore(album, "-o", album, "--skip-existing")
    assert done.returncode == 0, done.stderr
    assert results_of(album) == {"a.jpg": "a (2).jpg"}


def test_another_original_that_lies_where_a_result_would_is_no_result_either(restore, tmp_path):
    album = tmp_path / "album"
    originals = {name: write_photo(album / name).read_bytes() for name in ("a.jpg", "a.png")}
    done = restore(album, "-o", album, "--skip-existing", "--format", "jpeg")
    assert done.returncode == 0, done.stderr
    assert set(results_of(album).values()) == {"a (2).jpg", "a (3).jpg"}
    assert {name: (album / name).read_bytes() for name in originals} == originals


def test_names_that_files_and_folders_of_the_user_have_are_gone_around(restore, tmp_path):
    album, out = tmp_path / "album", tmp_path / "out"
    for name in ("report.json/a.jpg", "1950/b.jpg", "c.jpg"):
        write_photo(album / name)
    (out / "c.jpg").mkdir(parents=True)
    (out / "1950").write_text("a file of the user")
    for more in ((), ("--skip-existing",)):
        done = restore(album, "-o", out, *more)
        assert done.returncode == 0, done.stderr
    assert results_of(out) == {
        "report.json/a.jpg": "report.json (2)/a.jpg",
        "1950/b.jpg": "1950 (2)/b.jpg",
        "c.jpg": "c (2).jpg",
    }
    assert (out / "1950").read_text() == "a file of the user"


def test_a_photo_of_another_folder_is_not_taken_for_one_of_the_same_name(restore, tmp_path):
    first, second, out = tmp_path / "1998", tmp_path / "1999", tmp_path / "out"
    write_photo(first / "IMG.jpg", 1)
    write_photo(second / "IMG.jpg", 2)
    died = restore(first, "-o", out, command=(sys.executable, "-c", DIES, "forget"))
    assert died.returncode == -signal.SIGKILL, died.stderr
    done = restore(second, "-o", out, "--skip-existing")
    assert done.returncode == 0, done.stderr
    assert results_of(out) == {"IMG.jpg": "IMG.jpg", "IMG (2).jpg": "IMG (2).jpg"}
    assert (out / "IMG.jpg").read_bytes() != (out / "IMG (2).jpg").read_bytes()


def test_a_name_in_the_record_stands_for_one_photo_wherever_that_is_moved(tmp_path):
    first, second, out = tmp_path / "1998", tmp_path / "1999", tmp_path / "out"
    out.mkdir()
    write_photo(first / "IMG.jpg", 1)
    write_photo(first / "same.jpg", 2)
    write_photo(second / "IMG.jpg", 3)
    write_photo(second / "same.jpg", 2)  # a copy

    def names(folder: Path) -> list[str]:
        """Those that a run over this folder gives; it restores what it does not know."""
        record = FolderRecord(out)
        found = [FoundPhoto(folder / name, PurePath(name)) for name in ("IMG.jpg", "same.jpg")]
        given = [str(photo.name) for photo in record.name_apart(found)]
        photos = [{"name": name, "state": "done", "result": name} for name in given]
        write_report(out, record.complete({"photos": photos}))
        record.close(ended=True)
        return given

    assert names(first) == ["IMG.jpg", "same.jpg"]
    assert names(second) == ["IMG (2).jpg", "same.jpg"]
    assert names(first) == ["IMG.jpg", "same.jpg"]
    assert names(second) == ["IMG (2).jpg", "same.jpg"]
    first.rename(tmp_path / "moved")
    assert names(tmp_path / "moved") == ["IMG.jpg", "same.jpg"]
    report = report_of(out)
    for photo in report["photos"]:
        del photo["origin"]  # as earlier versions wrote it
    write_report(out, report)
    assert names(second) == ["IMG.jpg", "same.jpg"]


def test_a_file_system_without_locks_is_not_taken_for_another_run(restore, tmp_path):
    photo, out = write_photo(tmp_path / "a.jpg"), tmp_path / "out"
    done = restore(photo, "-o", out, command=(sys.executable, "-c", NO_LOCKS))
    assert done.returncode == 2
    assert "on a file system without locks" in done.stderr
    assert "Another run" not in done.stderr
    assert os.listdir(out) == []


def test_a_share_without_hard_links_and_shared_memory_takes_results(restore, tmp_path):
    share = preloaded(tmp_path, NO_HARD_LINKS, NO_SHARED_MEMORY)
    album, out = tmp_path / "album", tmp_path / "out"
    photos = {f"{n}.jpg" for n in range(3)}
    for number, name in enumerate(sorted(photos)):
        write_photo(album / name, number)
    for more in ((), ("--skip-existing",)):
        done = restore(album, "-o", out, *more, **share)
        assert done.returncode == 0, done.stderr
        assert files_in(out) == {*photos, *REPORTS}
        assert results_of(out) == {name: name for name in photos}


@pytest.mark.parametrize(
    ("moment", "faults", "more"),
    [
        ("place_for", [NO_HARD_LINKS], []),
        ("write_staged", [NO_HARD_LINKS], []),
        ("place", [NO_HARD_LINKS], []),
        ("place", [], ["--skip-existing"]),
    ],
)
def test_a_death_while_a_result_is_saved_removes_no_original(
    restore, tmp_path, moment: str, faults: list[str], more: list[str]
):
    album = tmp_path / "album"
    album.mkdir()
    Image.new("RGB", (64, 64)).save(album / "tree.jpg")  # without a face: saved unchanged
    original = (album / "tree.jpg").read_bytes()
    share = preloaded(tmp_path, *faults)
    died = restore(album, "-o", album, command=(sys.executable, "-c", DIES, moment), **share)
    assert died.returncode == -signal.SIGKILL, died.stderr
    done = restore(album, "-o", album, *more, **share)
    assert done.returncode == 0, done.stderr
    assert (album / "tree.jpg").read_bytes() == original
    assert files_in(album) == {"tree.jpg", "tree (2).jpg", *REPORTS}


def test_a_run_that_ends_while_the_next_begins_is_known_to_it(restore, tmp_path, monkeypatch):
    photo, out = write_photo(tmp_path / "a.jpg"), tmp_path / "out"
    out.mkdir()

    def wait_for_the_lock(path: Path) -> FileLock:
        assert restore(photo, "-o", out).returncode == 0
        path.parent.mkdir(exist_ok=True)
        return FileLock(path)

    monkeypatch.setattr(folder_record, "FileLock", wait_for_the_lock)
    record = FolderRecord(out)
    record.close(ended=True)
    assert list(record.results()) == [out / "a.jpg"]


def test_files_taken_for_results_by_their_names_alone_are_told(restore, tmp_path):
    album, out = tmp_path / "album", tmp_path / "out"
    for number in range(3):
        write_photo(album / f"{number}.jpg", number)
    out.mkdir()
    (out / "0.jpg").write_text("a file of the user")
    done = restore(album, "-o", out, "--skip-existing")
    assert "1 was not looked at" in done.stderr
    assert "without --skip-existing" in done.stderr
    done = restore(album, "-o", out, "--skip-existing")  # its own results it knows
    assert "1 was not looked at" in done.stderr
    assert (out / "0.jpg").read_text() == "a file of the user"
    done = restore(album, "-o", out)
    assert "not looked at" not in done.stderr
    assert results_of(out)["0.jpg"] == "0 (2).jpg"


@pytest.mark.parametrize("planted", [".gpen-webui-run", ".gpen-webui-run/staging"])
def test_a_link_planted_in_a_strangers_album_gives_no_file_elsewhere_away(
    restore, tmp_path, planted
):
    album, private = tmp_path / "album", tmp_path / "private"
    write_photo(album / "a.jpg")
    private.mkdir()
    for name in ("letter.txt", "jobs.sqlite"):
        (private / name).write_text("mine")
    (album / planted).parent.mkdir(exist_ok=True)
    if planted != ".gpen-webui-run":
        Database(album / ".gpen-webui-run" / "jobs.sqlite").close()
    (album / planted).symlink_to(private)
    done = restore(album, "-o", album)
    assert done.returncode == 2
    assert ".gpen-webui-run" in done.stderr
    assert "remove it" in done.stderr
    assert {path.name: path.read_text() for path in private.iterdir()} == {
        "letter.txt": "mine",
        "jobs.sqlite": "mine",
    }


def test_odd_notes_of_a_dead_run_do_no_harm(restore, tmp_path):
    photo, out = write_photo(tmp_path / "a.jpg"), tmp_path / "out"
    hidden = out / ".gpen-webui-run"
    for notes, store in ((b'{"photos": [3]}', b"no database"), (b"\xff[", None)):
        hidden.mkdir(parents=True)
        (hidden / "earlier.json").write_bytes(notes)
        if store:
            (hidden / "jobs.sqlite").write_bytes(store)
        done = restore(photo, "-o", out)
        assert done.returncode == 0, done.stderr
        assert not hidden.exists()
        shutil.rmtree(out)


def test_a_photo_that_takes_too_long_is_given_up_and_the_others_are_restored(restore, tmp_path):
    album, out = tmp_path / "album", tmp_path / "out"
    for number, name in enumerate(("a.jpg", "endless.jpg", "b.jpg")):
        write_photo(album / name, number)
    done = restore(album, "-o", out, "--max-photo-seconds", 8, command=POISONED)
    assert done.returncode == 1, done.stderr
    assert "endless.jpg took longer than 8 seconds" in done.stderr
    assert results_of(out) == {"a.jpg": "a.jpg", "b.jpg": "b.jpg", "endless.jpg": None}
    assert files_in(out) == {"a.jpg", "b.jpg", *REPORTS}


def test_a_disk_that_takes_nothing_more_stops_the_run_with_the_command_that_goes_on(
    restore, tmp_path
):
    album, out = tmp_path / "album", tmp_path / "out"
    write_photo(album / "a.jpg")
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    Image.fromarray(noise).save(album / "large.png")
    limited = ("/bin/bash", "-c", f'ulimit -f 4000; exec {sys.executable} app.py "$@"', "sh")
    done = restore(album, "-o", out, "--workers", 1, command=limited)
    assert done.returncode == 2, done.stderr
    assert f"cannot be written to {out} (File too large)" in done.stderr
    assert f"restore {album} -o {out} --workers 1 --skip-existing" in done.stderr
    assert files_in(out) - {name for name in files_in(out) if name[0] == "."} == {"a.jpg"}
    done = restore(album, "-o", out, "--skip-existing", "--json")
    assert done.returncode == 0, done.stderr
    first, second, _ = map(json.loads, done.stdout.splitlines())
    assert (first["name"], first.get("skipped")) == ("a.jpg", True)
    assert (second["name"], second["state"]) == ("large.png", "no_face")


def test_results_that_other_settings_made_are_kept_and_that_is_said(restore, tmp_path):
    album, other, out = tmp_path / "album", tmp_path / "other", tmp_path / "out"
    write_photo(album / "a.jpg")
    (album / "bad.jpg").write_bytes(b"x")
    assert restore(album, "-o", out).returncode == 1
    (album / "bad.jpg").unlink()
    first = (out / "a.jpg").read_bytes()

    done = restore(album, "-o", out, "--skip-existing", "--strength", 30)
    assert "1 was kept as an earlier run made it, with other settings" in done.stderr
    assert "without --skip-existing" in done.stderr
    assert (out / "a.jpg").read_bytes() == first
    done = restore(album, "-o", out, "--skip-existing", "--max-megapixels", 90)
    assert "other settings" not in done.stderr

    write_photo(other / "b.jpg", 1)
    done = restore(other, "-o", out)
    assert done.returncode == 0  # what failed in an earlier run is not this one's
    assert "1 restored. Results" in done.stderr
    assert "also tells of 2 photos of earlier runs" in done.stderr
    assert set(results_of(out)) == {"a.jpg", "bad.jpg", "b.jpg"}
