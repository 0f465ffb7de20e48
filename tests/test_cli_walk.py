"""Which photos the command line's paths mean."""

from pathlib import Path, PurePath

import pytest

from gpen_webui.files.find_photos import NothingToRestoreError, find_photos


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "1950/c.heic", "1950/notes.txt", ".hidden/d.jpg", ".e.jpg"):
        file = tmp_path / "album" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return tmp_path / "album"


def names(photos) -> list[str]:
    return [photo.name.as_posix() for photo in photos]


def test_a_folder_is_walked_with_its_tree_and_other_files_are_told_apart(album: Path):
    photos, others = find_photos([album])
    assert names(photos) == ["a.PNG", "b.jpg", "1950/c.heic"]
    assert [other.name for other in others] == ["notes.txt"]


def test_several_folders_keep_their_own_names_in_front(album: Path):
    other = album.parent / "other"
    other.mkdir()
    (other / "b.jpg").write_bytes(b"")
    photos, _ = find_photos([album / "1950", other])
    assert names(photos) == ["1950/c.heic", "other/b.jpg"]


def test_a_file_named_outright_is_taken_whatever_it_is_called(album: Path):
    photos, _ = find_photos([album / "1950" / "notes.txt"])
    assert photos[0].name == PurePath("notes.txt")


def test_a_photo_named_twice_is_restored_once(album: Path):
    photos, _ = find_photos([album / "b.jpg", album / "b.jpg"])
    assert len(photos) == 1


def test_photos_of_one_name_from_two_places_are_told_apart(album: Path):
    other = album.parent / "more" / "1950"
    other.mkdir(parents=True)
    for name in ("c.heic", "B.jpg"):
        (other / name).write_bytes(b"")
    photos, _ = find_photos([album / "1950", other])
    assert names(photos) == ["1950/c.heic", "1950/B.jpg", "1950/c (2).heic"]
    photos, _ = find_photos([album / "b.jpg", other / "B.jpg"])
    assert names(photos) == ["b.jpg", "B (2).jpg"]


def test_the_results_folder_inside_the_album_is_left_out(album: Path):
    photos, _ = find_photos([album], exclude=album / "1950")
    assert names(photos) == ["a.PNG", "b.jpg"]


def test_a_missing_path_and_an_empty_folder_say_so(tmp_path: Path):
    with pytest.raises(NothingToRestoreError, match=r"gone\.jpg does not exist"):
        find_photos([tmp_path / "gone.jpg"])
    with pytest.raises(NothingToRestoreError, match="no photo"):
        find_photos([tmp_path])
