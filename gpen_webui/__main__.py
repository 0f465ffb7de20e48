"""`python -m gpen_webui COMMAND ...`, and the command `gpen-webui` of an installed package."""

from __future__ import annotations

import atexit
import os
import signal
import sys


def main() -> int:
    """Run one command; the exit code. Ctrl-C ends it without a traceback from the first moment."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # so it is in a shell's background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to tidy up yet
    if hasattr(signal, "pthread_sigmask"):  # run.sh has kept it back until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    from gpen_webui import cli

    code = cli.main(sys.argv[1:])
    if sys.argv[1:2] == ["restore"]:
        end_at_once(code)
    return code


def end_at_once(code: int) -> None:
    """End the process without taking apart networks and libraries, which the system does sooner: a
    twentieth of the time that one photo takes. Returns where the output cannot be written."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    atexit._run_exitfuncs()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
