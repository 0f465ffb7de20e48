"""`./run.sh worker`: this machine restores photos for a coordinator on another one."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from gpen_webui.child_process import END_SIGNALS
from gpen_webui.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK
from gpen_webui.cli.machine_options import add_log_options, add_machine_options
from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND
from gpen_webui.settings import Settings

if TYPE_CHECKING:
    from gpen_webui.cluster.worker.worker import Worker, WorkerOptions

ADDRESS, KEY = "GPEN_WEBUI_JOIN", "GPEN_WEBUI_CLUSTER_KEY"  # in the environment
LOOK_SECONDS = 0.5


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `worker` and its options to the command line."""
    parser = commands.add_parser(
        "worker",
        help="restore photos for a server on another machine",
        description="Restore photos for the server at --join, until Ctrl-C. That server prints the "
        "line to type here when it is started with --cluster.",
    )
    parser.add_argument(
        "--join", metavar="URL", help=f"the server, http://studio:7860 (or {ADDRESS})"
    )
    parser.add_argument(
        "--key", help=f"its key for workers (as {KEY} it is hidden from other users)"
    )
    parser.add_argument("--name", help="what this machine is called there (default: its own name)")
    parser.add_argument(
        "--test",
        action="store_true",
        help="restore one photo that the server sends, say what is wrong, and end",
    )
    add_machine_options(parser)
    add_log_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work until the user stops it; return the process's exit code. Raises UserError."""
    from gpen_webui.cluster.worker.worker import WorkerOptions

    address = arguments.join or os.environ.get(ADDRESS, "").strip()
    key = arguments.key or os.environ.get(KEY, "").strip()
    if not address or not key:
        raise UserError(
            f"A worker needs to know where to join, and the key: {COMMAND} worker --join "
            "http://HOST:7860 --key KEY; the server prints that line when it is started with "
            "--cluster."
        )
    settings = Settings.from_environment(
        device=arguments.device,
        precision=arguments.precision,
        log_level=arguments.log_level,
        log_format=arguments.log_format,
    )
    name = arguments.name or socket.gethostname()
    workers = settings.workers if arguments.workers is None else arguments.workers
    options = WorkerOptions(address, key, name, workers)
    return work(options, settings, is_test=arguments.test)


def work(options: WorkerOptions, settings: Settings, is_test: bool = False) -> int:
    """Work with these options; the exit code. Raises UserError."""
    from gpen_webui.cluster.worker.work_folder import WorkFolder
    from gpen_webui.cluster.worker.worker import Worker
    from gpen_webui.files.names import safe_name
    from gpen_webui.jobs.store.files import HIDDEN
    from gpen_webui.logs import log_to_file

    root = settings.outputs.absolute() / HIDDEN / "workers" / safe_name(options.name)
    folder = WorkFolder(root)
    try:
        log_to_file(root, settings.log_level, settings.log_format)
        worker = Worker(options, settings, folder, _say)
        return _test(worker) if is_test else _until_stopped(worker)
    finally:
        folder.close()


def _test(worker: Worker) -> int:
    for name in END_SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_DFL)
    worker.test()
    _say("All is well: this machine can restore photos for that server.")
    return EXIT_OK


def _until_stopped(worker: Worker) -> int:
    """The worker runs in a thread of its own; this one only waits for signals."""
    asked = 0
    outcome: list[int | BaseException] = []

    def answer(number: int, frame: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            if in_progress := worker.in_progress:
                what = "1 photo" if in_progress == 1 else f"{in_progress} photos"
                _say(f"Finishing {what}, then leaving; once more gives them back.")
            worker.stop()
        elif asked == 2:
            worker.give_up()

    def run() -> None:
        try:
            outcome.append(worker.run())
        except BaseException as error:  # raised again in the main thread
            outcome.append(error)

    for name in END_SIGNALS:
        if (number := getattr(signal, name, None)) and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, answer)
    thread = Thread(target=run, name="worker")
    thread.start()
    while thread.is_alive():
        thread.join(LOOK_SECONDS)
    [result] = outcome
    if isinstance(result, BaseException):
        raise result
    _say(f"Left after {result} photo{'' if result == 1 else 's'}.")
    return EXIT_INTERRUPTED if asked > 1 else EXIT_OK


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal was closed
        print(line, flush=True)
