"""What a photo says about itself goes with the result, byte for byte where that is possible."""

import io
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo import exif, tiff_file
from gpen_webui.photo.encode import encode_photo, losses
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.photo.tiff_file import around_pixels
from tests.exif_blocks import ARTIST, CAPTION, MAKER_NOTE, THUMBNAIL, exif_block
from tests.format_table import DOCUMENT, with_table
from tests.hostile.formats import png_chunk
from tests.test_photo import CAPTION as CAPTION_IN_XMP
from tests.test_photo import FORMATS, picture, save, save_with_xmp, xmp_with

RESULTS = ("same", "png", "jpeg", "webp")
WITH_EXIF = [name for name in FORMATS if name not in ("bmp", "tiff")]
IPTC = b"\x1c\2\x78\0\x0dHochzeit 1943" + b"\x1c\2\x19\0\7Familie"


def photoshop_segment(iptc: bytes = IPTC) -> bytes:
    resource = b"8BIM\4\4\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
    thumbnail = b"8BIM\4\x0c\0\0" + struct.pack(">I", 4) + b"OLD!"
    content = b"Photoshop 3.0\0" + thumbnail + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def jpeg_with(path: Path, *segments: bytes, behind: bytes = b"", **options) -> Path:
    save(picture(), path, **options)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"".join(segments) + data[2:] + behind)
    return path


def result_of(photo: Photo, folder: Path, format: str = "same", pixels=None) -> Path:
    data, suffix = encode_photo(photo, photo.pixels if pixels is None else pixels, format)
    path = folder / f"result-{format}{suffix}"
    path.write_bytes(data)
    return path


def tags(path: Path) -> dict:
    """By ExifTool, which reads each format for itself."""
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    command = ["exiftool", "-j", "-G1", "-n", "-a", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]


def problems(path: Path) -> set[str]:
    """What ExifTool's validation, exiv2 and libexif complain of."""
    found = set()
    for command in (
        ["exiftool", "-validate", "-warning", "-error", "-a", "-s3", str(path)],
        ["exiv2", "-q", "-pa", str(path)],
        ["exif", str(path)],
    ):
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed (it is a Debian package)")
        run = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = run.stderr.splitlines()
        if command[0] == "exiftool":
            lines += run.stdout.splitlines()[1:]
        found |= {line.replace(str(path), "FILE") for line in lines if line.strip()}
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", WITH_EXIF)
def test_exif_goes_byte_for_byte_but_for_the_thumbnail(tmp_path: Path, name: str, order: str):
    block = exif_block(order)
    if name == "avif":  # Pillow would write a block with a turn anew
        block = exif.patched(block, 96, 64, keep_orientation=False)
    path = save(picture(), tmp_path / f"a{FORMATS[name]}", exif=b"Exif\0\0" + block)
    photo = open_photo(path)
    for format in RESULTS:
        found = Image.open(result_of(photo, tmp_path, format)).info["exif"]
        found = found.removeprefix(b"Exif\0\0")
        assert len(found) == len(block)
        changed = [at for at in range(len(block)) if found[at] != block[at]]
        assert len(changed) <= 4  # the way to the thumbnail
        assert exif.value_of(found, 0x010E) == CAPTION.encode() + b"\0"
        assert exif.value_of(found, 0x013B) == ARTIST.encode() + b"\0"
        assert exif.value_of(found, exif.MAKER_NOTE, directory=exif.EXIF) == MAKER_NOTE


def test_the_way_to_a_thumbnail_of_the_old_picture_is_gone(tmp_path: Path):
    photo = open_photo(save(picture(), tmp_path / "a.jpg", exif=b"Exif\0\0" + exif_block()))
    found = tags(result_of(photo, tmp_path))
    assert not any("Thumbnail" in name for name in found)
    assert tags(tmp_path / "a.jpg")["IFD1:ThumbnailLength"] == len(THUMBNAIL)


