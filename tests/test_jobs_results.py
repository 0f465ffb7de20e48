"""Names and files in the results folder."""

import errno
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_webui.files import placing
from gpen_webui.files.atomic import new_run_folder, write_report
from gpen_webui.files.names import portable_path, printable, safe_name, safe_path
from gpen_webui.files.placing import (
    NameRefusedError,
    is_placed,
    place,
    remove_placed,
    write_staged,
)
from gpen_webui.jobs.naming import plan_results
from gpen_webui.photo.formats import with_photo_suffix
from tests.calls import calls_of


def plan(*names: str, format: str = "same") -> list[str]:
    return [str(path) for path in plan_results(names, format)]


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "",
        "a\nb.jpg",
        'say "cheese".png',
        "\x00.jpg",
        "CON.jpg",
        "aux",
        "x" * 300 + ".jpeg",
        "奶奶" * 100 + ".jpg",
        "gpj.\u202ephoto.jpg",
        "👩\u200d👧.jpg",
        "../../etc/passwd",
        "C:\\Photos\\a.jpg",
        "\udcff.jpg",
        "trailing. ",
        "edges .",
        "St. Anna\x85\x9b\u061c\u2028\u2029.jpg",
        "com¹.jpg",
        "nul .txt",
    ],
)
def test_a_hostile_name_becomes_a_file_inside_the_folder(tmp_path: Path, name: str):
    folder = tmp_path / "results"
    folder.mkdir()
    inside = placed(folder, safe_path(name)).resolve()
    assert inside.is_file()
    assert inside.is_relative_to(folder)
    assert all(len(part.encode()) <= 255 for part in inside.parts)


@given(st.text(max_size=400))
def test_any_text_becomes_a_safe_name_that_stays_what_it_is(name: str):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert "/" not in safe
    assert "\x00" not in safe
    assert len(safe.encode()) <= 255
    assert safe_name(safe) == safe


def test_recognisable_names_are_kept_and_long_ones_keep_their_suffix():
    assert safe_name("Großmutter 1931 (Köln).JPG") == "Großmutter 1931 (Köln).JPG"
    assert safe_name("x" * 300 + ".jpeg").endswith("x.jpeg")


def test_the_tree_is_kept_and_never_left():
    assert plan("1931/summer/a.jpg", "../b.jpg", "/etc/c.jpg") == [
        "1931/summer/a.jpg",
        "b.jpg",
        "etc/c.jpg",
    ]


def test_same_names_are_numbered_also_when_only_their_case_differs():
    assert plan("a.jpg", "A.JPG", "a.jpg", "report.json") == [
        "a.jpg",
        "A (2).JPG",
        "a (3).jpg",
        "report (2).json",
    ]


def test_a_photo_named_like_a_folder_makes_way():
    assert plan("summer", "summer/a.jpg") == ["summer (2)", "summer/a.jpg"]


def test_another_format_changes_the_suffix_and_avoids_the_clash():
    assert plan("a.jpg", "a.png", "b.jpe", format="jpeg") == ["a.jpg", "a (2).jpg", "b.jpe"]


def test_run_folders_made_in_the_same_second_differ(tmp_path: Path):
    folders = {new_run_folder(tmp_path, "Album: 1/2") for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.parent == tmp_path for folder in folders)


def placed(folder: Path, name: PurePosixPath, data: bytes = b"x") -> Path:
    """Stage and place a file; where it lies."""
    staged = folder.parent / "staged"
    write_staged(staged, data)
    place(staged, folder, name)
    staged.unlink()
    return folder / name


def test_the_report_is_replaced_whole(tmp_path: Path):
    write_report(tmp_path, {"n": 1})
    path = write_report(tmp_path, {"n": 2, "name": "Oma \udcff"})
    assert json.loads(path.read_text(encoding="utf-8"))["n"] == 2
    assert everything_in(tmp_path) == ["report.json"]


def test_the_report_of_a_large_album_is_written_in_little_memory(tmp_path: Path):
    report = {"photos": [{"name": f"{n}.jpg", "notes": ["n" * 2000]} for n in range(500)]}
    tracemalloc.start()
    try:
        path = write_report(tmp_path, report)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 1_000_000
    assert most < 200_000
    assert json.loads(path.read_text(encoding="utf-8")) == report


@given(st.text(max_size=400))
def test_no_name_has_what_a_terminal_obeys_or_a_file_system_drops(name: str):
    safe = safe_name(name)
    assert printable(safe) == safe
    assert not set(safe) & set('\\/:*?"<>|')
    assert safe == safe.strip().rstrip(".")


@given(st.text(max_size=400))
def test_a_portable_name_is_short_and_plain(name: str):
    [portable] = portable_path(PurePosixPath(safe_name(name))).parts
    assert portable.isascii()
    assert 0 < len(portable) <= 120
    assert safe_name(portable) == portable


