"""Measure networks that enlarge on photos they were not trained on, beside bicubic enlarging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gpen_webui.training.enlarging.measure import Judge, Pair, bicubic, enlarged, pairs
from gpen_webui.training.enlarging.validate import spread
from gpen_webui.training.faces import FaceSet
from gpen_webui.training.run_folder import write_sheet

LARGEST = 512  # pixels of a photo's middle
SHEET_PHOTOS, SHEET_SIDE = 6, 256


class Row(NamedTuple):
    """What a network makes of the photos of one set and kind, on average.

    bicubic: PSNR of the luma, dB. gain: of the network over bicubic, dB. least_gain: on the photo
    that gains least. ratio: of ST-LPIPS (alex), network / bicubic.
    """

    set: str
    kind: str
    photos: int
    network: str
    bicubic: float
    gain: float
    least_gain: float
    ratio: float


class EnlargingEvaluator:
    """Held-out photos, made small in each way once, for any number of networks."""

    def __init__(
        self, sets: Sequence[FaceSet], kinds: Sequence[str], count: int, device: torch.device
    ):
        """count: of photos per set, spread over all that are held out."""
        self._device, self._judge = device, Judge()
        self._pairs = {
            (pictures.name, kind): pairs(spread(pictures.held_out, count), kind, LARGEST)
            for pictures in sets
            for kind in kinds
        }

    def evaluate(self, networks: Mapping[str, nn.Module], output: Path | None = None) -> list[Row]:
        """Measure each network. output: a folder for sheets, KIND-SET.png: bicubic, what each
        network made of it, and the truth, at 100 %."""
        rows = []
        for (name, kind), made in self._pairs.items():
            results = {key: self._enlarged(network, made) for key, network in networks.items()}
            enlarged_plainly = [bicubic(photo) for photo, _ in made]
            before = self._distances(enlarged_plainly, made)
            for key, found in results.items():
                after = self._distances(found, made)
                rows.append(_row(name, kind, key, before, after))
            if output is not None:
                truths = [truth for _, truth in made]
                columns = [enlarged_plainly, *results.values(), truths]
                write_sheet(output / f"{kind}-{name}.png", [_shown(column) for column in columns])
        return rows

    @torch.inference_mode()
    def _enlarged(self, network: nn.Module, made: list[Pair]) -> list[Tensor]:
        network = network.to(self._device)
        return [enlarged(network, photo.to(self._device)).cpu() for photo, _ in made]

    def _distances(self, results: list[Tensor], made: list[Pair]) -> Tensor:
        """(N,2): PSNR and ST-LPIPS of each."""
        return torch.tensor([self._judge(r, m.truth) for r, m in zip(results, made, strict=True)])


def table(rows: Sequence[Row]) -> str:
    """As a Markdown table."""
    head = [
        "| set | kind | photos | bicubic, dB | network | over bicubic, dB (least) "
        "| ST-LPIPS / bicubic |",
        "|---|---|---|---|---|---|---|",
    ]
    body = [
        f"| {r.set} | {r.kind} | {r.photos} | {r.bicubic:.2f} | {r.network} "
        f"| {r.gain:+.2f} ({r.least_gain:+.2f}) | {r.ratio:.3f} |"
        for r in rows
    ]
    return "\n".join(head + body)


def _row(name: str, kind: str, network: str, before: Tensor, after: Tensor) -> Row:
    gains = after[:, 0] - before[:, 0]
    bicubic_psnr, bicubic_distance = before.mean(dim=0).tolist()
    return Row(
        set=name,
        kind=kind,
        photos=len(before),
        network=network,
        bicubic=round(bicubic_psnr, 3),
        gain=round(gains.mean().item(), 3),
        least_gain=round(gains.min().item(), 3),
        ratio=round(after[:, 1].mean().item() / bicubic_distance, 4),
    )


def _shown(pictures: list[Tensor]) -> Tensor:
    """The middles of some, (N,3,S,S) in [-1,1]."""
    side = min(SHEET_SIDE, *(picture.shape[-1] for picture in pictures))
    middles = []
    for picture in pictures[:SHEET_PHOTOS]:
        start = (picture.shape[-1] - side) // 2
        middles.append(picture[..., start : start + side, start : start + side])
    return 2 * torch.cat(middles) - 1