@pytest.mark.parametrize("name", WITH_EXIF)
def test_place_caption_and_comment_read_the_same_afterwards(tmp_path: Path, name: str):
    path = save(picture(), tmp_path / f"a{FORMATS[name]}", exif=b"Exif\0\0" + exif_block())
    before = tags(path)
    assert before["GPS:GPSLatitude"] == pytest.approx(48.1)
    for format in RESULTS:
        after = tags(result_of(open_photo(path), tmp_path, format))
        lost = {
            tag
            for tag, value in before.items()
            if tag.startswith(("IFD0:", "ExifIFD:", "GPS:", "InteropIFD:")) and tag not in after
        }
        assert lost <= {"IFD0:Orientation"}
        assert after["IFD0:XPTitle"] == before["IFD0:XPTitle"]
        assert after["ExifIFD:UserComment"] == "Weihnacht."


@pytest.mark.parametrize("order", ["<", ">"])
def test_no_program_complains_of_a_result_more_than_of_the_photo(tmp_path: Path, order: str):
    path = save(picture(), tmp_path / "a.jpg", exif=b"Exif\0\0" + exif_block(order, orientation=6))
    assert problems(result_of(open_photo(path), tmp_path)) <= problems(path)


@pytest.mark.parametrize("format", RESULTS)
def test_the_size_in_the_exif_is_that_of_the_result(tmp_path: Path, format: str):
    block = exif_block(orientation=6)
    photo = open_photo(save(picture(), tmp_path / "a.jpg", exif=b"Exif\0\0" + block))
    assert photo.pixels.shape[:2] == (96, 64)
    twice = photo.pixels.repeat(2, axis=0).repeat(2, axis=1)
    for pixels in (photo.pixels, twice):
        found = Image.open(result_of(photo, tmp_path, format, pixels)).getexif().get_ifd(exif.EXIF)
        height, width = pixels.shape[:2]
        assert (found[exif.PIXEL_WIDTH], found[exif.PIXEL_HEIGHT]) == (width, height)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_keeps_its_own_tags_packed_losslessly(tmp_path: Path, order: str):
    path = tmp_path / "scan.tif"
    buffer = io.BytesIO()
    picture(400, 300).save(buffer, "TIFF", compression="tiff_lzw", dpi=(600, 600))
    path.write_bytes(around_pixels(buffer.getvalue(), exif_block(order, size=(400, 300)), {}))
    photo = open_photo(path)
    before, result = tags(path), result_of(photo, tmp_path)
    after = tags(result)
    same = {tag for tag in before if tag.startswith(("IFD0:", "ExifIFD:", "GPS:", "InteropIFD:"))}
    of_the_pixels = {"StripOffsets", "StripByteCounts", "RowsPerStrip", "YCbCrPositioning"}
    different = {tag for tag in same if after.get(tag) != before[tag]}
    assert {tag.partition(":")[2] for tag in different} <= of_the_pixels
    assert after["IFD0:XPTitle"] == "Oma"
    assert after["IFD0:Rating"] == 4
    assert after["IFD0:Compression"] == 5  # LZW
    assert (np.asarray(Image.open(result)) == photo.pixels).all()
    for format in ("png", "jpeg", "webp"):
        there = tags(result_of(photo, tmp_path, format))
        assert there["IFD0:XPTitle"] == "Oma"
        assert there["IFD0:Artist"] == ARTIST
        assert there["GPS:GPSLatitude"] == before["GPS:GPSLatitude"]


def test_iptc_comment_and_texts_go_where_the_format_has_a_place(tmp_path: Path):
    path = jpeg_with(tmp_path / "a.jpg", photoshop_segment(), comment="Zum 50. für Zoë".encode())
    photo = open_photo(path)
    for format in ("same", "png"):
        found = tags(result_of(photo, tmp_path, format))
        assert found["IPTC:Caption-Abstract"] == "Hochzeit 1943"
        assert found["IPTC:Keywords"] == "Familie"
    with Image.open(result_of(photo, tmp_path)) as image:
        assert image.info["comment"].decode() == "Zum 50. für Zoë"
    with Image.open(result_of(photo, tmp_path, "png")) as image:
        assert image.text["Comment"] == "Zum 50. für Zoë"
    assert b"OLD!" not in result_of(photo, tmp_path).read_bytes()
    assert losses(photo) == losses(photo, "png") == []
    assert losses(photo, "webp") == [
        "a.jpg: WebP cannot hold IPTC captions and keywords.",
        "a.jpg: WebP cannot hold the comment.",
    ]


