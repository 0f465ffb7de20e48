"""A clone of the program in which all that would fetch something is played: see test_run_sh.py."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# Stands in for any Python: makes environments of itself, notes what pip is asked for, and
# fails where the file `fault` beside it says so. The launcher is run by the real one.
FAKE_PYTHON = r"""#!/bin/bash
here={here}
real={real}
fault=$(cat "$here/fault" 2>/dev/null)
case "$1 $2 $3" in
    "-ISc import sys; sys.exit"*) [ "$fault" != old ] ;;
    "-ISc "*) exec "$real" "$@" ;;
    "-IS "*/gpen_webui/launcher/__main__.py*)
        shift
        exec "$real" -ISc "$(cat "$here/prelude.py")" "$0" "$here/python3.11" "$fault" "$@" ;;
    "-I -m venv")
        [ "$fault" = venv ] && {{ echo "No module named ensurepip"; exit 1; }}
        mkdir -p "$4/bin" && cp "$here/python3.11" "$4/bin/python" ;;
    "-I -m pip")
        list=""
        [ "${{*: -2:1}}" = -r ] && list=$(grep -o '^[A-Za-z0-9-]*==' "${{*: -1}}" | tr '\n' ' ')
        echo "pip $* $list" >>"$here/calls"
        case "$*" in
            *--dry-run*) cat "$here/plan" 2>/dev/null || echo '{{"install": []}}' ;;
            *torch==*) [ "$fault" != torch ] ;;
            *"-r "*)
                if [ "$fault" = slow ]; then
                    for _ in {{1..600}}; do [ -e "$here/go" ] && break; sleep 0.1; done
                fi
                [ "$fault" != libraries ] ;;
        esac ;;
    "-m pytest "*)
        case "$*" in
            *" blocked-signals") grep SigBlk /proc/self/status ;;
            *) echo "started: $*" ;;
        esac ;;
    "-m ruff check") echo "started: $*"; [ "$fault" != lint ] ;;
    *) echo "started: $*" ;;
esac
"""
PRELUDE = """
import shutil, sys, urllib.request
sys.executable, sys._base_executable, fault = sys.argv[1:4]
sys.argv = sys.argv[4:]

def urlopen(address, timeout):
    if fault != "index":
        raise OSError("no network in tests")
    return open("/dev/null")

urllib.request.urlopen = urlopen
if fault == "disk":
    shutil.disk_usage = lambda path: shutil._ntuple_diskusage(0, 0, 200 * 2**20)
else:
    shutil.disk_usage = lambda path: shutil._ntuple_diskusage(0, 0, 2**40)
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NVIDIA_PLAN = {"install": [{"metadata": {"name": "nvidia-cublas"}}]}
TOOLS = "bash readlink mkdir cat grep tr cp sleep".split()


class Clone:
    """A folder with run.sh and what it reads, and a PATH on which only the fakes are."""

    def __init__(self, project: Path, folder: Path):
        self.root, self.tools = folder / "clone with spaces", folder / "tools"
        self.root.mkdir()
        self.tools.mkdir()
        package = self.root / "gpen_webui"
        shutil.copytree(project / "gpen_webui" / "launcher", package / "launcher")
        for name in ("__init__.py", "privacy.py", "folders.py"):
            shutil.copy(project / "gpen_webui" / name, package / name)
        for name in ("run.sh", *(path.name for path in project.glob("requirements*.txt"))):
            shutil.copy(project / name, self.root / name)
        for tool in TOOLS:
            (self.tools / tool).symlink_to(shutil.which(tool))
        real = os.path.realpath(sys.executable)
        self.add_tool("python3.11", FAKE_PYTHON.format(here=self.tools, real=real))
        (self.tools / "prelude.py").write_text(PRELUDE)

    def add_tool(self, name: str, text: str) -> None:
        path = self.tools / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def fault(self, kind: str) -> None:
        (self.tools / "fault").write_text(kind)

    def pip_calls(self) -> list[str]:
        calls = self.tools / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def start(self, *arguments: str, script: Path | None = None, cwd: Path | None = None):
        return subprocess.Popen(
            [script or self.root / "run.sh", *arguments],
            cwd=cwd or self.root,
            env={"PATH": str(self.tools), "HOME": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Where the tests themselves run in the background, Ctrl-C would be ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def let_slow_pip_go_on_when_waited_for(self, process: subprocess.Popen) -> str:
        """What the waiting process writes to standard error first."""
        said = process.stderr.readline()
        (self.tools / "go").touch()
        return said

    def wait_for_slow_pip(self, process: subprocess.Popen) -> None:
        while "flask" not in "".join(self.pip_calls()):
            assert process.poll() is None
            time.sleep(0.02)

    def run(self, *arguments: str, **how) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **how)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)
