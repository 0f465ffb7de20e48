"""XMP: what of it still holds for the result.

Captions, keywords, ratings, rights, the names of people and all else that describes the picture
is kept. What tells of the file, such as its size, its turn, a thumbnail or the place of a video
behind it, would be wrong for another file and goes.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from gpen_webui.photo import regions

X, RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# Faces marked in the picture, by their place. Of those of Microsoft nobody knows whether they
# count on the picture as it lies in the file or as it is shown: programs differ.
PEOPLE = (regions.REGIONS, "http://ns.microsoft.com/photo/1.2/")
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
OF_THE_FILE = (  # beginnings of namespaces
    "http://ns.google.com/photos/1.0/",
    "http://ns.google.com/photos/dd/",
    "http://ns.adobe.com/hdr-gain-map/",
    "http://ns.adobe.com/xmp/note/",
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/HDRToneMap/",
    "http://ns.apple.com/depth",
    "http://ns.apple.com/pixeldatainfo/",
)
PREFIXES = {
    "x": X,
    "rdf": RDF,
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
}
PROPERTIES_OF_THE_FILE = frozenset(
    f"{{{PREFIXES[prefix]}}}{name}"
    for prefix, names in {
        "dc": "format",
        "xmp": "Thumbnails",
        "photoshop": "ColorMode DocumentAncestors History ICCProfile TextLayers",
        "exif": "PixelXDimension PixelYDimension ColorSpace",
    }.items()
    for name in names.split()
)
OF_TIFF_KEPT = frozenset(
    f"{{{PREFIXES['tiff']}}}{name}".lower()
    for name in "Artist Copyright DateTime ImageDescription Make Model Software".split()
)
# A whole one among whatever follows or is left of it.
WHOLE = re.compile(rb"<((?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF))\b.*?</\1\s*>", re.DOTALL)
PREFIX = re.compile(r"(?!ns\d)[A-Za-z_][\w.-]{0,30}")
PACKET = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>%s<?xpacket end="w"?>'

for _prefix, _namespace in PREFIXES.items():
    ElementTree.register_namespace(_prefix, _namespace)


def describing(
    block: bytes,
    orientation: int = 1,
    size: tuple[int, int] = (0, 0),
    crop: regions.Crop | None = None,
) -> tuple[bytes | None, bool]:
    """The XMP block (UTF-8) of what describes the picture, None where nothing does; and whether
    marked faces had to be left out.

    orientation: the picture's in the file, as of EXIF, where the result will be upright. size:
    its in the file, width and height. crop: the part of the upright picture that is left.
    Raises ValueError, ElementTree.ParseError and others for a broken block.
    """
    packet, block = _parsed(block.rstrip(b"\0"))
    _keep_prefixes(block)
    about, description = f"{{{RDF}}}about", f"{{{RDF}}}Description"
    kept = ElementTree.Element(description, {about: ""})
    rdf = next(packet.iter(f"{{{RDF}}}RDF"), None)  # not always within an xmpmeta
    if rdf is None:
        raise ValueError("no RDF")
    moved = orientation != regions.UPRIGHT or crop is not None
    faces, lost_faces = False, False
    for found in rdf.findall(description):
        kept.attrib |= {
            name: value for name, value in found.attrib.items() if _describes(name, moved)
        }
        for part in found:
            if moved and part.tag.startswith(f"{{{regions.REGIONS}}}"):
                if not regions.move(part, orientation, size, crop):
                    lost_faces = True
                    continue
                faces = True
                if regions.has_any(part):
                    kept.append(part)
            elif _describes(part.tag, moved):
                kept.append(part)
            elif part.tag.startswith(f"{{{PEOPLE[1]}}}"):
                lost_faces = True
    lost_faces = lost_faces and not faces  # most programs write both
    if len(kept.attrib) == 1 and not len(kept):
        return None, lost_faces
    result = ElementTree.Element(f"{{{X}}}xmpmeta")
    ElementTree.SubElement(result, f"{{{RDF}}}RDF").append(kept)
    return PACKET % ElementTree.tostring(result, "utf-8"), lost_faces


def _describes(name: str, moved: bool) -> bool:
    """Whether a property, as "{namespace}name", tells of the picture rather than of the file."""
    namespace = name.partition("}")[0][1:]
    if not name.startswith("{") or namespace == RDF or name in PROPERTIES_OF_THE_FILE:
        return False
    if namespace == PREFIXES["tiff"]:
        return name.lower() in OF_TIFF_KEPT
    if namespace in (*PEOPLE, PANORAMA):
        return not moved
    return not namespace.startswith(OF_THE_FILE)


def _parsed(block: bytes) -> tuple[ElementTree.Element, bytes]:
    """The XMP and the part of the block that it is: often it is followed by remains of others."""
    try:
        return ElementTree.fromstring(block), block
    except ElementTree.ParseError:
        if not (whole := WHOLE.search(block)):
            raise
    return ElementTree.fromstring(whole[0]), whole[0]


def _keep_prefixes(block: bytes) -> None:
    """Write the namespaces of a block under the names that they have there."""
    for _, (prefix, namespace) in ElementTree.iterparse(io.BytesIO(block), ("start-ns",)):
        is_known = prefix in PREFIXES or namespace in PREFIXES.values()
        if not is_known and PREFIX.fullmatch(prefix):
            ElementTree.register_namespace(prefix, namespace)
