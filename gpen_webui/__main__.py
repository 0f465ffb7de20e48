"""`python -m gpen_webui COMMAND ...`, and the command `gpen-webui` of an installed package."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run one command; the exit code. Ctrl-C ends it without a traceback from the first moment."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # so it is in a shell's background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to tidy up yet
    if hasattr(signal, "pthread_sigmask"):  # run.sh has kept it back until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    from gpen_webui import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
