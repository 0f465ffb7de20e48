"""`./run.sh workers`: the machines that restore photos for the server of this one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from gpen_webui.cli.exit_codes import EXIT_OK
from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND
from gpen_webui.settings import Settings, or_missing

ANSWER_SECONDS = 10.0
COLUMNS = ("name", "state", "busy", "slots", "restored", "failed", "kind", "device", "engine")


class ServerError(UserError):
    """The server of this machine does not run, or refuses what was asked."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `workers` to the command line."""
    parser = commands.add_parser(
        "workers",
        help="the machines that work for the server of this one: list, drain, resume, forget",
    )
    parser.add_argument("--outputs", type=or_missing(Path), metavar="DIR", help="of that server")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="what each does (the default)").set_defaults(run=_list)
    for action, run, what in (
        ("drain", _drain, "let a machine finish what it has, and give it nothing more"),
        ("resume", _resume, "let a machine that was drained go on"),
        ("forget", _forget, "shut a machine out"),
    ):
        named = actions.add_parser(action, help=what)
        named.add_argument("name", metavar="NAME")
        named.set_defaults(run=run)
    new_key = actions.add_parser("new-key", help="make a new key: the old one lets nobody join")
    new_key.set_defaults(run=_new_key)
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    machines = _ask(arguments, "GET", "")["machines"]
    rows = [COLUMNS, *(tuple(str(each.get(name, "")) for name in COLUMNS) for each in machines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return EXIT_OK


def _drain(arguments: argparse.Namespace) -> int:
    _ask(arguments, "POST", f"/{quote(arguments.name, safe='')}/drain")
    print(f"{arguments.name} finishes what it has and gets nothing more.")
    return EXIT_OK


def _resume(arguments: argparse.Namespace) -> int:
    _ask(arguments, "POST", f"/{quote(arguments.name, safe='')}/undrain")
    print(f"{arguments.name} gets photos again.")
    return EXIT_OK


def _forget(arguments: argparse.Namespace) -> int:
    _ask(arguments, "POST", f"/{quote(arguments.name, safe='')}/forget")
    print(f"{arguments.name} is shut out; its photos wait again.")
    print(f"Whoever knows the key can join anew: {COMMAND} workers new-key makes another.")
    return EXIT_OK


def _new_key(arguments: argparse.Namespace) -> int:
    print(_ask(arguments, "POST", "/new-key")["key"])
    return EXIT_OK


def _ask(arguments: argparse.Namespace, method: str, path: str) -> dict[str, Any]:
    """The server's answer. Raises ServerError."""
    import requests

    outputs = arguments.outputs and arguments.outputs.absolute()
    settings = Settings.from_environment(outputs=outputs)
    address, token = _server_of(settings)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy between two programs of one machine
            answer = session.request(
                method, f"{address}/api/workers{path}", headers=headers, timeout=ANSWER_SECONDS
            )
    except requests.RequestException as error:
        raise _not_running(settings) from error
    if answer.ok:
        return answer.json() if answer.content else {}
    try:
        sentence = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answers {answer.status_code}; was it started with --cluster?"
    raise ServerError(sentence)


def _server_of(settings: Settings) -> tuple[str, str]:
    """Where the server of an outputs folder is, and its token; empty where it has none."""
    from gpen_webui.jobs.store.files import HIDDEN

    try:
        where = json.loads((settings.outputs / HIDDEN / "address").read_bytes())
        local, page = str(where["local"]), str(where["page"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_running(settings) from error
    [token] = parse_qs(urlsplit(page).query).get("token", [settings.token or ""])
    return local, token


def _not_running(settings: Settings) -> ServerError:
    return ServerError(
        f"No server runs on this machine for the folder {settings.outputs}; start it with "
        f"{COMMAND} serve --cluster, or name its folder with --outputs."
    )
