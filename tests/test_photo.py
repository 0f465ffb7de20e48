"""Ordinary photos in every format, in and out again: what is kept, and what is said."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo.encode import encode_photo, losses
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.jpeg_file import JpegFile
from gpen_webui.photo.photo import Photo, open_photo, thumbnail

pillow_heif.register_heif_opener()

FORMATS = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "tiff": ".tif",
    "bmp": ".bmp",
    "heif": ".heic",
    "avif": ".avif",
}
LOSSLESS = ("png", "tiff", "bmp")
ORIENTATION = ExifTags.Base.Orientation


def picture(width: int = 96, height: int = 64) -> Image.Image:
    """Smooth, in colour, and different in every corner."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack((x, y, 255 - (x + y) / 2), axis=2).astype(np.uint8))


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def exif_with(orientation: int | None = None) -> bytes:
    """An EXIF block with a tag of each kind."""
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    exif[ExifTags.Base.Make] = "Leica"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "1927:10:29 12:00:00"}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif.tobytes()


def reopened(photo: Photo, pixels: np.ndarray | None = None, **how) -> Image.Image:
    data, _ = encode_photo(photo, photo.pixels if pixels is None else pixels, **how)
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def difference(pixels: np.ndarray, image: Image.Image) -> float:
    return float(np.abs(pixels.astype(int) - np.asarray(image.convert("RGB"))).max())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_and_is_saved_as_itself(tmp_path: Path, name: str):
    photo = open_photo(save(picture(), tmp_path / f"a{FORMATS[name]}"))
    assert (photo.format, photo.pixels.shape, photo.grey, photo.alpha) == (
        name,
        (64, 96, 3),
        False,
        None,
    )
    assert difference(photo.pixels, picture()) <= (0 if name in LOSSLESS else 12)
    data, suffix = encode_photo(photo, photo.pixels)
    assert suffix == FORMATS[name]
    again = Image.open(io.BytesIO(data))
    assert again.format.lower() == name
    assert difference(photo.pixels, again) <= (0 if name in LOSSLESS else 12)


def test_the_content_decides_what_a_file_is_and_the_suffix_follows(tmp_path: Path):
    path = tmp_path / "really-a-png.jpg"
    picture().save(path, "PNG")
    photo = open_photo(path)
    assert photo.format == "png"
    assert encode_photo(photo, photo.pixels)[1] == ".png"


def test_a_files_own_spelling_of_its_suffix_is_kept(tmp_path: Path):
    photo = open_photo(save(picture(), tmp_path / "HOLIDAY.JPEG"))
    assert encode_photo(photo, photo.pixels)[1] == ".JPEG"


