"""The colours of a result are those that the file means, in this program and in Chromium."""

import base64
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gpen_webui.photo import icc
from gpen_webui.photo.colour import BT2020, HLG, P3, PQ, space_of_numbers
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.photo import open_photo
from tests.hostile.formats import png_chunk
from tests.test_photo import picture, save

RESULTS = ("same", "png", "jpeg", "webp")
MEDIA_TYPES = {".avif": "image/avif", ".png": "image/png", ".jpg": "image/jpeg",
               ".webp": "image/webp"}  # fmt: skip
SHOWN = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d", {colorSpace: "srgb"}).drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}"""


pytest_plugins = ["tests.browser_fixtures"]


@pytest.fixture
def shown(chromium):
    """Shows a file as (H,W,3) sRGB."""
    page = chromium.new_page()

    def show(data: bytes, suffix: str) -> np.ndarray:
        address = f"data:{MEDIA_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
        answer = page.evaluate(SHOWN, address).partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(answer))) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    yield show
    page.close()


def avif_of(path: Path, primaries: int, transfer: int) -> Path:
    save(picture(), path, quality=100, subsampling="4:4:4")
    data = path.read_bytes()
    at = data.index(b"nclx") + 4
    path.write_bytes(data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :])
    return path


def with_property(path: Path, kind: bytes, content: bytes) -> Path:
    """Give the picture of an AVIF, as Pillow writes it, one property more."""
    data = bytearray(path.read_bytes())
    box = struct.pack(">I4s", 8 + len(content), kind) + content
    links = data.index(b"ipma") - 4
    assert data[links + 18] == 4, "so many properties it has"
    pixels = struct.pack(">I", data.index(b"mdat") + 4)
    for parent, more in ((b"meta", 1), (b"iprp", 1), (b"ipco", 0), (b"ipma", 1)):
        at = data.index(parent) - 4
        grown = struct.unpack_from(">I", data, at)[0] + more + len(box) * (parent != b"ipma")
        struct.pack_into(">I", data, at, grown)
    at = data.index(pixels)
    struct.pack_into(">I", data, at, struct.unpack(">I", pixels)[0] + 1 + len(box))
    end = links + 19 + 4
    data[links + 18] = 5
    data[end:end] = bytes((5,))
    data[links:links] = box
    path.write_bytes(data)
    return path


