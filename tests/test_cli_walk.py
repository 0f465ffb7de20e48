"""Which photos the command line's paths mean."""

import os
from pathlib import Path, PurePath

import pytest

from gpen_webui.files.find_photos import LeftOut, NothingToRestoreError, Why, find_photos
from gpen_webui.photo.formats import PHOTO_SUFFIXES
from tests.calls import calls_of


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
    photos, left_out = find_photos([album], PHOTO_SUFFIXES)
    assert names(photos) == ["a.PNG", "b.jpg", "1950/c.heic"]
    assert {(some.path.name, some.why) for some in left_out} == {
        ("notes.txt", Why.NOT_A_PHOTO),
        (".hidden", Why.HIDDEN),
        (".e.jpg", Why.HIDDEN),
    }


def test_several_folders_keep_their_own_names_in_front(album: Path):
    other = album.parent / "other"
    other.mkdir()
    (other / "b.jpg").write_bytes(b"")
    photos, _ = find_photos([album / "1950", other], PHOTO_SUFFIXES)
    assert names(photos) == ["1950/c.heic", "other/b.jpg"]


def test_a_file_named_outright_is_taken_whatever_it_is_called(album: Path):
    photos, _ = find_photos([album / "1950" / "notes.txt"], PHOTO_SUFFIXES)
    assert photos[0].name == PurePath("notes.txt")


def test_a_photo_named_twice_is_restored_once(album: Path):
    photos, _ = find_photos([album / "b.jpg", album / "b.jpg"], PHOTO_SUFFIXES)
    assert len(photos) == 1


def test_photos_of_one_name_from_two_places_are_told_apart(album: Path):
    other = album.parent / "more" / "1950"
    other.mkdir(parents=True)
    for name in ("c.heic", "B.jpg"):
        (other / name).write_bytes(b"")
    photos, _ = find_photos([album / "1950", other], PHOTO_SUFFIXES)
    assert names(photos) == ["1950/c.heic", "1950/B.jpg", "1950/c (2).heic"]
    photos, _ = find_photos([album / "b.jpg", other / "B.jpg"], PHOTO_SUFFIXES)
    assert names(photos) == ["b.jpg", "B (2).jpg"]


def test_the_results_folder_inside_the_album_is_left_out(album: Path):
    photos, _ = find_photos([album], PHOTO_SUFFIXES, exclude=album / "1950")
    assert names(photos) == ["a.PNG", "b.jpg"]


def test_a_missing_path_and_an_empty_folder_say_so(tmp_path: Path):
    with pytest.raises(NothingToRestoreError, match=r"gone\.jpg does not exist"):
        find_photos([tmp_path / "gone.jpg"], PHOTO_SUFFIXES)
    with pytest.raises(NothingToRestoreError, match="no photo"):
        find_photos([tmp_path], PHOTO_SUFFIXES)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_linked_folders_are_followed_once_and_links_in_circles_end(tmp_path: Path):
    album = tmp_path / "album"
    touch(album / "1950" / "a.jpg")
    touch(tmp_path / "other" / "b.jpg")
    (album / "0_same").symlink_to("1950")
    (album / "2021").symlink_to("../other")
    (album / "up").symlink_to(".")
    (tmp_path / "other" / "back").symlink_to("../album")
    photos, left_out = find_photos([album], PHOTO_SUFFIXES)
    assert names(photos) == ["1950/a.jpg", "2021/b.jpg"]
    same = {(some.path.relative_to(album).as_posix(), some.why) for some in left_out}
    assert same == {("0_same", Why.SEEN), ("up", Why.SEEN), ("2021/back", Why.SEEN)}


def test_linked_folders_can_be_left_alone(tmp_path: Path):
    touch(tmp_path / "album" / "a.jpg")
    touch(tmp_path / "other" / "b.jpg")
    (tmp_path / "album" / "link").symlink_to("../other")
    photos, left_out = find_photos([tmp_path / "album"], PHOTO_SUFFIXES, follow_links=False)
    assert names(photos) == ["a.jpg"]
    assert left_out == [LeftOut(tmp_path / "album" / "link", Why.LINK)]


@pytest.mark.parametrize(
    "name",
    ["@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/a.jpg", "__MACOSX/a.jpg", "._a.jpg",
     ".Trash-1000/files/a.jpg", ".Trashes/a.jpg", ".thumbnails/a.jpg", "$RECYCLE.BIN/a.jpg"],
)  # fmt: skip
def test_what_devices_and_systems_keep_in_folders_is_no_photo(tmp_path: Path, name: str):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "1950" / name)
    photos, left_out = find_photos([tmp_path], PHOTO_SUFFIXES)
    assert names(photos) == ["a.jpg"]
    assert left_out == [LeftOut(tmp_path / "1950" / name.split("/")[0], Why.SERVICE)]


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_walked(
    tmp_path: Path, monkeypatch
):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "locked" / "b.jpg")
    touch(tmp_path / "open" / "c.jpg")
    scandir = os.scandir

    def refuse(path):  # permissions do not bind root
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    photos, left_out = find_photos([tmp_path], PHOTO_SUFFIXES)
    assert names(photos) == ["a.jpg", "open/c.jpg"]
    assert left_out == [LeftOut(tmp_path / "locked", Why.UNREADABLE, "Permission denied")]
    with pytest.raises(NothingToRestoreError, match="locked cannot be read"):
        find_photos([tmp_path / "locked"], PHOTO_SUFFIXES)


def test_photos_of_cameras_with_other_suffixes_are_found(tmp_path: Path):
    for name in ("DSC00001.HIF", "a.heif", "b.jfif", "c.jpe"):
        touch(tmp_path / name)
    assert len(find_photos([tmp_path], PHOTO_SUFFIXES)[0]) == 4


def test_photos_of_one_name_are_told_apart_without_work_that_grows_with_the_square(tmp_path: Path):
    paths = [touch(tmp_path / str(n) / "image.jpg") for n in range(400)]
    assert len(set(names(find_photos(paths, PHOTO_SUFFIXES)[0]))) == 400
    few, many = (calls_of(lambda n=n: find_photos(paths[:n], PHOTO_SUFFIXES)) for n in (200, 400))
    assert many < 2.5 * few
