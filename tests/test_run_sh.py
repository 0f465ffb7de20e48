"""`run.sh` sets up once, completely or not at all, and says in one sentence what is missing.

The script and the launcher themselves run, in a folder of their own; only pip, venv, the disk and
PyTorch's index are played, so that nothing is fetched and every fault can be had.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.played_clone import NVIDIA_PLAN, Clone

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a Unix shell")


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Clone:
    return Clone(project, tmp_path)


def test_help_needs_no_set_up(clone: Clone):
    for word in ("--help", "-h", "help"):
        done = clone.run(word)
        assert done.returncode == 0
        assert "./run.sh restore PHOTO_OR_FOLDER" in done.stdout
    assert not (clone.root / ".venv").exists()


def test_help_lists_every_command(clone: Clone):
    listed = clone.run("--help").stdout
    for command in ("serve", "restore", "models", "bench", "train", "test", "lock"):
        assert f"./run.sh {command} " in listed


def test_the_first_start_sets_up_says_so_and_then_does_what_was_asked(clone: Clone):
    done = clone.run("restore", "my photo.jpg")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"started: {clone.root}/app.py restore my photo.jpg\n"
    assert "about 350 MB" in done.stderr
    assert done.stderr.endswith("Ready.\n")
    plan, libraries, torch = clone.pip_calls()
    assert "--dry-run" in plan
    assert "--no-deps --require-hashes" in libraries
    assert "flask==" in libraries
    assert "torch==" not in libraries
    assert "nvidia" not in libraries
    assert "--no-deps torch==2.13.0" in torch


@pytest.mark.parametrize(
    "words",
    [("serve", "--cluster", "redis://localhost"), ("--cluster=redis://studio",), ("worker",)],
)
def test_what_several_machines_need_is_fetched_once(clone: Clone, words: tuple[str, ...]):
    clone.run("serve", "--cluster", "none")
    before = clone.pip_calls()
    assert "celery==" not in "".join(before)
    assert "done once" in clone.run(*words).stderr
    [fetched] = clone.pip_calls()[len(before) :]
    assert "celery==" in fetched
    assert "done once" not in clone.run(*words).stderr


def test_later_starts_fetch_nothing_and_load_nothing_for_it(clone: Clone):
    clone.run("models", "list")
    before = clone.pip_calls()
    (clone.root / "gpen_webui" / "launcher" / "libraries.py").unlink()
    (clone.root / "gpen_webui" / "launcher" / "set_up.py").unlink()
    done = clone.run("models", "list")
    assert done.stdout == f"started: {clone.root}/app.py models list\n"
    assert (done.stderr, clone.pip_calls()) == ("", before)


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
    clone.fault(where)
    done = clone.run("restore", "x.jpg")
    assert done.returncode == 3
    assert "could not be fetched; check the network connection" in done.stderr
    assert "started" not in done.stdout
    (clone.root / ".venv" / "half-done").write_text("")

    clone.fault("")
    assert clone.run("restore", "x.jpg").returncode == 0
    assert not (clone.root / ".venv" / "half-done").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_set_up_that_was_stopped_starts_over(clone: Clone, how: signal.Signals):
    clone.fault("slow")
    process = clone.start("models")
    clone.wait_for_slow_pip(process)
    os.killpg(process.pid, how)
    process.wait(60)
    assert not list((clone.root / ".venv").glob(".installed-*"))
    (clone.root / ".venv" / "half-done").write_text("")

    clone.fault("")
    done = clone.run("models")
    assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert not (clone.root / ".venv" / "half-done").exists()


def test_what_a_killed_set_up_has_started_ends_before_the_next_begins(clone: Clone):
    """pip alone lives on for a moment; two of them in one folder would harm each other."""
    clone.fault("slow")
    process = clone.start("models")
    clone.wait_for_slow_pip(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    clone.fault("")
    second = clone.start("models")
    said = clone.let_slow_pip_go_on_when_waited_for(second)
    assert said.startswith("Waiting for the set-up that is under way")
    assert second.communicate(timeout=60)[0] == f"started: {clone.root}/app.py models\n"


def test_two_first_starts_at_once_set_up_once(clone: Clone):
    clone.fault("slow")
    first = clone.start("models")
    clone.wait_for_slow_pip(first)
    second = clone.start("models")
    said = clone.let_slow_pip_go_on_when_waited_for(second)
    assert said.startswith("Waiting for the set-up that is under way")
    for process in (first, second):
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(clone.pip_calls()) == 3


def test_new_requirements_are_installed_at_the_next_start(clone: Clone):
    clone.run("models")
    with open(clone.root / "requirements.txt", "a") as file:
        file.write("another==1.0\n")
    done = clone.run("models")
    assert done.returncode == 0
    assert len(clone.pip_calls()) == 6


@pytest.mark.parametrize("stale", ["pid of another process", "no pid"])
def test_a_lock_that_an_older_version_left_holds_nobody_up(clone: Clone, stale: str):
    (clone.root / ".venv.lock").mkdir()
    if stale != "no pid":
        (clone.root / ".venv.lock" / "pid").write_text("1")  # lives as long as the machine
    done = clone.run("models")
    assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert "Waiting" not in done.stderr


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Clone):
    clone.run("models")
    python = clone.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python3.nn")
    done = clone.run("models")
    assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert "Setting up" in done.stderr
    assert clone.run("models").stderr == ""


def test_an_environment_of_another_version_of_python_is_made_anew(clone: Clone):
    """The system's python3 was upgraded: the link still works, what is installed does not."""
    clone.run("models")
    mark = clone.root / ".venv" / ".installed-requirements.txt"
    mark.write_text(mark.read_text().replace(f"3.{sys.version_info[1]}", "3.10", 1))
    (clone.root / ".venv" / "old").write_text("")
    done = clone.run("models")
    assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert not (clone.root / ".venv" / "old").exists()


