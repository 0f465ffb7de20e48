"""Names and files in the results folder."""

import json
import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_webui.files.atomic import new_run_folder, place_result, remove_temporaries, write_report
from gpen_webui.files.names import plan_results, safe_name, safe_path


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
    ],
)
def test_a_hostile_name_becomes_a_file_inside_the_folder(tmp_path: Path, name: str):
    placed = place_result(tmp_path, safe_path(name), b"x")
    inside = (tmp_path / placed).resolve()
    assert inside.is_file()
    assert inside.is_relative_to(tmp_path)
    assert all(len(part.encode()) <= 255 for part in placed.parts)


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


def test_nothing_is_overwritten_unless_it_is_an_earlier_try(tmp_path: Path):
    assert str(place_result(tmp_path, PurePath("t/a.jpg"), b"1")) == "t/a.jpg"
    assert str(place_result(tmp_path, PurePath("t/a.jpg"), b"2")) == "t/a (2).jpg"
    assert str(place_result(tmp_path, PurePath("t/a.jpg"), b"3", replace=True)) == "t/a.jpg"
    assert everything_in(tmp_path) == ["t/a (2).jpg", "t/a.jpg"]
    assert (tmp_path / "t/a.jpg").read_bytes() == b"3"


def test_temporary_files_never_show_in_the_results_folder(tmp_path: Path, monkeypatch):
    folder, staging = tmp_path / "results", tmp_path / "staging"
    folder.mkdir()
    staging.mkdir()

    def disk_full(handle: int) -> None:
        assert everything_in(folder) == []
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", disk_full)
        with pytest.raises(OSError, match="No space left"):
            place_result(folder, PurePath("a.jpg"), b"1", staging=staging)
    assert everything_in(tmp_path) == []


def test_what_a_killed_process_was_writing_can_be_told_from_photos(tmp_path: Path, monkeypatch):
    place_result(tmp_path, PurePath("t/a.part"), b"1")
    with monkeypatch.context() as patch:
        patch.setattr("os.link", lambda *_: os._exit(9))
        if not (child := os.fork()):
            place_result(tmp_path, PurePath("t/b.jpg"), b"2")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(everything_in(tmp_path)) == 2
    remove_temporaries(tmp_path)
    assert everything_in(tmp_path) == ["t/a.part"]


def test_a_folder_that_was_removed_is_not_made_again(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        place_result(tmp_path / "gone", PurePath("t/a.jpg"), b"1")


def test_the_report_is_replaced_whole(tmp_path: Path):
    write_report(tmp_path, {"n": 1})
    path = write_report(tmp_path, {"n": 2, "name": "Oma \udcff"})
    assert json.loads(path.read_text(encoding="utf-8"))["n"] == 2
    assert everything_in(tmp_path) == ["report.json"]
