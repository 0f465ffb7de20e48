"""The album's zip where a small album does not show it."""

import zipfile
from pathlib import Path

import pytest

from gpen_webui.web.album_zip import stream_zip

MB = 1 << 20


def test_what_is_missing_or_a_link_is_left_out(tmp_path: Path):
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "照片.jpg").write_bytes(b"photo")
    (folder / "link.jpg").symlink_to(tmp_path / "secret")
    response = stream_zip(folder, ["照片.jpg", "gone.jpg", "link.jpg"])
    saved = tmp_path / "album.zip"
    saved.write_bytes(b"".join(response.response))
    assert zipfile.ZipFile(saved).namelist() == ["照片.jpg"]
    assert response.content_length == saved.stat().st_size


@pytest.mark.slow
def test_an_album_may_exceed_four_gigabytes(tmp_path: Path):
    sizes = {"large.tif": 4300 * MB, "small.jpg": 1}
    for name, size in sizes.items():
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)
    response = stream_zip(tmp_path, sizes)
    saved = tmp_path / "saved.zip"
    with open(saved, "wb") as file:
        for chunk in response.response:
            if chunk.strip(b"\0"):
                file.write(chunk)
            else:
                file.seek(len(chunk), 1)  # zeros take no room on the disk
    assert saved.stat().st_size == response.content_length
    entries = zipfile.ZipFile(saved).infolist()
    assert {entry.filename: entry.file_size for entry in entries} == sizes
