"""Results are packed as their photos were, so that they are neither coarser nor much larger."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpen_webui.photo.encode import encode_photo, losses
from gpen_webui.photo.packing import jpeg_options, jpeg_strips
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.photo.tiff_file import around_pixels
from tests.test_photo import picture, save

COMPRESSION, PHOTOMETRIC, SUBSAMPLING = 259, 262, 530
LZW, JPEG, DEFLATE, ZSTD = 5, 7, 8, 50000


def scan(width: int = 320, height: int = 240) -> Image.Image:
    """A picture with the noise of paper."""
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    pixels = np.asarray(picture(width, height)) + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def with_a_face(photo: Photo) -> np.ndarray:
    """The photo's pixels with another face in one corner."""
    pixels = photo.pixels.copy()
    pixels[:80, :64] = pixels[:80, :64] // 2 + 40
    return pixels


def result_of(path: Path, **how) -> tuple[Image.Image, float, Photo]:
    """The result, how much larger it is than the photo, and the photo."""
    photo = open_photo(path)
    data, _ = encode_photo(photo, with_a_face(photo), **how)
    image = Image.open(io.BytesIO(data))
    return image, len(data) / path.stat().st_size, photo


def jpeg_in_tiff(path: Path, subsampling: int, quality: int = 75) -> Path:
    """A TIFF of YCbCr in JPEG, as scanners write it; Pillow writes none with subsampling."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "TIFF")
    coding = {"is_rgb": False, "subsampling": subsampling, "tables": None}
    strips = jpeg_strips(coding, scan(320, 1100), quality)
    path.write_bytes(around_pixels(buffer.getvalue(), None, {}, strips))
    return path


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [60, 85, 95])
def test_a_tiff_in_jpeg_stays_so_at_its_own_quality(tmp_path: Path, mode: str, quality: int):
    path = save(scan().convert(mode), tmp_path / "a.tif", compression="jpeg", quality=quality)
    result, growth, photo = result_of(path)
    assert result.tag_v2[COMPRESSION] == JPEG
    assert growth <= 1.1
    assert result.mode == mode
    outside = np.asarray(result.convert("RGB"))[100:].astype(int) - photo.pixels[100:]
    assert np.abs(outside).mean() < 0.1
    assert losses(photo) == []


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_tiff_in_jpeg_keeps_its_subsampling(tmp_path: Path, subsampling: int):
    path = jpeg_in_tiff(tmp_path / "a.tif", subsampling)
    result, growth, photo = result_of(path)
    assert result.size == (320, 1100)
    assert result.tag_v2[SUBSAMPLING] == Image.open(path).tag_v2[SUBSAMPLING]
    assert growth <= 1.1
    outside = np.asarray(result)[100:].astype(int) - photo.pixels[100:]
    assert np.abs(outside).mean() < 1


@pytest.mark.parametrize(
    ("packing", "code"),
    [("tiff_lzw", LZW), ("zstd", ZSTD), ("packbits", DEFLATE), (None, DEFLATE)],
)
def test_a_lossless_tiff_stays_lossless_and_grows_no_larger(tmp_path: Path, packing, code: int):
    path = save(scan(), tmp_path / "a.tif", compression=packing)
    result, growth, photo = result_of(path)
    assert result.tag_v2[COMPRESSION] == code
    assert growth <= 1.5
    assert (np.asarray(result)[100:] == photo.pixels[100:]).all()


def test_why_a_tiff_may_grow_is_said(tmp_path: Path):
    page = save(scan().convert("1"), tmp_path / "page.tif", compression="group4")
    result, _, photo = result_of(page)
    assert result.mode == "L"
    words = "is in black and white only; the result is grey, and may be larger."
    assert losses(photo) == [f"page.tif {words}"]
    assert losses(photo, "png") == []
    palette = open_photo(save(scan().convert("P"), tmp_path / "few.tif"))
    words = "has a palette of few colours; the result has all, and may be larger."
    assert losses(palette) == [f"few.tif {words}"]


def test_a_heic_of_usual_quality_grows_little(tmp_path: Path):
    path = save(scan(), tmp_path / "a.heic", quality=60)
    result, growth, photo = result_of(path)
    assert growth <= 1.6
    outside = np.asarray(result)[100:].astype(int) - photo.pixels[100:]
    assert np.abs(outside).mean() < 1.5


def test_a_very_large_jpeg_is_coded_without_holding_it_whole():
    small, large = Image.new("RGB", (8, 8)), Image.new("L", (10_000, 5_001))
    assert jpeg_options({}, small, 92)["optimize"]
    assert not jpeg_options({}, large, 92)["optimize"]
