"""How much of what a network makes of a face is used: all where it was damaged, little where not.

A network redraws a face also where nothing is to be done: an old print's grain goes, and with it
some of the likeness. A fidelity gate tells from the face before and after how much of the change
helps. It is small, lies beside the weights that it was trained for, in the metadata of their file
(training/fidelity_gate.py), and most models have none.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.gpen.metadata import read_metadata
from gpen_webui.stages.adjust import LUMA

KEY = "fidelity_gate"  # in the metadata of a weight file
BANDS = (0.7, 1.4, 2.8, 5.6)  # standard deviations in pixels at 256 px, between which details lie
ROWS, COLUMNS = (0.15, 0.9), (0.15, 0.85)  # of a crop that are looked at: the face
LEAST = 0.05  # levels, so that a smooth face has a logarithm
NUMBERS = 5 * len(BANDS) + 3  # that describe a change
WIDEST = 256  # of the hidden layer; what claims more is no gate


class FidelityGateError(UserError):
    """A weight file's gate cannot be read."""


@dataclass(frozen=True, eq=False)
class FidelityGate:
    """A perceptron with one hidden layer over `describe_change`.

    mean, spread: (NUMBERS,) over the training. hidden: (H,NUMBERS), hidden_bias: (H,), out:
    (H,), out_bias. All float64.
    """

    mean: np.ndarray
    spread: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: float

    def share(self, crop: np.ndarray, restored: np.ndarray) -> float:
        """How much of the change is used, 0-1, of a face (S,S,3) uint8 and what the network made of
        it, (S,S,3) float32, 0-255."""
        return self.share_for(describe_change(crop, restored))

    def share_for(self, numbers: np.ndarray) -> float:
        """As `share`, of a change (NUMBERS,) that is described already."""
        hidden = np.tanh(self.hidden @ ((numbers - self.mean) / self.spread) + self.hidden_bias)
        return 0.5 + 0.5 * math.tanh(float(self.out @ hidden + self.out_bias) / 2)

    def as_text(self) -> str:
        """What `read_fidelity_gate` reads from a weight file's metadata."""
        values = {name: np.asarray(value).tolist() for name, value in vars(self).items()}
        return json.dumps(values)


def use_share(crop: np.ndarray, restored: np.ndarray, share: float) -> np.ndarray:
    """The face as far as its change is used, (S,S,3) float32, 0-255.

    crop: (S,S,3) uint8. restored: (S,S,3) float32, 0-255. share: 0-1.
    """
    if share == 1:
        return restored
    original = crop.astype(np.float32)
    return original + np.float32(share) * (restored - original)


def read_fidelity_gate(weights: Path) -> FidelityGate | None:
    """The gate of a weight file; None where it has none.

    Raises FidelityGateError where it has one that cannot be used.
    """
    if weights.suffix.lower() != ".safetensors":
        return None
    text = read_metadata(weights).get(KEY)
    if text is None:
        return None
    try:
        return _parsed(text)
    except (ValueError, TypeError, KeyError) as error:
        raise FidelityGateError(
            f"The fidelity gate of {weights.name} cannot be read; fetch the model anew, or train "
            "the gate again."
        ) from error


def describe_change(crop: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Numbers that tell how damaged a face is and what was done to it, (NUMBERS,) float64.

    crop: (S,S,3) uint8 RGB. restored: (S,S,3) float32, 0-255. Of each band of details: how strong
    they are before, after and in the difference, how much alike, and how even they are, which tells
    grain from edges. Then colour, contrast and light.
    """
    luma = np.array(LUMA, np.float32)
    before: np.ndarray = crop.astype(np.float32) @ luma
    after: np.ndarray = restored.astype(np.float32) @ luma
    side = len(before)
    face = tuple(slice(round(low * side), round(high * side)) for low, high in (ROWS, COLUMNS))
    ycc = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb)[face].reshape(-1, 3).astype(np.float64)
    numbers: list[float] = []
    for width in BANDS:
        smooth = [cv2.GaussianBlur(each, (0, 0), width * side / 256) for each in (before, after)]
        fine, made = ((each - low)[face] for each, low in zip((before, after), smooth, strict=True))
        strengths = [_strength(each) for each in (fine, made, made - fine)]
        alike = float(np.mean(fine * made, dtype=np.float64)) / (strengths[0] * strengths[1])
        even = float(np.median(np.abs(fine))) / strengths[0]
        numbers += [*(math.log(each) for each in strengths), alike, even]
        before, after = smooth
    light, *colours = ycc.std(axis=0)
    numbers += [math.log(sum(colours) + 0.5), math.log(light + 1), ycc[:, 0].mean() / 128 - 1]
    return np.array(numbers)


def _strength(details: np.ndarray) -> float:
    """Their root mean square, in levels."""
    return math.sqrt(float(np.mean(details * details, dtype=np.float64))) + LEAST


def _parsed(text: str) -> FidelityGate:
    """Raises ValueError, TypeError or KeyError where it is no gate."""
    values = json.loads(text)
    arrays = {
        name: np.asarray(values[name], np.float64)
        for name in ("mean", "spread", "hidden", "hidden_bias", "out")
    }
    width = len(arrays["out"])
    shapes = {"mean": (NUMBERS,), "spread": (NUMBERS,), "hidden": (width, NUMBERS)}
    shapes |= {"hidden_bias": (width,), "out": (width,)}
    if width > WIDEST or any(arrays[name].shape != shape for name, shape in shapes.items()):
        raise ValueError("its parts do not fit")
    gate = FidelityGate(**arrays, out_bias=float(values["out_bias"]))
    numbers = np.concatenate([np.ravel(part) for part in vars(gate).values()])
    if not np.isfinite(numbers).all() or (gate.spread <= 0).any():
        raise ValueError("a number is none")
    return gate
