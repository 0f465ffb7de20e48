"""Muon: PyTorch's to the bit where both use bfloat16, and as good in float32."""

import pytest
import torch

from gpen_webui.training.muon import Muon, orthogonal


def test_steps_in_bfloat16_are_those_of_pytorchs_muon():
    torch.manual_seed(0)
    weights = [torch.randn(24, 90), torch.randn(60, 16)]
    ours, theirs = ([torch.nn.Parameter(w.clone()) for w in weights] for _ in range(2))
    optimizers = (
        Muon(ours, momentum=0.95, precision=torch.bfloat16),
        torch.optim.Muon(theirs, momentum=0.95, weight_decay=0, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for our, their in zip(ours, theirs, strict=True):
            our.grad = torch.randn_like(our)
            their.grad = our.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for our, their, start in zip(ours, theirs, weights, strict=True):
        assert torch.equal(our, their)
        assert not torch.equal(our, start)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_all_directions_come_out_alike_however_unlike_they_were(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_a_matrix_of_zeros_stays_one():
    assert not orthogonal(torch.zeros(4, 8)).any()
