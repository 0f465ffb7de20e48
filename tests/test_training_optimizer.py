"""The optimizer of `train run`: every weight moves, rare directions as far as frequent ones."""

import torch

from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.training.optimizer import Optimizer


def test_one_step_moves_every_weight_of_the_network_whatever_its_memory_order():
    torch.manual_seed(0)
    network = GPEN(NetworkConfig(size=32, narrow=0.0625))
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    result = network(torch.rand(2, 3, 32, 32))
    Optimizer(network).step((result - 1).square().mean(), learning_rate=1e-3)
    still = [n for n, p in network.named_parameters() if torch.equal(p, before[n])]
    assert not still


def test_a_rare_direction_of_a_convolution_is_learned_as_fast_as_a_frequent_one():
    """Two patterns, one 1,000 times as strong in the gradient: both come within a few steps."""
    convolution = torch.nn.Conv2d(32, 32, 1)
    torch.nn.init.zeros_(convolution.weight)
    strengths = torch.zeros(32)
    strengths[:2] = torch.tensor((1.0, 1e-3))
    optimizer = Optimizer(convolution)
    for _ in range(5):
        optimizer.step(-(convolution.weight[:, :, 0, 0].diag() * strengths).sum(), 1e-2)
    frequent, rare = convolution.weight[:, :, 0, 0].diag()[:2].tolist()
    assert frequent > 0
    assert rare > 0.5 * frequent
