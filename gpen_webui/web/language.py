"""Which language whoever asks reads, and answers in it."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request
from flask.json.provider import DefaultJSONProvider

from gpen_webui.sentences import answer_in_language

LANGUAGES = {"en": "English", "zh_Hans": "简体中文"}


def choose_language() -> str:
    """The user's choice, else the browser's, else English."""
    chosen = request.args.get("lang") or request.cookies.get("lang")
    if chosen in LANGUAGES:
        return chosen
    for wanted, _ in request.accept_languages:
        if wanted.lower().startswith("zh"):
            return "zh_Hans"
        if wanted.lower().startswith("en"):
            return "en"
    return "en"


class JsonInLanguage(DefaultJSONProvider):
    """JSON answers whose sentences the reader can read; programs, which ask for no language, read
    English."""

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        if has_request_context():
            obj = answer_in_language(obj, choose_language())
        return super().dumps(obj, **kwargs)
