"""Terms that compare faces pixel by pixel.

Faces are damaged to very different degrees, and a network that repairs the ruined ones easily
overdoes the good ones. So pixels count the more the smaller a face's error is, which keeps good
photos, and only blurred faces follow the discriminator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# In [-1,1]. The root's gradient would be infinite at no error; a square error of 1e-4 is 46 dB.
SQUARE_FLOOR, COLOUR_FLOOR = 1e-4, 4e-3
USUAL_ERROR, MOST_COUNT = 0.08, 6.0  # 28 dB counts once; from 36 dB on, six times
# The middle of the face: row and column, standard deviation in parts of the crop, and how much the
# square of a difference there counts beside one of the background; and how much one on an eye.
FACE_CENTRE, FACE_REACH, FACE_COUNT, EYES_COUNT = (0.58, 0.5), 0.15, 8.0, 20.0
BLURRED_ERROR = 0.065  # 30 dB: from here on, a face has lost its texture
PIXEL_SCALE = 12.0  # brings the term to the size of the others
COLOUR_CELL = 8  # share of the side over which colours are averaged
OUTLINE_REACH = 2  # pixels; texture may be this far beside its place
HALO_REACH = 3  # pixels; wider halos are seen as outlines


def pixel_loss(result: Tensor, truth: Tensor, features: Tensor) -> Tensor:
    """Root of each face's mean square error, and plain differences.

    result, truth: (B,3,S,S) in [-1,1]. features: (B,1,S,S) in [0,1], eyes 1. Gives ().

    A face counts in inverse proportion to its square error: the better a photo, the more of it
    there is to lose, and the less the other terms may change it. Only the gradient is so
    weighted; the value stays the error itself, which the log can show falling. Within a face,
    features count more than their small area.
    """
    difference = _place_weights(features) * (result - truth)
    square = difference.square().mean(dim=(1, 2, 3)) + SQUARE_FLOOR
    root = square.sqrt()
    error = root + difference.abs().mean(dim=(1, 2, 3))
    counted = (USUAL_ERROR**2 / square.detach()).clamp(max=MOST_COUNT) * error
    return PIXEL_SCALE * (counted + (error - counted).detach()).mean()


def colour_loss(result: Tensor, truth: Tensor) -> Tensor:
    """Relative error of the colours of large cells, which hold tonality and shading."""
    cell = max(1, result.shape[-1] // (4 * COLOUR_CELL))
    difference = F.avg_pool2d(result - truth, cell).abs().mean(dim=(1, 2, 3))
    return (difference + COLOUR_FLOOR).log().mean()


def texture_share(result: Tensor, truth: Tensor) -> Tensor:
    """How far each face follows the discriminator, 0-1: (B,3,S,S) twice -> (B,).

    A good photo shows its own texture, and any other would be wrong.
    """
    square = (result - truth).detach().square().mean(dim=(1, 2, 3))
    return (square / BLURRED_ERROR**2).square().clamp(max=1)


def outline_loss(result: Tensor, truth: Tensor) -> Tensor:
    """By how much slopes exceed all slopes of the truth nearby; (B,3,S,S) twice -> ().

    Perceptual terms forgive lines a few pixels beside a contour. In a smooth background this one
    does not, while texture that is drawn where the truth has some costs nothing.
    """
    near = F.max_pool2d(_slopes(truth), 2 * OUTLINE_REACH + 1, stride=1, padding=OUTLINE_REACH)
    return F.relu(_slopes(result) - near).mean()


def halo_loss(result: Tensor, truth: Tensor) -> Tensor:
    """By how much the result is lighter or darker than all of the truth nearby; like the above.

    A contour that is drawn too hard shoots over on both sides, and for slopes that is a part of
    the contour. Texture beside its place stays between the lightest and the darkest nearby.
    """
    grey, true = (faces.float().mean(dim=1, keepdim=True) for faces in (result, truth))
    lightest, darkest = _lightest_nearby(true), -_lightest_nearby(-true)
    return (F.relu(grey - lightest) + F.relu(darkest - grey)).mean()


def _place_weights(features: Tensor) -> Tensor:
    """By what a difference is multiplied at each place, (B,1,S,S); mean square 1 per face."""
    size = features.shape[-1]
    places = (torch.arange(size, device=features.device) + 0.5) / size
    down, across = ((places - centre) / FACE_REACH for centre in FACE_CENTRE)
    near = torch.exp(-0.5 * (down[:, None] ** 2 + across**2))
    square = 1 + (FACE_COUNT - 1) * near + (EYES_COUNT - 1) * features
    return (square / square.mean(dim=(2, 3), keepdim=True)).sqrt()


def _lightest_nearby(grey: Tensor) -> Tensor:
    """The maximum over a square around each pixel; row by row and then column by column."""
    side = 2 * HALO_REACH + 1
    rows = F.max_pool2d(grey, (1, side), stride=1, padding=(0, HALO_REACH))
    return F.max_pool2d(rows, (side, 1), stride=1, padding=(HALO_REACH, 0))


def _slopes(faces: Tensor) -> Tensor:
    """Of their grey, across and down: (B,3,S,S) -> (B,2,S-1,S-1)."""
    grey = faces.float().mean(dim=1, keepdim=True)
    across, down = grey.diff(dim=3)[:, :, 1:], grey.diff(dim=2)[:, :, :, 1:]
    return torch.cat((across, down), dim=1).abs()