def test_the_texts_of_a_png_are_kept_or_named(tmp_path: Path):
    text = PngInfo()
    text.add_text("Title", "Sommer")
    text.add_itxt("Author", "Zoë", zip=True)
    text.add_text("Comment", "packed", zip=True)
    photo = open_photo(save(picture(), tmp_path / "a.png", pnginfo=text))
    with Image.open(result_of(photo, tmp_path)) as image:
        assert image.text == {"Title": "Sommer", "Author": "Zoë", "Comment": "packed"}
    with Image.open(result_of(photo, tmp_path, "jpeg")) as image:
        assert image.info["comment"] == b"packed"
    assert losses(photo, "jpeg") == ["a.png: JPEG cannot hold the texts Title, Author."]


def test_a_broken_text_of_a_png_costs_neither_its_exif_nor_its_turn(tmp_path: Path):
    path = save(picture(), tmp_path / "a.png", exif=b"Exif\0\0" + exif_block(orientation=6))
    data = path.read_bytes()
    content = b"Raw profile type exif\0\nexif\n   99\nno hex"
    path.write_bytes(data[:33] + png_chunk(b"tEXt", content) + data[33:])
    photo = open_photo(path)
    assert photo.pixels.shape == (96, 64, 3)
    assert exif.value_of(photo.exif, 0x010E) == CAPTION.encode() + b"\0"


BESIDES = {
    "second picture": {"behind": "picture"},
    "motion video": {"behind": b"\0\0\0\x18ftypmp42" + bytes(5000)},
    "data behind the picture": {"behind": b"anything" * 1000},
    "maker's data (Samsung)": {"behind": b"Image_UTC_Data" + b"SEFH" + bytes(20) + b"SEFT"},
    "gain map (HDR)": {"xmp": b"hdrgm", "behind": "picture"},
    "depth map": {"xmp": b"depth"},
}


@pytest.mark.parametrize("what", BESIDES)
def test_what_lies_beside_the_picture_of_a_jpeg_is_named(tmp_path: Path, what: str):
    buffer = io.BytesIO()
    picture(16, 16).save(buffer, "JPEG")
    behind = BESIDES[what].get("behind", b"")
    spaces = {
        b"hdrgm": 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"',
        b"depth": 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Near="1"',
    }
    options = {}
    if kind := BESIDES[what].get("xmp"):
        options["xmp"] = xmp_with(attributes=spaces[kind])
    path = jpeg_with(
        tmp_path / "a.jpg", behind=buffer.getvalue() if behind == "picture" else behind, **options
    )
    photo = open_photo(path)
    assert photo.losses == photo.warnings == (
        f"a.jpg also holds what the result cannot: {what}.",
    )  # fmt: skip


def test_a_live_photo_is_told_that_its_video_stays(tmp_path: Path):
    note = b"Apple iOS\0\0\1MM" + struct.pack(">HHHII", 1, 0x11, 2, 4, 0x41424300) + bytes(4)
    described = Image.Exif()
    described[exif.EXIF] = {exif.MAKER_NOTE: note}
    photo = open_photo(save(picture(), tmp_path / "a.jpg", exif=described))
    assert photo.losses == ("a.jpg belongs to a Live Photo; its video stays with the original.",)


def test_xmp_of_programs_that_nobody_knows_is_kept(tmp_path: Path):
    own = 'xmlns:own="http://example.org/own/" own:Shelf="7"'
    photo = open_photo(save_with_xmp(tmp_path / "a.jpg", xmp_with(attributes=own)))
    assert b'own:Shelf="7"' in photo.xmp
    assert photo.losses == ()


def test_the_resolution_goes_into_the_exif_where_the_format_has_no_other_place(tmp_path: Path):
    photo = open_photo(save(picture(), tmp_path / "a.bmp", dpi=(600, 600)))
    found = tags(result_of(photo, tmp_path, "webp"))
    assert round(found["IFD0:XResolution"]) == round(found["IFD0:YResolution"]) == 600


def test_the_documents_table_says_what_is_kept():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_table(text) == text, "write it anew: python -m tests.format_table"


def png_profile(name: str, first_line: bytes, content: bytes) -> bytes:
    """A block of bytes as text, as ImageMagick, exiftool and libavif write it."""
    text = b"\n%s\n%08d\n%s\n$\xff" % (first_line, len(content), content.hex().encode())
    chunk = b"Raw profile type " + name.encode() + b"\0\0" + zlib.compress(text)
    return png_chunk(b"zTXt", chunk)


