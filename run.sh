#!/usr/bin/env bash
# GPEN WebUI: finds a Python and hands over to it. `gpen_webui/launcher` sets up `.venv` on first use.
set -euo pipefail

# The full stop keeps a folder's name whole that ends with a line break.
SELF=$({ readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || printf '%s\n' "${BASH_SOURCE[0]}"; } && echo .)
SELF=${SELF%??}
[[ $SELF == */* ]] || SELF=./$SELF
ROOT=${SELF%/*}

for python in "$ROOT/.venv/bin/python" "${PYTHON:-}" python3.11 python3.12 python3.13 python3.14 python3; do
    if "$python" -ISc 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
        exec "$python" -IS "$ROOT/gpen_webui/launcher/__main__.py" "$@"
    fi
done
echo "Python 3.11 to 3.14 is missing; install it (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python) and start again." >&2
exit 3
