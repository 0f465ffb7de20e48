"""What every test may use: where the project lies, and ground truth that only developers have."""

import os
import random
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

# Before NumPy and PyTorch are loaded: the threads of one test would wait for cores that another
# has, which takes many times longer than doing without them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import pytest

import gpen_webui  # noqa: F401 - first: it keeps OpenVINO, which tests import, from reporting

# Else each of hundreds of processes compiles the program anew, and pytest the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in its background has them ignore Ctrl-C, and what they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

with suppress(ImportError):  # it comes with the extra “test”
    from hypothesis import HealthCheck, settings

    # The same examples each time, however slow the machine is.
    slowness = [HealthCheck.too_slow]
    settings.register_profile(
        "steady", deadline=None, derandomize=True, suppress_health_check=slowness
    )
    settings.load_profile("steady")

PROJECT = Path(__file__).resolve().parent.parent
FIGURES: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def same_chance() -> None:
    """Chance is the same in each run of a test, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout's root."""
    return PROJECT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference vectors, real photos and faces, which lie beside the checkout, not in it."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` beside the checkout")
    return folder


@pytest.fixture(scope="session")
def figures() -> Counter[str]:
    """Count what was survived under a name; printed when all tests have ended."""
    return FIGURES


@pytest.fixture
def face() -> np.ndarray:
    """A real face, (128,128,3) float32 levels: for the tests of what training does to one."""
    photo = cv2.imread(str(PROJECT / "tests" / "data" / "astronaut.jpg"))[:, :, ::-1]
    return cv2.resize(photo[0:256, 100:356], (128, 128)).astype(np.float32)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


# Each of several processes that run tests hands its figures to the one that reports.


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = dict(FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    FIGURES.update(getattr(node, "workeroutput", {}).get("figures", {}))


def pytest_terminal_summary(terminalreporter) -> None:
    for name, count in sorted(FIGURES.items()):
        terminalreporter.write_line(f"{name}: {count}")
