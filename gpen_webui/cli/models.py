"""`./run.sh models`: list, download, import and verify models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_webui.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from gpen_webui.settings import Settings

if TYPE_CHECKING:
    from gpen_webui.models.installed import ModelState


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `models` to the command line."""
    parser = commands.add_parser("models", help="the models: list, download, import, verify")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="what is installed, and what there is").set_defaults(run=_list)
    download = actions.add_parser("download", help="fetch a published model")
    download.add_argument("name", metavar="NAME")
    download.set_defaults(run=_download)
    bring = actions.add_parser("import", help="add a weight file or an ONNX graph")
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.set_defaults(run=_import)
    verify = actions.add_parser("verify", help="check every installed file anew")
    verify.set_defaults(run=_verify)


def _list(arguments: argparse.Namespace) -> int:
    from gpen_webui.models.installed import list_models
    from gpen_webui.models.published import NO_LICENCE

    settings = Settings.from_environment()
    for state in list_models(settings.models):
        if state.problem:
            where = f"cannot be used: {state.problem}"
        elif state.installed:
            where = "installed, the default" if state.is_default else "installed"
        else:
            where = f"not installed ({state.megabytes} MB)"
        size = _size_of(state)
        licence = "none stated *" if state.licence == NO_LICENCE else state.licence
        print(f"{state.name:24} {size:8} {where}\n    {state.purpose}. Licence: {licence}.")
    print(f"\n* {NO_LICENCE}.")
    print(
        f"Models lie in {settings.models}; any GPEN checkpoint put there can be used by name, and "
        "any network of the ESRGAN or Real-ESRGAN kind with --enlarge-model; ParseNet is used with "
        "--face-mask parse."
    )
    return EXIT_OK


def _size_of(state: ModelState) -> str:
    """Of its crops, or what it does instead of restoring some."""
    if state.scale:
        return f"{state.scale} times"
    if state.task == "parse":
        return "masks"
    return f"{state.size} px" if state.size else "size unknown until used"


def _download(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from gpen_webui.models.download import download_model
    from gpen_webui.models.published import published_model

    settings = Settings.from_environment()
    entry = published_model(arguments.name)
    if entry and entry.sources:
        print(f"{entry.name}: {entry.licence}.", file=sys.stderr)
    with tqdm(unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        model = download_model(arguments.name, settings.models, on_progress=show)
    print(f"{model.name} is installed: {model.path} (SHA-256 {model.sha256}).")
    return EXIT_OK


def _import(arguments: argparse.Namespace) -> int:
    from gpen_webui.engines.import_weights import import_weights
    from gpen_webui.models.acceptance import task_of
    from gpen_webui.models.published import AUTHORS_PAGE

    imported = import_weights(arguments.file, Settings.from_environment().models)
    model = imported.model
    others = {
        "enlarge": "enlarges photos with --enlarge-model",
        "parse": "used by --face-mask parse",
    }
    what = others.get(task_of(model.size), f"{model.size} px")
    print(f"{model.name} is installed: {what}, SHA-256 {model.sha256}.")
    if imported.remark:
        print(imported.remark)
    print(f"Its licence is its makers' to say; for GPEN's own models see {AUTHORS_PAGE}.")
    return EXIT_OK


def _verify(arguments: argparse.Namespace) -> int:
    from gpen_webui.models.installed import verify_models

    problems = verify_models(Settings.from_environment().models)
    for name, problem in problems.items():
        print(f"{name}: {problem or 'whole and unchanged'}")
    return EXIT_SOME_FAILED if any(problems.values()) else EXIT_OK
