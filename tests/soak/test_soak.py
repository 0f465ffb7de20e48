"""Over thousands of photos the server takes no more than at the beginning."""

import json
import sys
from pathlib import Path

import pytest

from tests.soak.soak import WARM, figures, growth, soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to measure")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_threads_and_files_stay_flat_over_two_thousand_photos(tmp_path: Path, capsys):
    samples, job = soak(tmp_path / "outputs", 2000)
    with capsys.disabled():
        print("\n" + json.dumps(figures(samples, job), indent=2))
    assert job["counts"]["done"] == 2000
    assert growth(samples, "memory") <= 0.05
    warm = [sample for sample in samples if sample.photos >= WARM]
    for quantity in ("threads", "files"):
        values = [getattr(sample, quantity) for sample in warm]
        assert max(values) - min(values) <= 4, quantity