def test_what_a_png_says_in_profiles_of_text_is_kept(tmp_path: Path):
    resources = photoshop_segment()[4 + len(b"Photoshop 3.0\0") :]
    path = save(picture(), tmp_path / "a.png")
    data = path.read_bytes()
    chunks = (
        png_profile("exif", b"Exif", exif_block()),
        png_profile("xmp", b"XMP", xmp_with(CAPTION_IN_XMP)),
        png_profile("8bim", b"8bim profile", resources),
    )
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    photo = open_photo(path)
    assert exif.value_of(photo.exif, 0x010E) == CAPTION.encode() + b"\0"
    assert b"Tante" in photo.xmp
    assert tags(result_of(photo, tmp_path))["IPTC:Caption-Abstract"] == "Hochzeit 1943"
    assert photo.losses == ()


def test_the_xmp_of_a_gif_goes_into_its_png(tmp_path: Path):
    path = save(picture().convert("P"), tmp_path / "a.gif")
    data = path.read_bytes()
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + xmp_with(CAPTION_IN_XMP) + trailer
    start = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    path.write_bytes(data[:start] + block + data[start:])
    assert b"Tante" in Image.open(result_of(open_photo(path), tmp_path)).info["xmp"]


@pytest.mark.parametrize("behind", [b'<?xpacket end="w"', b"<x:more/>", xmp_with("<dc:x/>")])
def test_xmp_is_found_among_the_remains_of_older_ones(tmp_path: Path, behind: bytes):
    photo = open_photo(save_with_xmp(tmp_path / "a.jpg", xmp_with(CAPTION_IN_XMP) + behind))
    assert b"Tante" in photo.xmp
    assert photo.losses == ()


def test_iptc_of_a_tiff_is_kept_where_its_resources_hold_other_things(tmp_path: Path):
    digest = b"8BIM\4\x25\0\0" + struct.pack(">I", 16) + bytes(16)
    buffer = io.BytesIO()
    picture().save(buffer, "TIFF")
    path = tmp_path / "a.tif"
    more = {tiff_file.IPTC: (7, IPTC), tiff_file.PHOTOSHOP: (1, digest)}
    path.write_bytes(around_pixels(buffer.getvalue(), None, more))
    photo = open_photo(path)
    for format in ("same", "jpeg", "png"):
        found = tags(result_of(photo, tmp_path, format))
        assert found["IPTC:Caption-Abstract"] == "Hochzeit 1943"
    assert not any("Non-standard IPTC" in words for words in problems(result_of(photo, tmp_path)))


def test_a_jpeg_as_full_of_exif_as_can_be_keeps_it(tmp_path: Path):
    block = exif_block() + bytes(65_533 - 6 - len(exif_block()))
    photo = open_photo(save(picture(), tmp_path / "a.jpg", exif=b"Exif\0\0" + block))
    found = Image.open(result_of(photo, tmp_path)).info["exif"]
    assert len(found) == 65_533
    assert losses(photo) == []


@pytest.mark.parametrize("is_same", [True, False])
def test_two_sets_of_captions_in_a_tiff_are_named_where_they_differ(tmp_path: Path, is_same: bool):
    other = IPTC if is_same else IPTC.replace(b"1943", b"1944")
    resources = photoshop_segment(other)[4 + len(b"Photoshop 3.0\0") :]
    more = {tiff_file.IPTC: (7, IPTC), tiff_file.PHOTOSHOP: (1, resources)}
    buffer = io.BytesIO()
    picture().save(buffer, "TIFF")
    path = tmp_path / "a.tif"
    path.write_bytes(around_pixels(buffer.getvalue(), None, more))
    photo = open_photo(path)
    said = "a.tif has two sets of IPTC captions; Photoshop's alone is kept."
    assert (said in photo.losses) == (not is_same)


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (b"\xff\xe0\0\x10II\x1a\0\0\0HEAPJPGM", "maker's data (CIFF)"),
        (b"\xff\xec\0\x10[picture info]", "APP12 data"),
        (b"\xff\xed\0\x16Adobe_Photoshop2.5:\0", "APP13 data"),
        (b"\xff\xed\0\x0cAdobe_CM\0\2", None),
        (b"\xff\xec\0\x0fDucky\0\1\0\4\0\0\0P", None),
    ],
)
def test_what_makers_put_into_segments_of_their_own_is_named(
    tmp_path: Path, segment: bytes, words: str | None
):
    photo = open_photo(jpeg_with(tmp_path / "a.jpg", segment))
    expected = (f"a.jpg also holds what the result cannot: {words}.",) if words else ()
    assert photo.losses == expected


