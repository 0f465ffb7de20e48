"""The network in 8-bit integers, for CPUs: made by NNCF's post-training quantization.

Convolutions with many channels get 8-bit weights (one scale per channel) and activations,
whose ranges are measured on real crops. What is sensitive or small stays in float: the first
layer, colours (ToRGB), the style, and the low-pass filters.

NNCF is an optional extra (requirements-fast.txt).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

if TYPE_CHECKING:
    from gpen_webui.gpen.network import GPEN

FLOAT_OPERATIONS = ["GroupConvolution", "GroupConvolutionBackpropData", "MatMul"]


def can_quantize() -> bool:
    """Whether the optional extra is installed."""
    return importlib.util.find_spec("nncf") is not None


def build_int8_model(network: GPEN, crops: np.ndarray) -> ov.Model:
    """The model of `network` in 8 bits; crops (N,3,S,S): real ones, to measure ranges on."""
    import nncf

    from gpen_webui.engines.openvino.graph import build_model

    nncf.set_log_level(logging.ERROR)
    model = build_model(network, (1, *crops.shape[1:]), direct=True)
    first = [
        node.get_friendly_name()
        for node in model.get_ops()
        if node.get_type_name() == "Convolution"
        and node.input_value(0).get_node().get_type_name() == "Parameter"
    ]
    # Its progress bars would stand between the lines of --json.
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(
            model,
            nncf.Dataset([crop[None] for crop in crops]),
            subset_size=len(crops),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=first, types=FLOAT_OPERATIONS),
        )
