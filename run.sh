#!/usr/bin/env bash
# GPEN WebUI: sets up its own Python environment on first use, then starts what you ask for.
set -euo pipefail

ROOT="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || echo "${BASH_SOURCE[0]}")")" && pwd)"
VENV="$ROOT/.venv"
TORCH_CPU_INDEX="https://download.pytorch.org/whl/cpu"

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
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    stop "Python 3.11 to 3.14 is missing; install it (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python) and start again."
}

# Whether PyTorch should be the build for NVIDIA GPUs, which brings the whole of CUDA.
wants_cuda() { [ "$(uname -s)" = Linux ] && nvidia-smi -L >/dev/null 2>&1; }

check_disk() {
    local needed_mb=3000 free_mb
    if wants_cuda; then needed_mb=12000; fi
    free_mb=$(df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1024) }')
    if [ "$free_mb" -lt "$needed_mb" ]; then
        stop "The disk that holds $ROOT has only $free_mb MB free; make room for $needed_mb MB and start again."
    fi
}

# What a finished set-up leaves behind: it is valid for exactly these requirements.
fingerprint() { cksum <"$ROOT/$1"; }
is_installed() { [ "$(cat "$VENV/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check -qq --no-input "$@"; }

# On Linux PyTorch's default build is the one for NVIDIA GPUs: gigabytes, useless without one.
install_torch() {
    local torch
    torch=$(grep '^torch==' "$ROOT/requirements.txt")
    if [ "$(uname -s)" = Linux ] && ! wants_cuda; then
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
    local owner waited=0
    [ -w "$ROOT" ] || stop "$ROOT cannot be written; the set-up needs to make .venv there."
    until mkdir "$ROOT/.venv.lock" 2>/dev/null; do
        owner=$(cat "$ROOT/.venv.lock/pid" 2>/dev/null || true)
        if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
            [ $waited -gt 0 ] || say "Waiting for the set-up that is under way (process $owner) ..."
        elif [ -n "$owner" ] || [ $waited -gt 5 ]; then
            release_setup_lock
            continue
        fi
        sleep 1
        waited=$((waited + 1))
    done
    echo $$ >"$ROOT/.venv.lock/pid"
    trap release_setup_lock EXIT
}

set_up() {
    local python fetched="about 350 MB"
    take_setup_lock
    if is_installed requirements.txt; then
        release_setup_lock
        trap - EXIT
        return
    fi
    python=$(find_python)
    check_disk
    if wants_cuda; then fetched="several GB, most of it PyTorch for your NVIDIA GPU"; fi
    say "Setting up $VENV with $("$python" --version) (fetches $fetched, takes a few minutes; done once)."
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