def test_a_makers_note_that_moves_in_a_tiff_is_named(tmp_path: Path):
    buffer = io.BytesIO()
    picture().save(buffer, "TIFF")
    path = tmp_path / "a.tif"
    path.write_bytes(around_pixels(buffer.getvalue(), exif_block(size=(96, 64)), {}))
    (loss,) = open_photo(path).losses
    assert loss.startswith("a.tif has a maker's note, which has moved in the result")


def test_the_motion_video_behind_a_heic_is_named(tmp_path: Path):
    path = save(picture(), tmp_path / "a.heic")
    with path.open("ab") as file:
        file.write(struct.pack(">I", 108) + b"mpvd" + bytes(100))
    assert open_photo(path).losses == (
        "a.heic also holds what the result cannot: motion video.",
    )  # fmt: skip


AREAS = {  # orientation: the centre and size of what lies at (0.25, 0.125) with 0.5 x 0.2
    1: (0.25, 0.125, 0.5, 0.2),
    2: (0.75, 0.125, 0.5, 0.2),
    3: (0.75, 0.875, 0.5, 0.2),
    4: (0.25, 0.875, 0.5, 0.2),
    5: (0.125, 0.25, 0.2, 0.5),
    6: (0.875, 0.25, 0.2, 0.5),
    7: (0.875, 0.75, 0.2, 0.5),
    8: (0.125, 0.75, 0.2, 0.5),
}


def region(width: int, height: int, as_elements: bool) -> str:
    """A face marked in a picture of this size, in either of XMP's two ways to write it."""
    values = {"x": "0.25", "y": "0.125", "w": "0.5", "h": "0.2", "unit": "normalized"}
    area = "<mwg-rs:Area " + " ".join(f'stArea:{k}="{v}"' for k, v in values.items()) + "/>"
    if as_elements:
        inner = "".join(f"<stArea:{k}>{v}</stArea:{k}>" for k, v in values.items())
        area = f'<mwg-rs:Area rdf:parseType="Resource">{inner}</mwg-rs:Area>'
    return (
        '<mwg-rs:Regions xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" '
        'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" rdf:parseType="Resource">'
        f'<mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>'
        '<mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource">'
        f"<mwg-rs:Name>Zoë</mwg-rs:Name>{area}</rdf:li></rdf:Bag></mwg-rs:RegionList>"
        "</mwg-rs:Regions>"
    )


@pytest.mark.parametrize("orientation", AREAS)
@pytest.mark.parametrize("as_elements", [False, True])
def test_marked_faces_turn_with_the_photo(tmp_path: Path, orientation: int, as_elements: bool):
    block = b"Exif\0\0" + exif_block(orientation=orientation)
    path = save_with_xmp(tmp_path / "a.jpg", xmp_with(region(96, 64, as_elements)), exif=block)
    photo = open_photo(path)
    assert photo.losses == ()
    found = tags(result_of(photo, tmp_path))
    place = [found[f"XMP-mwg-rs:RegionArea{name}"] for name in "XYWH"]
    assert place == pytest.approx(list(AREAS[orientation]))
    size = [found[f"XMP-mwg-rs:RegionAppliedToDimensions{name}"] for name in "WH"]
    assert size == list(photo.pixels.shape[1::-1])


def test_faces_that_were_marked_in_the_upright_photo_stay_where_they_are(tmp_path: Path):
    block = b"Exif\0\0" + exif_block(orientation=6)
    path = save_with_xmp(tmp_path / "a.jpg", xmp_with(region(64, 96, False)), exif=block)
    found = tags(result_of(open_photo(path), tmp_path))
    assert found["XMP-mwg-rs:RegionAreaX"] == 0.25