@pytest.mark.parametrize(
    ("format", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")]
)
def test_another_format_can_be_asked_for(tmp_path: Path, format: str, suffix: str):
    photo = open_photo(save(picture(), tmp_path / "a.bmp"))
    data, got = encode_photo(photo, photo.pixels, format=format)
    assert got == suffix
    assert Image.open(io.BytesIO(data)).format.lower() == format


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lower_quality_makes_smaller_files(tmp_path: Path, format: str):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    photo = open_photo(save(noisy, tmp_path / "a.png"))
    small, large = (
        len(encode_photo(photo, photo.pixels, format=format, quality=quality)[0])
        for quality in (20, 95)
    )
    assert small < 0.6 * large


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif"])
def test_orientation_is_applied_and_the_tag_reset(tmp_path: Path, name: str, orientation: int):
    turned = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = picture() if turned is None else picture().transpose(turned)
    only_turned = Image.Exif()
    only_turned[ORIENTATION] = orientation
    path = save(stored, tmp_path / f"a{FORMATS[name]}", exif=only_turned, quality=95)
    photo = open_photo(path)
    assert difference(photo.pixels, picture()) <= (0 if name in LOSSLESS else 12)
    result = reopened(photo)
    assert result.size == (96, 64)
    assert result.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif", "heif"])
def test_exif_is_carried_over_whole(tmp_path: Path, name: str):
    path = save(picture(), tmp_path / f"a{FORMATS[name]}", exif=exif_with())
    for result in (reopened(open_photo(path)), reopened(open_photo(path), format="png")):
        exif = result.getexif()
        assert exif[ExifTags.Base.Make] == "Leica"
        taken = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
        assert taken == "1927:10:29 12:00:00"
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


def save_with_xmp(path: Path, xmp: bytes, **options) -> Path:
    """Each format has its own place for it."""
    if path.suffix == ".png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif path.suffix == ".tif":
        options["exif"] = Image.Exif()
        options["exif"][700] = xmp
    else:
        options["xmp"] = xmp
    return save(picture(), path, **options)


def xmp_with(properties: str = "", attributes: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in XMP_SPACES.items())
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta {spaces}><rdf:RDF>'
        f'<rdf:Description rdf:about="" {attributes}>{properties}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


XMP_SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
}
CAPTION = (
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Tante Zoë, 1961</rdf:li></rdf:Alt>'
    "</dc:description>"
)
PERSON = '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:Name>Zoë</mwg-rs:Name></mwg-rs:Regions>'


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif", "heif"])
def test_caption_rating_and_people_in_the_xmp_are_carried_over(tmp_path: Path, name: str):
    xmp = xmp_with(CAPTION + PERSON, 'xmp:Rating="4"')
    photo = open_photo(save_with_xmp(tmp_path / f"a{FORMATS[name]}", xmp))
    for format in ("same", "png", "jpeg", "webp"):
        xmp = ElementTree.fromstring(reopened(photo, format=format).info["xmp"])
        description = xmp.find("rdf:RDF/rdf:Description", XMP_SPACES)
        caption = description.find("dc:description/rdf:Alt/rdf:li", XMP_SPACES)
        assert caption.text == "Tante Zoë, 1961"
        assert description.find("mwg-rs:Regions/mwg-rs:Name", XMP_SPACES).text == "Zoë"
        assert description.get(f"{{{XMP_SPACES['xmp']}}}Rating") == "4"


def test_xmp_that_tells_of_the_file_and_not_of_the_picture_is_left_out(tmp_path: Path):
    of_the_file = 'tiff:Orientation="6" GCamera:MicroVideo="1" dc:format="image/jpeg"'
    photo = open_photo(save_with_xmp(tmp_path / "a.jpg", xmp_with(CAPTION, of_the_file)))
    assert b"Tante" in photo.xmp
    assert not any(word in photo.xmp for word in (b"Orientation", b"MicroVideo", b"format"))
    alone = save_with_xmp(tmp_path / "b.jpg", xmp_with(attributes=of_the_file))
    assert open_photo(alone).xmp is None


def test_a_photo_that_is_turned_loses_the_places_of_its_people_and_says_so(tmp_path: Path):
    path = save_with_xmp(tmp_path / "a.jpg", xmp_with(CAPTION + PERSON), exif=exif_with(6))
    photo = open_photo(path)
    assert b"Tante" in photo.xmp
    assert b"Regions" not in photo.xmp
    assert photo.warnings == ("a.jpg is turned upright; the places of marked faces are left out.",)


def test_more_xmp_than_a_jpeg_can_carry_does_not_take_the_exif_with_it(tmp_path: Path):
    xmp = xmp_with(f"<dc:title>{'x' * 70_000}</dc:title>")
    photo = open_photo(save_with_xmp(tmp_path / "a.png", xmp, exif=exif_with()))
    assert len(reopened(photo).info["xmp"]) > 70_000
    result = reopened(photo, format="jpeg")
    assert "xmp" not in result.info
    assert result.getexif()[ExifTags.Base.Make] == "Leica"
    assert losses(photo, "jpeg") == ["a.png: JPEG cannot hold so much XMP data."]


BROKEN_XMP = {
    "cut": xmp_with(CAPTION)[:-40],
    "deep": xmp_with("<dc:description>" * 1_500 + "</dc:description>" * 1_500),
    "other encoding": xmp_with(CAPTION).decode().encode("utf-16"),
    "without RDF": b"<x>4</x>",
    "not XML": bytes(range(1, 256)),
}


