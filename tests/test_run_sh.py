"""`run.sh` sets up once, completely or not at all, and says in one sentence what is missing.

The script itself is run, in a folder of its own; only Python (with its pip), nvidia-smi and df
are played by small scripts, so that nothing is fetched and every trouble can be had.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a Unix shell")

# Stands in for any Python: makes environments of itself, notes what pip is asked for, and
# fails where the file `trouble` beside it says so.
FAKE_PYTHON = r"""#!/bin/bash
here={here}
trouble=$(cat "$here/trouble" 2>/dev/null)
case "$1 $2" in
    "--version ") echo "Python 3.11.9" ;;
    "-m venv")
        [ "$trouble" = venv ] && exit 1
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip")
        echo "pip $*" >>"$here/calls"
        case "$*" in
            *--dry-run*) cat "$here/plan" 2>/dev/null || true ;;
            *torch==*) [ "$trouble" != torch ] ;;
            *"-r "*)
                [ "$trouble" = slow ] && sleep 3
                [ "$trouble" != libraries ] ;;
        esac ;;
    "-c import sys"*) [ "$trouble" != old ] ;;
    "-c import urllib"*) [ "$trouble" = index ] ;;
    *) echo "started: $*" ;;
esac
"""
TOOLS = "bash cksum readlink dirname awk df mkdir rm cat grep uname sleep ls cp head env".split()


class Clone:
    """A folder with run.sh and what it reads, and a PATH on which only the fakes are."""

    def __init__(self, project: Path, folder: Path):
        self.root, self.tools = folder / "clone with spaces", folder / "tools"
        self.root.mkdir()
        self.tools.mkdir()
        for name in ("run.sh", "requirements.txt", "requirements-test.txt"):
            shutil.copy(project / name, self.root / name)
        for tool in TOOLS:
            (self.tools / tool).symlink_to(shutil.which(tool))
        self.add_tool("python3.11", FAKE_PYTHON.format(here=self.tools))

    def add_tool(self, name: str, text: str) -> None:
        path = self.tools / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def trouble(self, kind: str) -> None:
        (self.tools / "trouble").write_text(kind)

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

    def run(self, *arguments: str, **how) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **how)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Clone:
    return Clone(project, tmp_path)


def test_help_needs_no_set_up_and_no_python(clone: Clone):
    (clone.tools / "python3.11").unlink()
    for word in ("--help", "-h", "help"):
        done = clone.run(word)
        assert done.returncode == 0
        assert "./run.sh restore PHOTO_OR_FOLDER" in done.stdout
    assert not (clone.root / ".venv").exists()


def test_the_first_start_sets_up_says_so_and_then_does_what_was_asked(clone: Clone):
    done = clone.run("restore", "my photo.jpg")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"started: {clone.root}/app.py restore my photo.jpg\n"
    assert "about 350 MB" in done.stderr
    assert done.stderr.endswith("Ready.\n")
    assert len(clone.pip_calls()) == 3  # what PyTorch would bring, PyTorch, the others


def test_later_starts_fetch_nothing_and_take_no_time(clone: Clone):
    clone.run("models", "list")
    before = clone.pip_calls()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = clone.run("models", "list")
        seconds.append(time.perf_counter() - started)
    assert (done.stderr, clone.pip_calls()) == ("", before)
    assert min(seconds) < 1


def test_it_works_from_any_folder_and_through_links(clone: Clone, tmp_path: Path):
    link, second = tmp_path / "gpen", tmp_path / "second"
    link.symlink_to(clone.root / "run.sh")
    second.symlink_to("gpen")
    for script in (link, second):
        done = clone.run("models", script=script, cwd=tmp_path)
        assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert (clone.root / ".venv").is_dir()
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("where", ["torch", "libraries"])
def test_a_set_up_that_failed_says_so_in_a_sentence_and_starts_over(clone: Clone, where: str):
    clone.trouble(where)
    done = clone.run("restore", "x.jpg")
    assert done.returncode == 3
    assert "could not be fetched; check the network connection" in done.stderr
    assert "started" not in done.stdout
    (clone.root / ".venv" / "half-done").write_text("")

    clone.trouble("")
    assert clone.run("restore", "x.jpg").returncode == 0
    assert not (clone.root / ".venv" / "half-done").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_set_up_that_was_stopped_starts_over(clone: Clone, how: signal.Signals):
    clone.trouble("slow")
    process = clone.start("models")
    while len(clone.pip_calls()) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, how)
    process.wait(10)
    assert not list((clone.root / ".venv").glob(".installed-*"))
    (clone.root / ".venv" / "half-done").write_text("")

    clone.trouble("")
    done = clone.run("models")
    assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert not (clone.root / ".venv" / "half-done").exists()
    assert not (clone.root / ".venv.lock").exists()


def test_two_first_starts_at_once_set_up_once(clone: Clone):
    clone.trouble("slow")
    first = clone.start("models")
    while len(clone.pip_calls()) < 3 and first.poll() is None:
        time.sleep(0.02)
    second = clone.run("models")
    first.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(clone.pip_calls()) == 3
    assert "Waiting for the set-up that is under way" in second.stderr


def test_new_requirements_are_installed_at_the_next_start(clone: Clone):
    clone.run("models")
    with open(clone.root / "requirements.txt", "a") as file:
        file.write("another==1.0\n")
    done = clone.run("models")
    assert done.returncode == 0
    assert len(clone.pip_calls()) == 6


def test_tests_bring_their_own_needs_once_and_take_arguments(clone: Clone):
    for _ in range(2):
        done = clone.run("test", "--slow", "-x")
    assert done.stdout == "started: -m pytest --slow -x\n"
    extra = [call for call in clone.pip_calls() if "requirements-test.txt" in call]
    assert len(extra) == 1


def test_a_missing_python_is_a_sentence_with_the_remedy(clone: Clone):
    (clone.tools / "python3.11").unlink()
    done = clone.run("models")
    assert done.returncode == 3
    assert done.stderr.startswith("Python 3.11 to 3.14 is missing; install it")
    assert done.stderr.count("\n") == 1
    assert not (clone.root / ".venv.lock").exists()


def test_a_python_that_is_too_old_is_as_good_as_none(clone: Clone):
    clone.trouble("old")
    assert clone.run("models").stderr.startswith("Python 3.11 to 3.14 is missing")


def test_a_missing_venv_module_is_a_sentence_with_the_remedy(clone: Clone):
    clone.trouble("venv")
    done = clone.run("models")
    assert done.returncode == 3
    assert "Python's venv module is missing" in done.stderr
    assert not (clone.root / ".venv").exists()


def test_a_full_disk_is_a_sentence_before_anything_is_fetched(clone: Clone):
    clone.add_tool("df", "#!/bin/bash\necho Filesystem\necho /dev/sda1 9 9 204800 99% /\n")
    done = clone.run("models")
    assert done.returncode == 3
    assert "has only 200 MB free; make room for 3000 MB" in done.stderr
    assert clone.pip_calls() == []


def test_pytorchs_small_build_is_taken_where_its_index_answers(clone: Clone):
    clone.trouble("index")
    assert clone.run("models").returncode == 0
    assert "--index-url https://download.pytorch.org/whl/cpu" in clone.pip_calls()[0]


def test_gigabytes_of_cuda_are_never_fetched_without_an_nvidia_gpu(clone: Clone):
    (clone.tools / "plan").write_text('{"name": "nvidia-cublas"}')
    done = clone.run("models")
    assert done.returncode == 3
    assert "several GB; try again when the network reaches it" in done.stderr
    assert all("--dry-run" in call for call in clone.pip_calls())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one build of PyTorch")
def test_with_an_nvidia_gpu_the_build_for_it_is_taken_and_its_size_said(clone: Clone):
    clone.add_tool("nvidia-smi", "#!/bin/bash\necho GPU 0: Tesla\n")
    done = clone.run("models")
    if done.returncode == 3:
        assert "make room for 12000 MB" in done.stderr
        return
    assert "PyTorch for your NVIDIA GPU" in done.stderr
    assert not any("--dry-run" in call for call in clone.pip_calls())