def avif_with_light(path: Path, nits: int, of_display: bool) -> Path:
    """One in PQ that says how bright its brightest part is, or the display it was made on."""
    avif_of(path, 9, 16)
    if of_display:
        return with_property(path, b"mdcv", bytes(16) + struct.pack(">II", nits * 10_000, 50))
    return with_property(path, b"clli", struct.pack(">HH", nits, nits // 3))


def heic_of(path: Path, primaries: int, transfer: int) -> Path:
    return save(
        picture(), path, quality=100, chroma=444,
        color_primaries=primaries, transfer_characteristics=transfer, matrix_coefficients=6,
    )  # fmt: skip


def png_of(path: Path, *chunks: tuple[bytes, bytes], mode: str = "RGB") -> Path:
    save(picture().convert(mode), path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:])
    return path


def grey_avif(path: Path) -> Path:
    return save(picture().convert("L"), path, icc_profile=icc.grey_profile("g", (1.4,)), quality=95)


GAMMA = (b"gAMA", struct.pack(">I", 62_500))
WIDE = (b"cHRM", struct.pack(">8I", 31270, 32900, 73470, 26530, 11520, 82640, 15660, 1770))
FILES = {
    "p3.avif": lambda path: avif_of(path, 12, 13),
    "bt2020.avif": lambda path: avif_of(path, 9, 1),
    "gamma28.avif": lambda path: avif_of(path, 1, 5),
    "pq.avif": lambda path: avif_of(path, 9, 16),
    "pq-400-nits.avif": lambda path: avif_with_light(path, 400, of_display=False),
    "pq-4000-nits.avif": lambda path: avif_with_light(path, 4000, of_display=False),
    "pq-display-600-nits.avif": lambda path: avif_with_light(path, 600, of_display=True),
    "hlg.avif": lambda path: avif_of(path, 9, 18),
    "grey-profile.avif": grey_avif,
    "gamma.png": lambda path: png_of(path, GAMMA),
    "gamma-wide.png": lambda path: png_of(path, GAMMA, WIDE),
    "gamma-grey.png": lambda path: png_of(path, GAMMA, mode="L"),
    "p3.png": lambda path: png_of(path, (b"cICP", bytes((12, 13, 0, 1)))),
    "pq.png": lambda path: png_of(path, (b"cICP", bytes((9, 16, 0, 1)))),
}


@pytest.mark.parametrize("name", FILES)
def test_chromium_shows_the_result_as_it_shows_the_photo(tmp_path: Path, shown, name: str):
    path = FILES[name](tmp_path / name)
    photo = open_photo(path)
    before = shown(path.read_bytes(), path.suffix)
    for format in RESULTS:
        data, suffix = encode_photo(photo, photo.pixels, format, quality=100)
        difference = np.abs(shown(data, suffix) - before).mean()
        assert difference <= 1.5, (format, difference)


def through_its_profile(image: Image.Image) -> np.ndarray:
    profile = image.info.get("icc_profile")
    if profile is None:
        return np.asarray(image.convert("RGB")).astype(int)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")).astype(int)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("make", [avif_of, heic_of])
def test_hdr_becomes_srgb_and_that_is_said(tmp_path: Path, make, transfer: int):
    path = make(tmp_path / ("a.avif" if make is avif_of else "a.heic"), 9, transfer)
    photo = open_photo(path)
    with Image.open(path) as image:
        stored = np.asarray(image.convert("RGB"))
    meant = space_of_numbers(9, transfer).to_srgb(stored, 8).astype(int)
    assert np.abs(photo.pixels - meant).mean() < 1.5
    assert photo.icc is None
    assert any("is HDR" in words for words in photo.losses)


def test_reference_white_is_halved_and_a_thousand_nits_are_white():
    space = space_of_numbers(1, PQ)
    codes = np.array([0, 594, 769, 1023])  # of 10 bits: 0, 203, 1,000 and 10,000 nits
    grey = np.repeat(codes.astype(np.uint16)[None, :, None], 3, axis=2)
    assert space.to_srgb(grey, 10)[0, :, 0].tolist() == pytest.approx([0, 188, 255, 255], abs=1)


@pytest.mark.parametrize(("numbers", "primaries"), [((12, 13), P3), ((9, 1), BT2020)])
def test_wide_colours_keep_their_pixels_and_get_a_profile(tmp_path: Path, numbers, primaries):
    path = heic_of(tmp_path / "a.heic", *numbers)
    photo = open_photo(path)
    with Image.open(path) as image:
        assert (photo.pixels == np.asarray(image.convert("RGB"))).all()
    for format in RESULTS:
        with Image.open(io.BytesIO(encode_photo(photo, photo.pixels, format)[0])) as result:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(result.info["icc_profile"])).profile
        x, y, _ = profile.red_primary[1]
        bradford = profile.chromatic_adaptation
        assert bradford is not None
        assert (x, y) != pytest.approx((0.64, 0.33), abs=0.005)
    assert photo.losses == ()


def test_plain_srgb_gets_no_profile(tmp_path: Path):
    usual = (b"gAMA", struct.pack(">I", 45_455))
    places = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    for path in (
        avif_of(tmp_path / "a.avif", 1, 13),
        avif_of(tmp_path / "b.avif", 1, 1),
        png_of(tmp_path / "c.png", usual, places),
        png_of(tmp_path / "d.png", (b"sRGB", b"\0"), GAMMA),
    ):
        assert open_photo(path).icc is None


def test_a_png_keeps_its_colour_chunks(tmp_path: Path):
    photo = open_photo(png_of(tmp_path / "a.png", GAMMA, WIDE))
    data, _ = encode_photo(photo, photo.pixels)
    assert png_chunk(*GAMMA) in data
    assert png_chunk(*WIDE) in data
    assert b"iCCP" not in data


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".avif"])
def test_a_profile_of_grey_lies_on_grey_samples_only(tmp_path: Path, suffix: str):
    grey = picture().convert("L")
    options = {"icc_profile": icc.grey_profile("g", (1.4,))}
    path = save(grey, tmp_path / f"a{suffix}", **options)
    photo = open_photo(path)
    before = through_its_profile(Image.open(path).convert("L"))
    assert photo.grey
    for format in RESULTS:
        result = Image.open(io.BytesIO(encode_photo(photo, photo.pixels, format, 100)[0]))
        space = icc.space_of(result.info["icc_profile"])
        assert space == (b"GRAY" if result.mode == "L" else b"RGB ")
        assert np.abs(through_its_profile(result) - before).mean() <= 1.5


def test_impossible_colours_of_a_png_are_left_out(tmp_path: Path):
    for number, places in enumerate((bytes(32), b"\0\0\0\1" * 8, b"\xff" * 32)):
        photo = open_photo(png_of(tmp_path / f"{number}.png", GAMMA, (b"cHRM", places)))
        data, _ = encode_photo(photo, photo.pixels, "jpeg")
        assert Image.open(io.BytesIO(data)).size == (96, 64)
