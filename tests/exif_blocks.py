"""EXIF blocks for tests, byte by byte, with all that programs stumble over."""

import struct

TYPES = {"ascii": 2, "short": 3, "long": 4, "rational": 5, "undefined": 7, "byte": 1}
CAPTION = "Oma Käthe, Großmutter 1943"
ARTIST = "Jürgen Müller"
MAKER_NOTE = b"TESTMAKE" + bytes(range(1, 200))
THUMBNAIL = b"\xff\xd8\xff\xdb THE OLD PICTURE \xff\xd9"


def _directory(order: str, at: int, tags: dict, follow: int = 0) -> bytes:
    """A directory at this place with its values behind it."""
    entries, values = b"", b""
    start = at + 2 + 12 * len(tags) + 4
    for tag, (kind, count, value) in sorted(tags.items()):
        if len(value) <= 4:
            entries += struct.pack(order + "HHI", tag, TYPES[kind], count) + value.ljust(4, b"\0")
        else:
            place = start + len(values)
            entries += struct.pack(order + "HHII", tag, TYPES[kind], count, place)
            values += value + bytes(len(value) % 2)
    return struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", follow) + values


def exif_block(
    order: str = ">",
    orientation: int = 1,
    size: tuple[int, int] = (96, 64),
    subject: tuple[int, ...] = (),
) -> bytes:
    """Captions in UTF-8, place, Interop, maker note, size and a thumbnail."""

    def text(words: str) -> tuple:
        data = words.encode() + b"\0"
        return "ascii", len(data), data

    def short(number: int) -> tuple:
        return "short", 1, struct.pack(order + "H", number)

    def long(number: int) -> tuple:
        return "long", 1, struct.pack(order + "I", number)

    degrees = struct.pack(order + "6I", 48, 1, 6, 1, 0, 1)
    exif = {
        0x9000: ("undefined", 4, b"0232"),
        0x9003: text("1943:05:08 12:00:00"),
        0x927C: ("undefined", len(MAKER_NOTE), MAKER_NOTE),
        0x9286: ("undefined", 18, b"ASCII\0\0\0Weihnacht."),
        0x9101: ("undefined", 4, b"\1\2\3\0"),
        0xA000: ("undefined", 4, b"0100"),
        0xA001: short(1),
        0xA002: long(size[0]),
        0xA003: short(size[1]),
        0xA005: long(0),
        **(
            {0x9214: ("short", len(subject), struct.pack(f"{order}{len(subject)}H", *subject))}
            if subject
            else {}
        ),
    }
    gps = {
        0: ("byte", 4, b"\2\3\0\0"),
        1: text("N"),
        2: ("rational", 3, degrees),
        3: text("E"),
        4: ("rational", 3, degrees),
    }
    interop = {1: text("R98"), 2: ("undefined", 4, b"0100")}
    first = {
        0x010E: text(CAPTION),
        0x010F: text("Leica"),
        0x0112: short(orientation),
        0x011A: ("rational", 1, struct.pack(order + "2I", 300, 1)),
        0x011B: ("rational", 1, struct.pack(order + "2I", 300, 1)),
        0x0128: short(2),
        0x013B: text(ARTIST),
        0x0213: short(1),
        0x4746: short(4),
        0x9C9B: ("byte", 10, "Oma\0".encode("utf-16-le").ljust(10, b"\0")),
        0x8769: long(0),
        0x8825: long(0),
    }
    exif_at = 8 + len(_directory(order, 8, first))
    gps_at = exif_at + len(_directory(order, exif_at, exif))
    interop_at = gps_at + len(_directory(order, gps_at, gps))
    thumbnail_at = interop_at + len(_directory(order, interop_at, interop))
    first |= {0x8769: long(exif_at), 0x8825: long(gps_at)}
    exif[0xA005] = long(interop_at)
    thumbnail = {
        0x0103: short(6),
        0x011A: ("rational", 1, struct.pack(order + "2I", 72, 1)),
        0x011B: ("rational", 1, struct.pack(order + "2I", 72, 1)),
        0x0128: short(2),
        0x0201: long(0),
        0x0202: long(len(THUMBNAIL)),
    }
    data_at = thumbnail_at + len(_directory(order, thumbnail_at, thumbnail))
    thumbnail[0x0201] = long(data_at)
    mark = b"MM" if order == ">" else b"II"
    return b"".join(
        (
            mark + struct.pack(order + "HI", 42, 8),
            _directory(order, 8, first, thumbnail_at),
            _directory(order, exif_at, exif),
            _directory(order, gps_at, gps),
            _directory(order, interop_at, interop),
            _directory(order, thumbnail_at, thumbnail),
            THUMBNAIL,
        )
    )
