"""What `./run.sh restore` keeps of photos beside their pixels, and what it says of the rest."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.exif_blocks import exif_block
from tests.test_cli_restore import ASTRONAUT, report_of, restore

TAKEN = 981_173_106


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An album restored once, as it is and as WebP."""
    folder = tmp_path_factory.mktemp("kept")
    album = folder / "album"
    album.mkdir()
    face = Image.open(ASTRONAUT).crop((100, 0, 400, 300)).resize((240, 240))
    face.save(album / "anna.jpg", exif=b"Exif\0\0" + exif_block(), comment=b"Ostern")
    with (album / "anna.jpg").open("ab") as file:
        file.write(b"\0\0\0\x18ftypmp42" + bytes(5_000))
    face.save(album / "bert.gif")
    Image.new("RGB", (200, 160), (90, 120, 160)).save(album / "sky.gif")
    (album / "anna.xmp").write_bytes(b"<stars/>")
    (album / "anna.jpg.XMP").write_bytes(b"<caption/>")
    (album / "other.xmp").write_bytes(b"<nobody/>")
    for file in album.iterdir():
        os.utime(file, (TAKEN, TAKEN))
    for output, more in (
        ("same", ()),
        ("webp", ("--format", "webp", "--no-copy-date", "--crop", "0,0,200,160")),
    ):
        run = restore(album, "-o", folder / output, *more, cwd=folder)
        assert run.returncode == 0, run.stderr
    return folder


def test_results_have_the_date_of_the_photo_unless_told_otherwise(results: Path):
    for name in ("anna.jpg", "bert.png", "sky.gif"):
        assert (results / "same" / name).stat().st_mtime == TAKEN
    assert (results / "webp" / "anna.webp").stat().st_mtime > TAKEN


def test_xmp_files_lie_beside_the_results(results: Path):
    assert (results / "same" / "anna.xmp").read_bytes() == b"<stars/>"
    assert (results / "same" / "anna.jpg.xmp").read_bytes() == b"<caption/>"
    assert (results / "webp" / "anna.webp.xmp").read_bytes() == b"<caption/>"
    assert not (results / "same" / "other.xmp").exists()
    assert set(report_of(results / "same")["anna.jpg"]["sidecars"]) == {"anna.xmp", "anna.jpg.xmp"}


def test_the_report_says_where_a_result_is_compressed_once_more(results: Path):
    (note,) = report_of(results / "same")["anna.jpg"]["notes"]
    assert "compressed with losses" in note
    assert "compressed" not in str(report_of(results / "same")["bert.gif"]["notes"])


def test_what_is_lost_is_said_for_the_photo_and_for_the_format(results: Path):
    video = "anna.jpg also holds what the result cannot: motion video."
    assert report_of(results / "same")["anna.jpg"]["warnings"] == [video]
    comment = "anna.jpg: WebP cannot hold the comment."
    sidecar = "The XMP file beside the photo was copied as it is: people marked in it keep the "
    sidecar += "places that they had before the photo was turned or cropped."
    assert report_of(results / "webp")["anna.jpg"]["warnings"] == [video, comment, sidecar]


def test_a_gif_without_a_face_is_passed_on_with_nothing_lost(results: Path):
    report = report_of(results / "same")
    assert report["sky.gif"]["result"] == "sky.gif"
    assert report["sky.gif"]["warnings"] == []
    assert (results / "same" / "sky.gif").read_bytes() == (
        results / "album" / "sky.gif"
    ).read_bytes()
    assert report["bert.gif"]["result"] == "bert.png"
    assert report["bert.gif"]["warnings"] == ["bert.gif is a GIF; the result is a PNG."]