def test_an_environment_that_is_a_link_to_somebody_elses_is_left_as_it_is(clone: Clone):
    other = clone.root.parent / "other"
    other.mkdir()
    (other / "theirs").write_text("")
    (clone.root / ".venv").symlink_to(other)
    assert clone.run("models").returncode == 0
    assert [path.name for path in other.iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    "name", ['it\'s "q" $HOME `x`', "-dash", "new\nline", "trailing\n", "中 *[x]?"]
)
def test_it_works_in_folders_with_odd_names(clone: Clone, name: str):
    clone.root = clone.root.rename(clone.root.parent / name)
    for _ in range(2):
        done = clone.run("models")
        assert done.stdout == f"started: {clone.root}/app.py models\n"
    assert (clone.root / ".venv").is_dir()


def test_checks_run_before_the_tests_and_bring_their_own_needs_once(clone: Clone):
    for _ in range(2):
        done = clone.run("test", "--slow", "-x")
    *checks, tests = done.stdout.splitlines()
    assert checks == [
        "started: -m ruff check --quiet",
        "started: -m ruff format --check --quiet",
        "started: -m mypy",
    ]
    assert tests.startswith("started: -m pytest --numprocesses ")
    assert tests.endswith(" --slow -x")
    assert "JavaScript is not checked: Node.js" in done.stderr
    extra = [call for call in clone.pip_calls() if "hypothesis==" in call]
    assert len(extra) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_ctrl_c_reaches_the_tests(clone: Clone):
    """The program takes back that it is held back; pytest would not."""
    clone.run("test")
    done = clone.run("test", "blocked-signals")
    assert done.stdout.splitlines()[-1].split() == ["SigBlk:", "0000000000000000"]


def test_tests_do_not_start_where_a_check_fails(clone: Clone):
    clone.fault("lint")
    done = clone.run("test")
    assert done.returncode == 1
    assert "pytest" not in done.stdout


def test_ctrl_c_from_before_the_program_could_answer_ends_it_quietly(project: Path):
    """run.sh keeps it back until then."""

    def as_run_sh_does() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    done = subprocess.run(
        [sys.executable, project / "app.py", "models", "list"],
        capture_output=True,
        text=True,
        preexec_fn=as_run_sh_does,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_missing_python_is_a_sentence_with_the_remedy(clone: Clone):
    (clone.tools / "python3.11").unlink()
    done = clone.run("models")
    assert done.returncode == 3
    assert done.stderr.startswith("Python 3.11 to 3.14 is missing; install it")
    assert done.stderr.count("\n") == 1
    assert not (clone.root / ".venv.lock").exists()


def test_a_python_that_is_too_old_is_as_good_as_none(clone: Clone):
    clone.fault("old")
    assert clone.run("models").stderr.startswith("Python 3.11 to 3.14 is missing")


def test_a_missing_venv_module_is_a_sentence_with_the_remedy(clone: Clone):
    clone.fault("venv")
    done = clone.run("models")
    assert done.returncode == 3
    assert "Python's venv module is missing" in done.stderr
    assert not (clone.root / ".venv").exists()


def test_a_full_disk_is_a_sentence_before_anything_is_fetched(clone: Clone):
    clone.fault("disk")
    done = clone.run("models")
    assert done.returncode == 3
    assert "has only 200 MB free; make room for 3000 MB" in done.stderr
    assert clone.pip_calls() == []


def test_pytorchs_small_build_is_taken_where_its_index_answers(clone: Clone):
    clone.fault("index")
    assert clone.run("models").returncode == 0
    assert "--index-url https://download.pytorch.org/whl/cpu" in clone.pip_calls()[-1]


def test_gigabytes_of_cuda_are_never_fetched_without_an_nvidia_gpu(clone: Clone):
    (clone.tools / "plan").write_text(json.dumps(NVIDIA_PLAN))
    done = clone.run("models")
    assert done.returncode == 3
    assert "several GB; try again when the network reaches it" in done.stderr
    assert all("--dry-run" in call for call in clone.pip_calls())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one build of PyTorch")
def test_with_an_nvidia_gpu_the_build_for_it_is_taken_and_its_size_said(clone: Clone):
    clone.add_tool("nvidia-smi", "#!/bin/bash\necho GPU 0: Tesla\n")
    done = clone.run("models")
    assert done.returncode == 0
    assert "PyTorch for your NVIDIA GPU" in done.stderr
    _, torch = clone.pip_calls()
    assert "--require-hashes" in torch
    assert "nvidia-cublas== " in torch
