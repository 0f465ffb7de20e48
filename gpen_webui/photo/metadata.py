"""What a photo file says about its picture, and what of it still holds for the result.

EXIF goes with the result, upright. Of XMP, where captions, keywords, ratings and the names of
people lie, goes what describes the picture: the rest tells of the file, such as the place of a
video behind it, a thumbnail or the colours, and would be wrong for another one.
"""

from __future__ import annotations

import logging
from xml.etree import ElementTree

from PIL import ExifTags, Image

log = logging.getLogger(__name__)

MAX_BLOCK = 65_000  # bytes of EXIF or XMP; what JPEG can hold
MOST_DPI = 65_535  # of JPEG
DESCRIPTIVE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.ExifOffset,
    ExifTags.Base.GPSInfo,
)
X, RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PEOPLE = {  # faces marked in the picture, by their place
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
}
DESCRIBING = PEOPLE | {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "acdsee": "http://ns.acdsee.com/iptc/1.0/",
}
NESTED = {  # their parts
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
}
OF_THE_FILE = tuple(
    f"{{{DESCRIBING[prefix]}}}{name}"
    for prefix, names in {
        "dc": ("format",),
        "xmp": ("Thumbnails",),
        "photoshop": ("ColorMode", "DocumentAncestors", "History", "ICCProfile", "TextLayers"),
    }.items()
    for name in names
)
PACKET = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>%s<?xpacket end="w"?>'

for _prefix, _namespace in (DESCRIBING | NESTED | {"x": X, "rdf": RDF}).items():
    ElementTree.register_namespace(_prefix, _namespace)


def exif_without_orientation(image: Image.Image) -> bytes | None:
    """The EXIF block with its orientation reset; None where there is none or it is broken."""
    try:
        exif = image.getexif()
        # TIFF keeps its picture's layout among these tags; that of the result is another.
        kept = Image.Exif()
        for tag, value in exif.items():
            if image.format != "TIFF" or tag in DESCRIPTIVE_TAGS:
                kept[tag] = value
        kept.pop(ExifTags.Base.Orientation, None)
        for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            kept.pop(block, None)  # where it lay in the file
            if values := exif.get_ifd(block):
                kept[block] = dict(values)
        return kept.tobytes() if kept else None
    except Exception as error:
        log.info("broken EXIF left out", exc_info=error)
        return None


def describing_xmp(image: Image.Image, turned: bool) -> bytes | None:
    """The XMP block (UTF-8) of what describes the picture; None where nothing does.

    turned: the result is, against the file, and faces marked in it are not where they were.
    """
    block = _xmp(image)
    if not block:
        return None
    try:
        return _describing(ElementTree.fromstring(block.rstrip(b"\0")), turned)
    except Exception as error:  # broken metadata is no reason to refuse a photo
        log.info("broken XMP left out", exc_info=error)
        return None


def marks_people(image: Image.Image) -> bool:
    """Faces are marked in the picture, by their place."""
    return any(namespace.encode() in _xmp(image) for namespace in PEOPLE.values())


def resolution(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down, where the file has some that make sense."""
    dpi = tuple(float(along) for along in image.info.get("dpi", ()))
    sensible = len(dpi) == 2 and all(1 <= along <= MOST_DPI for along in dpi)
    return dpi if sensible else None


def is_oversized(block: bytes | None) -> bool:
    return block is not None and len(block) > MAX_BLOCK


def _describing(packet: ElementTree.Element, turned: bool) -> bytes | None:
    about, description = f"{{{RDF}}}about", f"{{{RDF}}}Description"
    kept = ElementTree.Element(description, {about: ""})
    rdf = next(packet.iter(f"{{{RDF}}}RDF"))  # not always within an xmpmeta
    for found in rdf.findall(description):
        kept.attrib |= {
            name: value for name, value in found.attrib.items() if _describes(name, turned)
        }
        kept.extend(part for part in found if _describes(part.tag, turned))
    if len(kept.attrib) == 1 and not len(kept):
        return None
    result = ElementTree.Element(f"{{{X}}}xmpmeta")
    ElementTree.SubElement(result, f"{{{RDF}}}RDF").append(kept)
    return PACKET % ElementTree.tostring(result, "utf-8")


def _xmp(image: Image.Image) -> bytes:
    block = image.info.get("xmp")
    return block if isinstance(block, bytes) else b""


def _describes(name: str, turned: bool) -> bool:
    """Whether a property, as "{namespace}name", tells of the picture rather than of the file."""
    if name in OF_THE_FILE:
        return False
    namespace = name.partition("}")[0][1:]
    return namespace in DESCRIBING.values() and not (turned and namespace in PEOPLE.values())