@pytest.mark.parametrize("broken", BROKEN_XMP)
def test_a_photo_with_broken_xmp_opens_and_is_saved(tmp_path: Path, broken: str):
    photo = open_photo(save_with_xmp(tmp_path / "a.jpg", BROKEN_XMP[broken]))
    assert reopened(photo).size == (96, 64)
    assert photo.warnings == ("a.jpg has damaged XMP data, which is left out.",)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff", "bmp"])
def test_the_resolution_of_a_scan_is_carried_over(tmp_path: Path, name: str):
    photo = open_photo(save(picture(), tmp_path / f"a{FORMATS[name]}", dpi=(600, 600)))
    assert [round(along) for along in reopened(photo).info["dpi"]] == [600, 600]


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif", "heif"])
def test_the_colour_profile_is_carried_over_and_pixels_stay_in_it(tmp_path: Path, name: str):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(picture(), tmp_path / f"a{FORMATS[name]}", icc_profile=profile)
    photo = open_photo(path)
    assert difference(photo.pixels, picture()) <= (0 if name in LOSSLESS else 12)
    assert reopened(photo).info["icc_profile"] == profile


@pytest.mark.parametrize("name", ["png", "webp", "tiff", "avif", "heif"])
def test_transparency_is_kept(tmp_path: Path, name: str):
    image = picture()
    alpha = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    image.putalpha(Image.fromarray(alpha))
    photo = open_photo(save(image, tmp_path / f"a{FORMATS[name]}"))
    result = reopened(photo)
    assert result.mode == "RGBA"
    kept = np.asarray(result.getchannel("A")).astype(int)
    assert np.abs(kept - alpha).max() <= (0 if name in LOSSLESS else 8)


def test_jpeg_shows_transparency_as_white(tmp_path: Path):
    photo = open_photo(save(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "a.png"))
    assert np.asarray(reopened(photo, format="jpeg")).min() >= 250


def test_transparency_follows_a_result_of_another_size(tmp_path: Path):
    photo = open_photo(save(Image.new("RGBA", (8, 8), (9, 9, 9, 80)), tmp_path / "a.png"))
    result = reopened(photo, np.zeros((16, 16, 3), np.uint8))
    assert (result.size, result.getpixel((3, 3))[3]) == ((16, 16), 80)


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff", "bmp"])
def test_grey_stays_grey(tmp_path: Path, name: str):
    photo = open_photo(save(picture().convert("L"), tmp_path / f"a{FORMATS[name]}"))
    assert photo.grey
    assert (photo.pixels == photo.pixels[:, :, :1]).all()
    assert reopened(photo).mode == "L"


def test_grey_with_transparency_stays_both(tmp_path: Path):
    photo = open_photo(save(Image.new("LA", (8, 8), (100, 40)), tmp_path / "a.png"))
    result = reopened(photo)
    assert (result.mode, result.getpixel((0, 0))) == ("LA", (100, 40))


def test_black_and_white_and_palette_pictures_open(tmp_path: Path):
    assert open_photo(save(picture().convert("1"), tmp_path / "a.png")).grey
    palette = open_photo(save(picture().convert("P"), tmp_path / "b.png"))
    assert not palette.grey
    assert reopened(palette).mode == "RGB"


def test_cmyk_becomes_srgb_and_that_is_said(tmp_path: Path):
    photo = open_photo(save(picture().convert("CMYK"), tmp_path / "print.jpg"))
    assert difference(photo.pixels, picture()) < 60
    assert "print.jpg" in photo.warnings[0]
    assert "sRGB" in photo.warnings[0]
    assert reopened(photo).mode == "RGB"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_become_eight_and_that_is_said(tmp_path: Path, suffix: str):
    ramp = np.tile(np.linspace(0, 65_535, 96).astype(np.uint16), (64, 1))
    photo = open_photo(save(Image.fromarray(ramp), tmp_path / f"deep{suffix}"))
    assert np.abs(photo.pixels[0, :, 0].astype(float) - np.linspace(0, 255, 96)).max() <= 1
    assert photo.grey
    assert "more than 8 bits" in photo.warnings[0]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".tif", ".avif"])
