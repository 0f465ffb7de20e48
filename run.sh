#!/usr/bin/env bash
# GPEN WebUI: sets up its own Python environment on first use, then starts what you ask for.
set -euo pipefail

ROOT="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || echo "${BASH_SOURCE[0]}")")" && pwd)"
VENV="$ROOT/.venv"
TORCH_CPU_INDEX="https://download.pytorch.org/whl/cpu"
NEEDED_DISK_MB=3000

usage() {
    cat <<'HELP'
GPEN WebUI restores faces in portraits, on your own machine.

  ./run.sh                          serve the web page and open the browser
  ./run.sh restore PHOTO_OR_FOLDER  restore photos without a browser
  ./run.sh models list              the models: installed, available, their licences
  ./run.sh bench                    measure this machine
  ./run.sh train                    train your own model
  ./run.sh test [--slow]            run the tests

Each command has its own --help, for example: ./run.sh restore --help
HELP
}

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 3; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    stop "Python 3.11 to 3.14 is missing; install it (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python) and start again."
}

check_disk() {
    local free_kb
    free_kb=$(df -Pk "$ROOT" | awk 'NR == 2 { print $4 }')
    if [ "$free_kb" -lt $((NEEDED_DISK_MB * 1024)) ]; then
        stop "The disk that holds $ROOT has only $((free_kb / 1024)) MB free; make room for $NEEDED_DISK_MB MB and start again."
    fi
}

# What a finished set-up leaves behind: it is valid for exactly these requirements.
fingerprint() { cksum <"$ROOT/$1"; }
is_installed() { [ "$(cat "$VENV/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check --quiet --no-input "$@"; }

# Torch's default Linux build brings gigabytes of CUDA, useless without an NVIDIA GPU.
install_torch() {
    local torch
    torch=$(grep '^torch==' "$ROOT/requirements.txt")
    if [ "$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then
        if "$VENV/bin/python" -c "import urllib.request as u; u.urlopen('$TORCH_CPU_INDEX/torch/', timeout=5)" 2>/dev/null; then
            pip install "$torch" --index-url "$TORCH_CPU_INDEX" && return
        fi
        local plan
        plan=$(pip install --dry-run --report - "$torch") || return 1
        if grep -q '"name": "nvidia-' <<<"$plan"; then
            stop "$TORCH_CPU_INDEX does not answer, and the other source has only PyTorch's build for NVIDIA GPUs, several GB; try again when the network reaches it."
        fi
    fi
    pip install "$torch"
}

release_setup_lock() { rm -rf "$ROOT/.venv.lock"; }

# One set-up at a time: a second start waits for the first, unless that one has died.
take_setup_lock() {
    until mkdir "$ROOT/.venv.lock" 2>/dev/null; do
        local owner
        owner=$(cat "$ROOT/.venv.lock/pid" 2>/dev/null || true)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
            release_setup_lock
        else
            sleep 1
        fi
    done
    echo $$ >"$ROOT/.venv.lock/pid"
    trap release_setup_lock EXIT
}

set_up() {
    local python
    take_setup_lock
    if is_installed requirements.txt; then
        release_setup_lock
        return
    fi
    python=$(find_python)
    check_disk
    say "First start: setting up $VENV with $("$python" --version) (fetches about 450 MB, takes a few minutes; done once)."
    # Without its mark the folder is what an interrupted set-up left: start over.
    ls "$VENV"/.installed-* >/dev/null 2>&1 || rm -rf "$VENV"
    if [ ! -x "$VENV/bin/python" ]; then
        "$python" -m venv "$VENV" 2>/dev/null || {
            rm -rf "$VENV"
            stop "Python's venv module is missing; install it (Debian, Ubuntu: sudo apt install python3-venv) and start again."
        }
    fi
    rm -f "$VENV"/.installed-*
    say "  1/2 PyTorch ..."
    install_torch || stop "PyTorch could not be fetched; check the network connection and start again: the set-up begins anew."
    say "  2/2 the other libraries ..."
    pip install -r "$ROOT/requirements.txt" || stop "The libraries could not be fetched; check the network connection and start again: the set-up begins anew."
    fingerprint requirements.txt >"$VENV/.installed-requirements.txt"
    release_setup_lock
    trap - EXIT
    say "Ready."
}

# The tests, the benchmark and the training need a little more than the product.
set_up_extra() {
    local file="requirements-$1.txt"
    is_installed "$file" && return
    say "Fetching what \`./run.sh $1\` needs besides (done once) ..."
    pip install -r "$ROOT/$file" || stop "What \`./run.sh $1\` needs could not be fetched; check the network connection and start again."
    fingerprint "$file" >"$VENV/.installed-$file"
}

case "${1:-}" in
    -h | --help | help)
        usage
        exit 0
        ;;
esac

is_installed requirements.txt || set_up

case "${1:-}" in
    test)
        shift
        set_up_extra test
        cd "$ROOT"
        exec "$VENV/bin/python" -m pytest "$@"
        ;;
    bench | train)
        set_up_extra "$1"
        ;;
esac
exec "$VENV/bin/python" "$ROOT/app.py" "$@"
