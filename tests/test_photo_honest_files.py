"""Files that look odd and are honest open; results are packed as their photos were."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.formats import MEDIA_TYPE_OF, PHOTO_SUFFIXES, SUFFIX_OF
from gpen_webui.photo.photo import open_photo, thumbnail
from tests.hostile.formats import LONG, SHORT, tiff, tiff_tags
from tests.test_photo import picture, reopened, save

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"


def blurred(size: tuple[int, int]) -> Image.Image:
    """Soft structure all over, as of a small photo enlarged."""
    noise = np.random.default_rng(1).integers(60, 200, (40, 40, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.webp", "a.avif"])
def test_large_enlarged_photos_open_and_have_thumbnails(tmp_path: Path, name: str):
    options = {"a.webp": {"quality": 30, "method": 0}, "a.avif": {"quality": 30, "speed": 10}}[name]
    path = save(blurred((6_000, 5_500)), tmp_path / name, **options)
    assert path.stat().st_size * 8 < 0.1 * 33e6
    assert open_photo(path).pixels.shape == (5_500, 6_000, 3)
    assert thumbnail(path, 100)


def test_a_page_in_black_and_white_of_600_dpi_opens(tmp_path: Path):
    page = np.ones((7_016, 4_960), bool)
    for line in range(200, 6_800, 110):
        for letter in range(300, 4_600, 300):
            page[line : line + 40, letter : letter + 20] = False
    path = save(Image.fromarray(page), tmp_path / "page.tif", compression="group4")
    assert path.stat().st_size * 8 < 0.03 * page.size
    photo = open_photo(path)
    assert ((photo.pixels[:, :, 0] > 127) == page).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_that_lacks_only_its_end_marker_opens_with_a_warning(tmp_path: Path, options):
    whole = save(picture(), tmp_path / "whole.jpg", **options)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole.read_bytes()[:-2])
    photo = open_photo(path)
    assert (photo.pixels == open_photo(whole).pixels).all()
    assert photo.warnings == ("a.jpg lacks its last two bytes; every pixel is there.",)
    assert thumbnail(path, 40)


@pytest.mark.parametrize("padding", [b"", bytes(3_000)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_more_is_refused(tmp_path: Path, progressive: bool, padding: bytes):
    data = save(picture(400, 300), tmp_path / "w.jpg", progressive=progressive).read_bytes()
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for end in (len(data) - 12, len(data) - 400, len(data) // 2, scans[-1]):
        path = tmp_path / "a.jpg"
        path.write_bytes(data[:end] + padding)
        with pytest.raises(PhotoError, match=r"a\.jpg is damaged or cut short"):
            open_photo(path)


def big_tiff(order: str) -> bytes:
    pixels = np.asarray(picture()).tobytes()
    entries = {
        256: (4, [96]), 257: (4, [64]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [2]),
        270: (2, b"Sommer\0"), 273: (16, [16]), 277: (3, [3]), 278: (4, [64]),
        279: (16, [len(pixels)]),
    }  # fmt: skip
    directory = struct.pack(order + "Q", len(entries))
    for tag, (kind, values) in entries.items():
        form = {3: "H", 4: "I", 16: "Q"}.get(kind)
        value = values if form is None else struct.pack(f"{order}{len(values)}{form}", *values)
        directory += struct.pack(order + "HHQ", tag, kind, len(values)) + value.ljust(8, b"\0")
    mark = b"MM" if order == ">" else b"II"
    header = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16 + len(pixels))
    return header + pixels + directory + bytes(8)


@pytest.mark.parametrize("order", ["<", ">"])
def test_big_tiff_opens_in_both_byte_orders(tmp_path: Path, order: str):
    path = tmp_path / "big.tif"
    path.write_bytes(big_tiff(order))
    photo = open_photo(path)
    assert (photo.pixels == np.asarray(picture())).all()
    result = reopened(photo)
    assert result.tag_v2[270] == "Sommer"
    assert (np.asarray(result) == photo.pixels).all()


def test_of_a_gif_the_first_picture_becomes_a_png(tmp_path: Path):
    still = open_photo(save(picture(), tmp_path / "still.gif", comment=b"Ostern"))
    assert still.warnings == ("still.gif is a GIF; the result is a PNG.",)
    data, suffix = encode_photo(still, still.pixels)
    assert suffix == ".png"
    assert Image.open(io.BytesIO(data)).text["Comment"] == "Ostern"
    others = [Image.new("RGB", (96, 64), "red")] * 2
    path = save(picture(), tmp_path / "film.gif", save_all=True, append_images=others)
    assert "only the first" in open_photo(path).warnings[0]


def raw_files() -> dict[str, bytes]:
    pixels = bytes(96 * 64)
    small = tiff_tags(96, 64, len(pixels), bits=[8], photometric=1)
    sub = tiff(small | {254: (LONG, [1]), 330: (LONG, [0])}, pixels)
    at = len(sub)
    sensor = struct.pack("<H", 1) + struct.pack("<HHII", 262, SHORT, 1, 32803) + bytes(4)
    entry = sub.index(struct.pack("<HHI", 330, LONG, 1)) + 8
    return {
        "a.nef": sub[:entry] + struct.pack("<I", at) + sub[entry + 4 :] + sensor,
        "a.dng": tiff(small | {50706: (LONG, [0x0401])}, pixels),
        "a.cr3": b"\0\0\0\x18ftypcrx " + bytes(100),
        "a.raf": b"FUJIFILMCCD-RAW " + bytes(100),
        "a.orf": b"IIRO\x08\0\0\0" + bytes(100),
        "a.x3f": b"FOVb" + bytes(100),
        "a.mef": b"something of a camera" * 9,
    }


@pytest.mark.parametrize("name", raw_files())
def test_a_camera_raw_file_is_refused_with_what_to_do(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(raw_files()[name])
    with pytest.raises(PhotoError, match=rf"{name} is a camera raw file.*export it as JPEG"):
        open_photo(path)


def test_each_suffix_stands_once_in_the_table_of_formats():
    suffixes = [suffix for suffixes in SUFFIX_OF.values() for suffix in suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert set(suffixes) == PHOTO_SUFFIXES == set(MEDIA_TYPE_OF)
    assert {".hif", ".heif", ".mpo", ".jfif", ".avifs", ".gif"} <= PHOTO_SUFFIXES
    assert all(kind.startswith("image/") for kind in MEDIA_TYPE_OF.values())


def test_an_mpo_becomes_a_jpeg_and_its_second_picture_is_named(tmp_path: Path):
    path = save(picture(), tmp_path / "a.mpo", save_all=True, append_images=[picture()])
    photo = open_photo(path)
    assert photo.losses == ("a.mpo also holds what the result cannot: second picture.",)
    assert encode_photo(photo, photo.pixels)[1] == ".jpg"


def test_a_lossless_webp_stays_lossless(tmp_path: Path):
    photo = open_photo(save(picture(), tmp_path / "a.webp", lossless=True))
    for format in ("same", "webp"):
        assert (np.asarray(reopened(photo, format=format)) == photo.pixels).all()
    lossy = open_photo(save(picture(), tmp_path / "b.webp"))
    assert b"VP8L" not in encode_photo(lossy, lossy.pixels)[0]


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "raw"])
def test_a_tiff_is_packed_losslessly(tmp_path: Path, compression: str):
    exif = Image.Exif()
    exif[0x010F] = "Epson"
    path = save(picture(800, 600), tmp_path / "a.tif", compression=compression, exif=exif)
    photo = open_photo(path)
    result = reopened(photo)
    assert (np.asarray(result) == photo.pixels).all()
    wanted = "tiff_lzw" if compression == "tiff_lzw" else "tiff_adobe_deflate"
    assert result.info["compression"] == wanted
    assert result.getexif()[0x010F] == "Epson"


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_keeps_its_subsampling_and_finer_tables(tmp_path: Path, subsampling: int):
    path = save(picture(), tmp_path / "a.jpg", quality=98, subsampling=subsampling)
    photo = open_photo(path)
    result = reopened(photo)
    assert JpegImagePlugin.get_sampling(result) == subsampling
    with Image.open(path) as image:
        assert result.quantization == image.quantization
    assert np.abs(np.asarray(result).astype(int) - photo.pixels).mean() < 1
    coarser = reopened(photo, quality=50)
    assert sum(coarser.quantization[0]) > 2 * sum(result.quantization[0])


@pytest.mark.skipif(not CASES.is_dir(), reason="the collection of cases is not there")
@pytest.mark.parametrize("path", sorted(CASES.glob("[01]*.*")), ids=lambda path: path.name)
def test_every_case_of_the_collection_opens_and_is_saved(path: Path):
    if path.suffix in (".c", ".conf", ".sh"):
        pytest.skip("no photo")
    photo = open_photo(path)
    assert len(encode_photo(photo, photo.pixels)[0]) > 1_000
    json.dumps(photo.warnings)
