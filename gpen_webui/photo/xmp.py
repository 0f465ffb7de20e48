"""XMP: what of it still holds for the result.

Captions, keywords, ratings, rights, the names of people and all else that describes the picture
is kept. What tells of the file, such as its size, its turn, a thumbnail or the place of a video
behind it, would be wrong for another file and goes.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

X, RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PEOPLE = (  # faces marked in the picture, by their place
    "http://www.metadataworkinggroup.com/schemas/regions/",
    "http://ns.microsoft.com/photo/1.2/",
)
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
    f"{{{PREFIXES['tiff']}}}{name}"
    for name in "Artist Copyright DateTime ImageDescription Make Model Software".split()
)
PREFIX = re.compile(r"(?!ns\d)[A-Za-z_][\w.-]{0,30}")
PACKET = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>%s<?xpacket end="w"?>'

for _prefix, _namespace in PREFIXES.items():
    ElementTree.register_namespace(_prefix, _namespace)


def describing(block: bytes, turned: bool) -> bytes | None:
    """The XMP block (UTF-8) of what describes the picture; None where nothing does.

    turned: the result is, against the file, and faces marked in it are not where they were.
    Raises ValueError, ElementTree.ParseError and others for a broken block.
    """
    block = block.rstrip(b"\0")
    packet = ElementTree.fromstring(block)
    _keep_prefixes(block)
    about, description = f"{{{RDF}}}about", f"{{{RDF}}}Description"
    kept = ElementTree.Element(description, {about: ""})
    rdf = next(packet.iter(f"{{{RDF}}}RDF"), None)  # not always within an xmpmeta
    if rdf is None:
        raise ValueError("no RDF")
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


def marks_people(block: bytes) -> bool:
    """Faces are marked in the picture, by their place."""
    return any(namespace.encode() in block for namespace in PEOPLE)


def _describes(name: str, turned: bool) -> bool:
    """Whether a property, as "{namespace}name", tells of the picture rather than of the file."""
    namespace = name.partition("}")[0][1:]
    if not name.startswith("{") or namespace == RDF or name in PROPERTIES_OF_THE_FILE:
        return False
    if namespace == PREFIXES["tiff"]:
        return name in OF_TIFF_KEPT
    if namespace in (*PEOPLE, PANORAMA):
        return not turned
    return not namespace.startswith(OF_THE_FILE)


def _keep_prefixes(block: bytes) -> None:
    """Write the namespaces of a block under the names that they have there."""
    for _, (prefix, namespace) in ElementTree.iterparse(io.BytesIO(block), ("start-ns",)):
        is_known = prefix in PREFIXES or namespace in PREFIXES.values()
        if not is_known and PREFIX.fullmatch(prefix):
            ElementTree.register_namespace(prefix, namespace)
