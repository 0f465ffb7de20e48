"""What report.html says of an album: one page, in English and Chinese, to be read and printed.

It holds no address of another file but links to the results beside it. Its only script shows it
in the reader's language; without it the reader chooses.
"""

from __future__ import annotations

import base64
import gettext
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from html import escape
from pathlib import PurePosixPath
from urllib.parse import quote

from gpen_webui.option_kinds import N_, Switch
from gpen_webui.options import DEFAULTS, OPTIONS
from gpen_webui.sentences import TRANSLATIONS, in_language
from gpen_webui.states import RESTORED_ITEMS, ItemState

FIRST_LINE = "<!doctype html><!-- a report of GPEN WebUI, which may replace it -->\n"
ALWAYS_SHOWN = ("strength", "mode")  # other settings only where they are not the usual ones
MOST_LEFT_OUT = 500

SETTINGS, LEFT_OUT, ON, OFF = N_("Settings"), N_("Left out"), N_("on"), N_("off")
RESTORED, FAILED = N_("{done} of {total} restored"), N_("{n} failed")
ONE_FACE, FACES = N_("1 face restored"), N_("{n} faces restored")
LEFT_AND_RIGHT = N_("Left the photo before, right the result")
SECONDS = N_("{n} s")

STATE_WORDS = {
    ItemState.DONE: N_("Restored"),
    ItemState.NO_FACE: N_("No face"),
    ItemState.FAILED: N_("Failed"),
    ItemState.CANCELLED: N_("Cancelled"),
}
COUNT_WORDS = {
    "no_face": N_("{n} without a face"),
    "failed": FAILED,
    "cancelled": N_("{n} cancelled"),
}
WHY_WORDS = {  # as files/find_photos.py tells it
    "not a photo": N_("not a photo"),
    "hidden": N_("hidden"),
    "kept by a device or system for itself": N_("kept by a device or system for itself"),
    "the same folder as another": N_("the same folder as another"),
    "a link to a folder": N_("a link to a folder"),
    "cannot be read": N_("cannot be read"),
}
SCRIPT = 'if(/^zh/.test(navigator.language))document.getElementById("in-zh").checked=true'
SCRIPT_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{SCRIPT_DIGEST}'"
)
STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,"Noto Sans","Noto Sans CJK SC",sans-serif;
--line:light-dark(#dcdcda,#343433);--muted:light-dark(#5d5d5a,#a8a8a5);
--bad:light-dark(#a8281f,#ff9d93);--warn:light-dark(#7a4d00,#f0c26b);
background:light-dark(#fff,#151515);color:light-dark(#1c1c1b,#ededec)}
body{max-width:1200px;margin:0 auto;padding:24px}
h1,h2,h3,p,ul,dl,dd{margin:0;padding:0}
h1{font-size:1.6rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:28px 0 10px;overflow-wrap:anywhere}
h3{font-size:.95rem;overflow-wrap:anywhere}
a{color:light-dark(#0b6e66,#5bcfc1)}
body:has(#in-en:checked) [lang=zh-Hans].t,body:has(#in-zh:checked) [lang=en].t{display:none}
.languages{float:right;color:var(--muted)}
.facts,.muted{color:var(--muted)}
.legend{margin-top:20px}
.settings{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}
.settings dt{color:var(--muted)}
.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:16px}
article{break-inside:avoid;content-visibility:auto;contain-intrinsic-size:auto 190px;
border:1px solid var(--line);border-radius:8px;padding:10px;overflow-wrap:anywhere}
article.failed{border-color:var(--bad)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:6px;margin-bottom:6px}
.pair img{width:100%;height:128px;object-fit:contain;background:light-dark(#f1f1f0,#0e0e0e)}
ul{padding-left:1.2em;font-size:.9rem}
.bad{color:var(--bad)}.warn{color:var(--warn)}
@media (pointer:coarse){h3 a,.languages label{display:inline-block;padding:12px 0}}
@media print{:root{color-scheme:light;font-size:11px}.languages{display:none}body{padding:0}
article{content-visibility:visible}.photos{grid-template-columns:repeat(2,1fr)}
.pair img{height:36mm}a{color:inherit;text-decoration:none}}
"""


def report_page(report: dict, pictures_of: Callable[[str], str]) -> Iterator[str]:
    """The page, piece by piece, so that an album of any size needs little memory.

    report: as report.json has it. pictures_of: gives the lines of a result's pictures (see
    `pair`), or nothing.
    """
    name = str(report.get("name") or "GPEN WebUI")
    yield FIRST_LINE
    yield from _head(name)
    yield f"<h1>{escape(name)}</h1>\n"
    yield f'<p class="facts">{" · ".join(_summary(report))}</p>\n'
    yield f"<h2>{_both(SETTINGS)}</h2>\n"
    yield from _settings(report["options"])
    photos = sorted(report["photos"], key=lambda photo: _in_folders(photo["name"]))
    yield from _failures(photos)
    yield from _left_out(report.get("left_out") or [])
    yield from _photos(photos, report["options"], pictures_of)
    yield "</main>\n</body>\n</html>\n"


def pair(result: str, before: bytes, after: bytes) -> str:
    """The line with a result's pictures. before, after: WebP or JPEG."""
    images = "".join(f'<img alt="" src="{_data_address(data)}">' for data in (before, after))
    return f'<p class="pair" data-result="{quoted(result)}">{images}</p>\n'


def _data_address(picture: bytes) -> str:
    kind = "webp" if picture.startswith(b"RIFF") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def quoted(result: str) -> str:
    """A relative address of a result."""
    return quote(result.encode("utf-8", "surrogatepass"))


def _head(name: str) -> Iterator[str]:
    yield '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(name)} · GPEN WebUI</title>\n<style>{STYLE}</style>\n</head>\n"
    yield "<body>\n<main>\n"
    yield (
        '<p class="languages"><label><input type="radio" name="language" id="in-en" checked>'
        '<span lang="en">English</span></label> <label>'
        '<input type="radio" name="language" id="in-zh"><span lang="zh-Hans">简体中文</span>'
        f"</label></p>\n<script>{SCRIPT}</script>\n"
    )


def _summary(report: dict) -> Iterator[str]:
    counts = report["counts"]
    yield _both(RESTORED, done=counts["done"], total=counts["total"])
    for state, words in COUNT_WORDS.items():
        if counts[state]:
            yield _both(words, n=counts[state])
    if finished := report.get("finished"):
        yield escape(f"{finished[:10]} {finished[11:16]}")
    if report.get("model"):
        yield escape(str(report["model"]))


def _settings(options: dict) -> Iterator[str]:
    yield '<dl class="settings">\n'
    for name, value in options.items():
        if name in OPTIONS and (name in ALWAYS_SHOWN or value != DEFAULTS[name]):
            yield f"<dt>{_label(name)}</dt><dd>{_value(name, value)}</dd>\n"
    yield "</dl>\n"


def _label(name: str) -> str:
    label = OPTIONS[name].label
    return _both(label) if label else escape(f"--{name.replace('_', '-')}")


def _value(name: str, value: object) -> str:
    option = OPTIONS[name]
    if isinstance(option, Switch):
        return _both(ON if value else OFF)
    choices, labels = getattr(option, "choices", ()), getattr(option, "labels", ())
    if labels and value in choices:
        return _both(labels[choices.index(value)])
    return escape(str(value))


def _failures(photos: list[dict]) -> Iterator[str]:
    failed = [photo for photo in photos if photo.get("error")]
    if not failed:
        return
    yield f'<h2 class="bad">{_both(FAILED, n=len(failed))}</h2>\n<ul>\n'
    for photo in failed:
        message = photo["error"]["message"]
        name = "" if photo["name"] in message else f"{escape(photo['name'])}: "
        yield f"<li>{name}{_sentence(message)}</li>\n"
    yield "</ul>\n"


def _left_out(left_out: list[dict]) -> Iterator[str]:
    if not left_out:
        return
    yield f"<h2>{_both(LEFT_OUT)}: {len(left_out)}</h2>\n<ul>\n"
    for some in left_out[:MOST_LEFT_OUT]:
        why = WHY_WORDS.get(some["why"])
        detail = f" ({escape(some['detail'])})" if some.get("detail") else ""
        words = _both(why) if why else escape(some["why"])
        yield f"<li>{escape(some['path'])}: {words}{detail}</li>\n"
    if len(left_out) > MOST_LEFT_OUT:
        yield "<li>…</li>\n"
    yield "</ul>\n"


def _photos(photos: list[dict], options: dict, pictures_of: Callable[[str], str]) -> Iterator[str]:
    if photos:
        yield f'<p class="muted legend">{_both(LEFT_AND_RIGHT)}</p>\n'
    folder = None
    for photo in photos:
        path = PurePosixPath(photo["name"])
        if path.parent != folder:
            if folder is not None:
                yield "</section>\n"
            folder = path.parent
            if folder.parts:
                yield f"<h2>{escape(' / '.join(folder.parts))}</h2>\n"
            yield '<section class="photos">\n'
        yield from _photo(photo, options, pictures_of)
    if photos:
        yield "</section>\n"


def _photo(photo: dict, album_options: dict, pictures_of: Callable[[str], str]) -> Iterator[str]:
    name, result = PurePosixPath(photo["name"]).name, photo["result"]
    yield f'<article class="{escape(photo["state"])}">\n'
    if result and photo["state"] in RESTORED_ITEMS:
        yield pictures_of(result)
        yield f'<h3><a href="{quoted(result)}">{escape(name)}</a></h3>\n'
    else:
        yield f"<h3>{escape(name)}</h3>\n"
    yield f'<p class="facts">{" · ".join(_facts(photo, album_options))}</p>\n'
    if lines := list(_lines(photo)):
        yield f"<ul>{''.join(lines)}</ul>\n"
    yield "</article>\n"


def _facts(photo: dict, album_options: dict) -> Iterator[str]:
    state = photo["state"]
    yield _both(STATE_WORDS[state]) if state in STATE_WORDS else escape(state)
    if restored := sum(face["restored"] for face in photo["faces"]):
        yield _both(ONE_FACE if restored == 1 else FACES, n=restored)
    if seconds := sum(photo["seconds"].values()):
        yield _both(SECONDS, n=f"{seconds:.1f}")
    for option, value in photo["options"].items():
        if option in OPTIONS and value != album_options.get(option, value):
            yield f"{_label(option)}: {_value(option, value)}"


def _lines(photo: dict) -> Iterator[str]:
    if photo.get("error"):
        yield f'<li class="bad">{_sentence(photo["error"]["message"])}</li>'
    for words in photo["warnings"]:
        yield f'<li class="warn">{_sentence(words)}</li>'
    for chosen in photo.get("suggestions", ()):
        yield f"<li>{_sentence(chosen['reason'])}</li>"
    for words in photo.get("notes", ()):
        yield f"<li>{_sentence(words)}</li>"


def _both(text: str, **values: object) -> str:
    """Words of ours in both languages."""
    english, chinese = (words.format(**values) for words in (text, _chinese()(text)))
    return _in_both(english, chinese)


def _sentence(text: str) -> str:
    """A sentence of the server in both languages."""
    return _in_both(text, in_language(text, "zh_Hans"))


def _in_both(english: str, chinese: str) -> str:
    if english == chinese:
        return escape(english)
    return (
        f'<span class="t" lang="en">{escape(english)}</span>'
        f'<span class="t" lang="zh-Hans">{escape(chinese)}</span>'
    )


@lru_cache
def _chinese() -> Callable[[str], str]:
    return gettext.translation("messages", TRANSLATIONS, ["zh_Hans"], fallback=True).gettext


def _in_folders(name: str) -> tuple[list, list]:
    """By folder, and in it by name, numbers as numbers."""
    path = PurePosixPath(name)
    return _natural(str(path.parent)), _natural(path.name)


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", text.casefold())
    return [
        (0, int(part[:18]), part) if part[0] in "0123456789" else (1, 0, part)
        for part in parts
        if part
    ]