def test_of_several_pictures_the_first_is_taken_and_that_is_said(tmp_path: Path, suffix: str):
    others = [Image.new("RGB", (96, 64), "red")] * 2
    path = save(picture(), tmp_path / f"film{suffix}", save_all=True, append_images=others)
    photo = open_photo(path)
    assert difference(photo.pixels, picture()) < 15
    assert "only the first" in photo.warnings[0]


def test_ordinary_photos_come_without_warnings(tmp_path: Path):
    for name, suffix in FORMATS.items():
        assert open_photo(save(picture(), tmp_path / f"{name}{suffix}")).warnings == ()


def test_a_photo_above_the_limit_is_refused_and_the_option_named(tmp_path: Path):
    path = save(Image.new("L", (2000, 1100)), tmp_path / "large.png")
    with pytest.raises(PhotoError, match=r"large\.png has 2000 x 1100.*--max-megapixels"):
        open_photo(path, max_megapixels=2)
    assert open_photo(path, max_megapixels=3).pixels.shape == (1100, 2000, 3)


def test_a_name_can_be_given_for_messages(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(PhotoError, match=r"1950/anna\.jpg is empty"):
        open_photo(tmp_path / "x", name="1950/anna.jpg")


def test_a_thumbnail_is_small_upright_and_without_metadata(tmp_path: Path):
    path = save(picture(400, 200), tmp_path / "a.jpg", exif=exif_with(6))
    with Image.open(io.BytesIO(thumbnail(path, 80))) as small:
        assert small.size == (40, 80)
        assert not small.getexif()
    clear = save(Image.new("RGBA", (50, 50), (0, 0, 0, 0)), tmp_path / "b.png")
    with Image.open(io.BytesIO(thumbnail(clear, 20))) as small:
        assert min(small.getpixel((5, 5))) > 250


def grainy(width: int, height: int) -> Image.Image:
    """With details in every block of 8x8 pixels."""
    grain = np.random.default_rng(0).integers(-40, 40, (height, width, 3))
    pixels = np.asarray(picture(width, height)).astype(int) + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_a_small_thumbnail_of_a_progressive_jpeg_needs_little_of_the_file_and_is_the_same(
    tmp_path: Path, subsampling: str
):
    photo = grainy(800, 640)
    plain = save(photo, tmp_path / "a.jpg", subsampling=subsampling)
    progressive = save(photo, tmp_path / "b.jpg", subsampling=subsampling, progressive=True)
    assert thumbnail(progressive, 64) == thumbnail(plain, 64)
    needed = JpegFile.read(progressive.read_bytes(), 100).at_an_eighth()
    assert needed is not None
    luminance_only = subsampling == "4:2:0"
    assert len(needed) < progressive.stat().st_size * (0.5 if luminance_only else 0.8)


def with_preview(path: Path, photo: Image.Image, preview: Image.Image) -> Path:
    """As cameras write them: a JPEG with a smaller one behind it, of the type of a preview."""
    photo.save(path, "MPO", save_all=True, append_images=[preview], exif=exif_with(6))
    data = bytearray(path.read_bytes())
    first = re.search(rb"\x00\x00\x03\x00.{4}\x00{8}", data, re.DOTALL)  # its type, length, place
    assert first
    data[first.end() : first.end() + 4] = (0x010002).to_bytes(4, "little")  # that of the next
    path.write_bytes(data)
    return path


def colour_of(jpeg: bytes) -> tuple:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.size, image.getpixel((5, 5))


def test_a_cameras_own_preview_is_shown_where_it_is_large_enough_and_of_the_same_shape(
    tmp_path: Path,
):
    photo = Image.new("RGB", (800, 400), "red")
    fit = with_preview(tmp_path / "a.jpg", photo, Image.new("RGB", (200, 100), "blue"))
    (size, pixel) = colour_of(thumbnail(fit, 100))
    assert (size, pixel[2]) == ((50, 100), 254)  # turned as the photo is
    assert colour_of(thumbnail(fit, 300))[1][0] == 254
    other = with_preview(tmp_path / "b.jpg", photo, Image.new("RGB", (200, 150), "blue"))
    assert colour_of(thumbnail(other, 100))[1][0] == 254
