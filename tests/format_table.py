"""The documents' table of what goes from each format into each, found out by trying it.

`python -m tests.format_table` writes it anew into docs/formats.md.
"""

import io
import tempfile
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.exif import value_of
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.photo.png_file import profile_text
from gpen_webui.photo.tiff_file import IPTC, around_pixels
from tests.exif_blocks import MAKER_NOTE, exif_block

pillow_heif.register_heif_opener()

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "formats.md"
BEGIN, END = (
    "<!-- table: made by python -m tests.format_table -->\n",
    "<!-- end of table -->\n",
)
SOURCES = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "TIFF": ".tif", "BMP": ".bmp",
           "HEIC": ".heic", "AVIF": ".avif", "GIF": ".gif"}  # fmt: skip
TARGETS = ("same", "jpeg", "png", "webp")
RECORDS = b"\x1c\2\x78\0\x0dHochzeit 1943"
RESOURCES = b"8BIM\4\4\0\0" + len(RECORDS).to_bytes(4, "big") + RECORDS
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="Sommer"/></rdf:RDF></x:xmpmeta>'
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def format_table() -> str:
    """A Markdown table with a row for each format that comes in."""
    rows = [
        "| from | to the same format | JPEG | PNG | WebP |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, suffix in SOURCES.items():
            photo = open_photo(_file_with_everything(Path(folder) / f"a{suffix}"))
            there = _present(photo)
            cells = [_cell(photo, there, target) for target in TARGETS]
            rows.append(f"| {name} (has {', '.join(there)}) | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    """The text of the document with today's table between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + format_table() + END + after


def _file_with_everything(path: Path) -> Path:
    """A file with all of EXIF, XMP, IPTC, profile and so on that its format has a place for."""
    has_alpha = path.suffix in (".png", ".webp", ".heic", ".avif")
    image = Image.new(
        "RGBA" if has_alpha else "RGB", (64, 48), (90, 120, 160, 200)[: 3 + has_alpha]
    )
    options: dict[str, object] = {"dpi": (300, 300)}
    if path.suffix not in (".bmp", ".gif"):
        block = exif_block(size=(64, 48))
        options |= {"icc_profile": PROFILE, "xmp": XMP, "exif": b"Exif\0\0" + block}
    if path.suffix in (".jpg", ".gif"):
        options["comment"] = b"Ostern"
    if path.suffix == ".png":
        text = PngInfo()
        text.add_text("Title", "Sommer")
        text.add(*profile_text("iptc", RESOURCES), after_idat=False)
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
    if path.suffix == ".tif":
        del options["exif"], options["xmp"]
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", **options)
        more = {700: (1, XMP), IPTC: (7, RECORDS)}
        path.write_bytes(around_pixels(buffer.getvalue(), block, more))
        return path
    image.save(path, **options)
    if path.suffix == ".jpg":
        content = b"Photoshop 3.0\0" + RESOURCES
        segment = b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
        path.write_bytes(path.read_bytes()[:2] + segment + path.read_bytes()[2:])
    return path


def _present(photo: Photo) -> list[str]:
    there = {
        "EXIF": photo.exif and MAKER_NOTE in photo.exif,
        "XMP": photo.xmp,
        "IPTC": photo.photoshop,
        "colour profile": photo.icc,
        "transparency": photo.alpha is not None,
        "resolution": photo.dpi or (photo.exif and value_of(photo.exif, 0x011A)),
        "comment": photo.comment,
        "texts": photo.texts,
    }
    return [name for name, found in there.items() if found]


def _cell(photo: Photo, there: list[str], target: str) -> str:
    data, suffix = encode_photo(photo, photo.pixels, target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"b{suffix}"
        path.write_bytes(data)
        kept = _present(open_photo(path))
    if "texts" in kept and "comment" in there:  # PNG has comments among its texts
        kept.append("comment")
    lost = [name for name in there if name not in kept]
    return f"without {', '.join(lost)}" if lost else "all"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
