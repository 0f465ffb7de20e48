"""Errors leave as JSON for programs and as a kind page for people."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from gpen_webui.errors import UserError
from gpen_webui.sentences import in_language
from gpen_webui.web.errors import TooManyGuessesError, status_of
from gpen_webui.web.language import choose_language

log = logging.getLogger(__name__)

PROGRAMS = ("/api/", "/cluster/", "/ws/", "/enhance", "/batch-enhance", "/metrics")
CODES = {413: "too_large"}  # the others' names are those of HTTP
WORDS = {
    400: "The request cannot be understood; check what was sent.",
    404: "There is nothing at this address.",
    405: "This address does not take such a request.",
    413: "The upload exceeds the limit for one request; send fewer photos at a time.",
    500: "Something unexpected went wrong; try again, and look into the log if it stays.",
}


def init_app(app: Flask) -> None:
    """Answer every error in words."""
    app.register_error_handler(UserError, _user_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def answer(status: int, code: str, message: str) -> tuple[Response | str, int]:
    """An error as whoever asks can read it."""
    if request.path.startswith(PROGRAMS):
        return jsonify(error={"code": code, "message": message}), status
    try:
        words = in_language(message, choose_language())
        return render_template("error.html", code=status, message=words), status
    except Exception:  # the page's own frame may be what fails
        log.exception("the page for an error could not be drawn")
        return Response(f"{status}: {message}", status, content_type="text/plain"), status


def _user_error(error: UserError) -> Response:
    status, code = status_of(error)
    response = make_response(answer(status, code, str(error)))
    if isinstance(error, TooManyGuessesError):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _http_error(error: HTTPException) -> tuple[Response | str, int] | HTTPException:
    status = error.code or 500
    if status < 400:  # a redirect
        return error
    code = CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "_")
    return answer(status, code, WORDS.get(status) or error.description or HTTPStatus(status).phrase)


def _unexpected(error: Exception) -> tuple[Response | str, int]:
    log.error("%s %s failed", request.method, ascii(request.path), exc_info=error)
    return answer(500, "unexpected", WORDS[500])