def test_a_portable_name_is_as_close_to_the_name_as_can_be():
    assert portable_path(PurePosixPath("Köln/Müller & Söhne.jpg")) == PurePosixPath(
        "Koln/Muller _ Sohne.jpg"
    )


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("St. Anna", "St. Anna.jpg"),
        ("J. Müller", "J. Müller.jpg"),
        ("Oma 1.5.1998", "Oma 1.5.1998.jpg"),
        ("St.Anna", "St.Anna.jpg"),
        ("a.png", "a.jpg"),
        ("a.JPG", "a.JPG"),
        ("holiday.html", "holiday.html.jpg"),
    ],
)
def test_a_name_without_a_photos_suffix_keeps_all_its_dots(name: str, result: str):
    assert str(with_photo_suffix(PurePosixPath(name), ".jpg")) == result


def test_a_folder_never_has_the_name_of_the_report():
    assert plan("report.json/a.jpg", "REPORT.JSON/b.jpg", "report.json") == [
        "report.json (2)/a.jpg",
        "REPORT.JSON (2)/b.jpg",
        "report (2).json",
    ]


def test_names_are_planned_without_work_that_grows_with_the_square():
    few, many = (calls_of(lambda n=n: plan(*["image.jpg"] * n)) for n in (500, 1000))
    assert many < 2.5 * few
    assert len(set(plan(*["image.jpg"] * 4000))) == 4000


# Placing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture(params=["hard links", "no hard links"])
def links(request, monkeypatch) -> None:
    """Both kinds of file systems."""
    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", _raising(errno.EPERM))


@pytest.mark.usefixtures("links")
def test_a_placed_file_is_known_as_ours_and_a_strangers_is_not(folder: Path, tmp_path: Path):
    staged, name = tmp_path / "staged", PurePosixPath("1950/a.jpg")
    write_staged(staged, b"ours")
    place(staged, folder, name)
    assert (folder / name).read_bytes() == b"ours"
    assert is_placed(staged, folder / name)
    (folder / name).unlink()
    (folder / name).write_bytes(b"a stranger's")
    assert not is_placed(staged, folder / name)
    remove_placed(staged, folder, name)
    assert (folder / name).read_bytes() == b"a stranger's"
    assert not staged.exists()


@pytest.mark.usefixtures("links")
def test_what_was_placed_can_be_undone(folder: Path, tmp_path: Path):
    staged, name = tmp_path / "staged", PurePosixPath("1950/summer/a.jpg")
    write_staged(staged, b"ours")
    place(staged, folder, name)
    remove_placed(staged, folder, name)
    assert os.listdir(tmp_path) == ["results"]
    assert os.listdir(folder) == []


@pytest.mark.usefixtures("links")
def test_nothing_is_ever_overwritten(folder: Path, tmp_path: Path):
    (folder / "a.jpg").write_bytes(b"a stranger's")
    (folder / "b.jpg").mkdir()
    (folder / "c.jpg").symlink_to("nowhere")
    write_staged(tmp_path / "staged", b"ours")
    for name in ("a.jpg", "b.jpg", "c.jpg", "a.jpg/d.jpg"):
        with pytest.raises(NameRefusedError):
            place(tmp_path / "staged", folder, PurePosixPath(name))
    assert (folder / "a.jpg").read_bytes() == b"a stranger's"
    assert sorted(os.listdir(folder)) == ["a.jpg", "b.jpg", "c.jpg"]


def test_an_identical_file_of_a_stranger_is_not_taken_for_ours(folder: Path, tmp_path: Path):
    write_staged(tmp_path / "staged", b"the same bytes")
    (folder / "a.jpg").write_bytes(b"the same bytes")
    remove_placed(tmp_path / "staged", folder, PurePosixPath("a.jpg"))
    assert os.listdir(folder) == ["a.jpg"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ])
def test_a_name_that_the_file_system_refuses_is_told_as_such(
    folder: Path, tmp_path: Path, monkeypatch, code: int
):
    write_staged(tmp_path / "staged", b"ours")
    monkeypatch.setattr(os, "link", _raising(code))
    monkeypatch.setattr(placing, "create_file", _raising(code))
    with pytest.raises(NameRefusedError):
        place(tmp_path / "staged", folder, PurePosixPath("a.jpg"))


def test_a_full_disk_is_not_taken_for_a_name_that_is_refused(
    folder: Path, tmp_path: Path, monkeypatch
):
    write_staged(tmp_path / "staged", b"ours")
    monkeypatch.setattr(os, "link", _raising(errno.ENOSPC))
    with pytest.raises(OSError, match="No space") as caught:
        place(tmp_path / "staged", folder, PurePosixPath("a.jpg"))
    assert not isinstance(caught.value, NameRefusedError)


def test_a_full_disk_leaves_nothing_staged(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(os, "fsync", _raising(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        write_staged(tmp_path / "staged", b"x")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_removed_is_not_made_again(tmp_path: Path):
    write_staged(tmp_path / "staged", b"x")
    with pytest.raises(FileNotFoundError):
        place(tmp_path / "staged", tmp_path / "gone", PurePosixPath("t/a.jpg"))


def _raising(code: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse
