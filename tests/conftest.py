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
# The files whose tests take longest: these are begun first, or else one process would still be at
# them while the others have nothing left to do. Others follow by the number of their tests.
LONGEST = """
    test_cli_restore test_cli_folders test_browser_everywhere test_training_run test_web_server
    test_browser_album test_hostile_files test_death_originals test_attack_floods test_web_signals
    test_browser_tools test_cluster_worker test_engine_openvino test_browser_models test_load
    test_browser_faces test_browser_photo test_browser_settings test_cluster_faults
    test_random_calls test_engine_fast test_onnx_import test_photo_decoder_pool test_web_token
    test_web_models test_hostile_album test_poison test_disk test_model test_death_cli
    test_death_server test_browser_album_photos test_browser_proxy test_cluster_real
    test_cluster_many test_catalog test_web_jobs test_pipeline test_cli_aligned test_faces_detect
    test_web_start test_privacy test_training_likely_person test_training_feature_losses
    test_attack_requests test_jobs_conformance_faults test_cluster_wakeups test_bench
    test_training_prepare
""".split()
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
    begin = {name: place for place, name in enumerate(LONGEST)}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (begin.get(item.path.stem, len(begin)), -tests[item.path]))
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
