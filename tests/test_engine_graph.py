"""The forms in which the graph computes a convolution: faster, but the same numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gpen_webui.bench.reference_form import to_reference_form
from gpen_webui.engines.openvino.core import CORE
from gpen_webui.gpen.network import GPEN, NetworkConfig

pytest.importorskip("openvino")

import openvino as ov

from gpen_webui.engines.openvino.bfloat16 import share_bfloat16_weights
from gpen_webui.engines.openvino.graph import build_model
from gpen_webui.engines.openvino.winograd import winograd_pays


class Convolution(nn.Module):
    def __init__(self, outputs: int, inputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / (3 * inputs**0.5))

    def forward(self, x):
        return F.conv2d(x, self.weight, padding=1)


class UpsamplingConvolution(Convolution):
    def forward(self, x):
        x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
        kernel = torch.ones(self.weight.shape[0], 1, 4, 4)
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, groups=self.weight.shape[0])


def results(network: nn.Module, shape: tuple[int, ...], **form) -> tuple[np.ndarray, np.ndarray]:
    x = torch.rand(shape) * 2 - 1
    compiled = CORE.compile_model(
        build_model(network, shape, **form), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    with torch.inference_mode():
        return compiled([x.numpy()])[0], network(x).numpy()


@pytest.mark.parametrize(("height", "width"), [(32, 36), (64, 64)])
def test_winograd_in_one_band_and_in_many_gives_the_convolution(height, width, monkeypatch):
    shape = (1, 48, height, width)
    assert winograd_pays(shape, (64, 48, 3, 3))
    for band_bytes in (10 << 20, 1 << 20):
        monkeypatch.setattr("gpen_webui.engines.openvino.winograd.BAND_BYTES", band_bytes)
        restored, expected = results(Convolution(64, 48), shape)
        assert abs(restored - expected).max() < 1e-4 * expected.std()


def test_all_bands_share_one_rounded_copy_of_the_weights(monkeypatch):
    monkeypatch.setattr("gpen_webui.engines.openvino.winograd.BAND_BYTES", 1 << 20)
    network = Convolution(64, 48)
    graph = build_model(network, (1, 48, 64, 64))
    shared = share_bfloat16_weights(graph)
    rounded = [node for node in shared.get_ops() if node.get_output_element_type(0) == ov.Type.bf16]
    assert len(rounded) == 1
    assert ov.Type.bf16 not in {node.get_output_element_type(0) for node in graph.get_ops()}
    (conversion,) = rounded[0].output(0).get_target_inputs()
    kernels = next(
        node.data
        for node in graph.get_ops()
        if node.get_type_name() == "Constant"
        and node.get_output_shape(0) == rounded[0].get_output_shape(0)
    )
    expected = torch.from_numpy(kernels.copy()).to(torch.bfloat16).view(torch.int16).numpy()
    assert (rounded[0].data.view(np.int16) == expected).all()
    assert len(conversion.get_node().output(0).get_target_inputs()) > 1


@pytest.mark.parametrize("weight", [(32, 48, 3, 3), (64, 48, 1, 1)])
def test_winograd_is_left_alone_where_it_does_not_pay(weight):
    assert not winograd_pays((1, 48, 64, 64), weight)
    assert not winograd_pays((1, 48, 30, 30), (64, 48, 3, 3))


def test_up_sampling_by_rows_gives_the_transposed_convolution():
    network = UpsamplingConvolution(8, 6)
    restored, expected = results(network, (1, 6, 10, 12), direct=True)
    assert restored.shape == expected.shape == (1, 8, 20, 24)
    assert abs(restored - expected).max() < 1e-5 * expected.std()


def test_up_sampling_in_bands_gives_the_same_bytes_as_at_once(monkeypatch):
    network, shape = UpsamplingConvolution(24, 16), (1, 16, 13, 10)
    made = []
    for band_bytes in (1 << 30, 2000, 1):
        monkeypatch.setattr("gpen_webui.engines.openvino.graph.UPSAMPLED_BYTES", band_bytes)
        torch.manual_seed(1)
        restored, expected = results(network, shape)
        assert abs(restored - expected).max() < 1e-4 * expected.std()
        made.append(restored)
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()


def test_each_levels_colours_are_made_before_the_next_levels_features():
    """What waits for the end keeps its feature maps until then: a third of the network's memory."""
    graph = build_model(GPEN(NetworkConfig(32, channel_multiplier=1, narrow=0.1)), (1, 3, 32, 32))
    sides = [
        node.get_output_shape(0)[2]
        for node in graph.get_ordered_ops()
        if node.get_type_name() == "GroupConvolutionBackpropData"
        or (node.get_type_name() == "GroupConvolution" and node.get_output_shape(0)[1] != 3)
    ]
    decoded = sides[sides.index(8) :]
    assert decoded == sorted(decoded), "colours and features, from the smallest level upwards"


def test_the_reference_form_gives_the_same_numbers():
    torch.manual_seed(0)
    network = GPEN(NetworkConfig(64, channel_multiplier=1, narrow=0.125))
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.5)
    crops = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        expected = network(crops)
        restored = to_reference_form(network)(crops)
    assert abs(restored - expected).max() < 1e-4 * expected.std()
