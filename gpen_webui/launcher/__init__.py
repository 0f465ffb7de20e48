"""What run.sh and run.bat share: sets up `.venv` on first use, then starts what is asked for.

Any Python from 3.11 on runs it. Nothing but the standard library is used, since nothing else is
there yet.
"""

import os
import sys

PROGRAM = "run.bat" if os.name == "nt" else "./run.sh"


class SetUpError(Exception):
    """The set-up cannot go on; the sentence says why and what to do."""


def say(sentence: str) -> None:
    """Tell the user, apart from what the command itself prints."""
    print(sentence, file=sys.stderr, flush=True)
