"""What the discriminator is shown: a part of each face, its texture alone, changed at random.

Some hundred people are soon learned by heart. As in StyleGAN2-ADA (Karras et al., arXiv
2006.06676) what the discriminator sees is therefore changed, results and truths alike, and the
more often the better it knows the truths of people it learns from than those of people held out.
Everything that is changed can be undone, so results need not look changed to please it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpen_webui.training.parts import Parts

PART = 128  # pixels
TEXTURE_REACH = 8  # pixels
MAX_GAIN, MAX_ZOOM = 1.5, 1.2
# Part of the margin between truths and results that people held out may lack, by how much the
# share of changed views moves each time that is looked at, and where it ends: beyond, the
# changes themselves would be learned.
KNOWN_BY_HEART, MOVE, MOST = 0.3, 0.02, 0.8


@dataclass
class Augmentation:
    """share: probability (0-1) of each change to each face."""

    share: float = 0.0

    def adapt(self, trained: float, held_out: float) -> None:
        """Change more where people held out are told from their results less surely.

        trained, held_out: mean margins of truths over results, by the discriminator.
        """
        known_by_heart = trained > 0 and (trained - held_out) / trained > KNOWN_BY_HEART
        move = MOVE if known_by_heart else -MOVE
        self.share = min(MOST, max(0.0, self.share + move))


class Views:
    """How the discriminator sees each face of a batch: results and truths in the same way."""

    def __init__(self, rng: np.random.Generator, features: Tensor, share: float):
        """features: of the batch, (B,1,S,S). share: as Augmentation has it."""
        self._parts = Parts(rng, features, PART)
        count = len(features)
        self._changed = share > 0
        turns = rng.integers(4, size=count) * (rng.random(count) < share)
        mirrored = (rng.random(count) < share) & (rng.random(count) < 0.5)
        zoom = MAX_ZOOM ** (rng.uniform(-1, 1, count) * (rng.random(count) < share))
        gain = MAX_GAIN ** (rng.uniform(-1, 1, count) * (rng.random(count) < share))
        turned = turns * np.pi / 2
        matrices = np.zeros((count, 2, 3), np.float32)
        matrices[:, 0, 0] = np.cos(turned) * np.where(mirrored, -1, 1)
        matrices[:, 0, 1] = -np.sin(turned)
        matrices[:, 1, 0] = np.sin(turned) * np.where(mirrored, -1, 1)
        matrices[:, 1, 1] = np.cos(turned)
        matrices *= zoom[:, None, None]
        self._matrices = torch.from_numpy(matrices).to(features.device)
        self._gain = torch.from_numpy(gain.astype(np.float32)).to(features.device)

    def of(self, faces: Tensor) -> Tensor:
        """(B,3,S,S) in [-1,1] -> (B,1,P,P): the grey without what is constant over some pixels."""
        grey = self._parts.of(faces).float().mean(dim=1, keepdim=True)
        side, reach = 2 * TEXTURE_REACH + 1, TEXTURE_REACH
        texture = grey - F.avg_pool2d(grey, side, 1, reach, count_include_pad=False)
        if not self._changed:
            return texture
        places = F.affine_grid(self._matrices, list(texture.shape), align_corners=False)
        moved = F.grid_sample(texture, places, padding_mode="reflection", align_corners=False)
        return moved * self._gain[:, None, None, None]
