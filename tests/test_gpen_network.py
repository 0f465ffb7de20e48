"""The network against the reference implementation's own numbers."""

from pathlib import Path

import pytest
import torch

from gpen_webui.gpen.network import GPEN
from tests.reference_case import ReferenceCase

TINY = Path(__file__).parent / "data" / "tiny-64.npz"
TOLERANCE = 1e-4  # of the output's standard deviation


def network_of(case: ReferenceCase) -> GPEN:
    network = GPEN(case.config)
    network.load_state_dict(case.state(), strict=True)
    return network.eval()


def run(network: GPEN, crops) -> torch.Tensor:
    with torch.inference_mode():
        return network(torch.from_numpy(crops))


def test_a_batch_equals_the_reference():
    case = ReferenceCase(TINY)
    assert case.meta["batch"] > 1
    assert case.error_of(run(network_of(case), case.crops()).numpy()) < TOLERANCE


def test_parameter_and_buffer_names_are_the_published_ones():
    case = ReferenceCase(TINY)
    published = {name for name, *_ in case.meta["parameters"] + case.meta["buffers"]}
    assert set(GPEN(case.config).state_dict()) == published


def test_a_face_does_not_depend_on_its_batch():
    case = ReferenceCase(TINY)
    network, crops = network_of(case), case.crops()
    together, alone = run(network, crops), run(network, crops[1:])
    assert (together[1:] - alone).abs().max() < TOLERANCE * case.meta["std"]


@pytest.mark.parametrize(
    "name", ["gpen-bfr-256", pytest.param("gpen-bfr-512", marks=pytest.mark.slow)]
)
def test_published_sizes_equal_the_reference(shared: Path, name: str):
    case = ReferenceCase(shared / "reference" / "network" / f"{name}.npz")
    assert case.error_of(run(network_of(case), case.crops()).numpy()) < TOLERANCE
