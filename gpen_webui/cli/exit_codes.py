"""The exit codes of every command, as the README promises them."""

EXIT_OK = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2  # it could not begin or go on, and one sentence says why
EXIT_INTERRUPTED = 130  # 128 + SIGINT
