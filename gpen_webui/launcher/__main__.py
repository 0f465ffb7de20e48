"""`python gpen_webui/launcher/__main__.py COMMAND ...`, as run.sh and run.bat start it."""

import _signal as signal  # the public module takes milliseconds to load, open to Ctrl-C
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it needs no traceback
sys.path.insert(0, __file__.rpartition("gpen_webui")[0])

from gpen_webui.launcher.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
