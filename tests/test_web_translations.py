"""The Chinese texts: complete, compiled from what can be read, and with the same blanks."""

import gettext
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from gpen_webui.options import RestoreOptions
from gpen_webui.web.pages import LANGUAGES, PRESETS, TRANSLATIONS, preset_options

OTHERS = [code for code in LANGUAGES if code != "en"]
METHODS = [("templates/**.html", "jinja2")]
BLANKS = re.compile(r"\{\w+\}|%\(\w+\)s|%%")


def texts_of_the_pages(project: Path) -> set[str]:
    found = extract_from_dir(project, METHODS, directory_filter=lambda path: "venv" not in path)
    return {text for _, _, text, _, _ in found}


@pytest.fixture(params=OTHERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return TRANSLATIONS / request.param / "LC_MESSAGES"


def test_every_text_is_translated_with_its_blanks(project: Path, folder: Path):
    with open(folder / "messages.mo", "rb") as file:
        catalog = gettext.GNUTranslations(file)
    texts = texts_of_the_pages(project)
    assert len(texts) > 200
    untranslated = {text for text in texts if catalog.gettext(text) == text} - {"{n} MB"}
    assert untranslated == set()
    for text in texts:
        assert set(BLANKS.findall(catalog.gettext(text))) == set(BLANKS.findall(text)), text


def test_what_is_compiled_is_what_can_be_read(folder: Path):
    with open(folder / "messages.mo", "rb") as file:
        compiled = gettext.GNUTranslations(file)
    with open(folder / "messages.po", "rb") as file:
        readable = {message.id: message.string for message in read_po(file) if message.id}
    assert {text: compiled.gettext(text) for text in readable} == readable


def test_presets_are_options_and_ordinary_is_the_default():
    for name in PRESETS:
        RestoreOptions.parse(preset_options(name))
    assert RestoreOptions.parse(preset_options("ordinary")) == RestoreOptions()
    assert len({tuple(preset_options(name).items()) for name in PRESETS}) == len(PRESETS)
