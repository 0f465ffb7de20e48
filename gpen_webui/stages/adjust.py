"""How the restored face becomes the photo's new face, and the finishing touches.

Everything here comes after the network, so a change of these options needs no new run of it.
Each neutral value (strength excepted, whose neutral value is 0) is an exact no-op.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator

import cv2
import numpy as np

from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import Stages, WorkingPhoto, progressed
from gpen_webui.states import Stage

# Widths of the low-pass filters, in parts of the crop's side.
NATURAL_LOW = 1 / 24  # what is coarser comes from the original in natural mode
DETAIL_LOW = 1 / 90  # and in detail mode
FINE = 1 / 320  # texture finer than this is softened in natural mode
NATURAL_FINE_SHARE = 0.8
COLOUR_REACH = 1 / 64  # natural mode smooths the colours of the original this far
COLOUR_EDGE = 8.0  # but not across edges of more levels than this
# Where an upright crop shows skin, whoever it is: from the brow to the upper lip, in parts.
SKIN_ROWS, SKIN_COLUMNS = (0.42, 0.68), (0.36, 0.64)
SKIN_SPREAD = 10.0  # levels of colour by which one face's skin differs from place to place
# A sepia face strays by 3 levels from one tone for each brightness, one in colour by over 9.
TONE_SPREAD = 6.0
TONE_SAMPLE = (64, 64)
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue are
# From red, green, blue to the two colours of YCrCb, and the change that brings back.
TO_COLOURS = np.array(
    [0.713 * (np.array((1, 0, 0)) - LUMA), 0.564 * (np.array((0, 0, 1)) - LUMA)], np.float32
)
FROM_COLOURS = np.array([[1.403, 0], [-0.714, -0.344], [0, 1.773]], np.float32)


def adjust_face(crop: np.ndarray, restored: np.ndarray, options: RestoreOptions) -> np.ndarray:
    """The face to blend in, (S,S,3) float32, 0-255.

    crop: (S,S,3) uint8, the face as it was. restored: (S,S,3) float32, 0-255, the network's.
    """
    original = crop.astype(np.float32)
    face = apply_mode(original, restored, options.mode)
    toned = keep_single_tone(original, face)
    if toned is not None:
        face = toned
    elif options.protect_skin and options.mode != "strong":
        face = keep_skin_tone(original, face)
    return original + (options.strength / 100) * (face - original)


def apply_mode(original: np.ndarray, restored: np.ndarray, mode: str) -> np.ndarray:
    """Combine the face as it was with the network's, both (S,S,3) float32, 0-255.

    strong: the network's face as it is, the sharpest and the most invented.
    natural: light, shade and colour of the original with the network's features, whose
    finest texture is softened, so that skin does not look drawn.
    detail: the original's shapes and shading; of the network only the fine detail: lashes,
    hair, the edge of the lips.
    """
    if mode == "strong":
        return restored
    side = original.shape[0]
    low = side * (NATURAL_LOW if mode == "natural" else DETAIL_LOW)
    face = restored + _low_pass(original - restored, low)
    if mode == "natural":
        smooth = cv2.GaussianBlur(face, (0, 0), side * FINE)
        face = keep_colours(original, smooth + NATURAL_FINE_SHARE * (face - smooth))
    return face


def _low_pass(pixels: np.ndarray, width: float) -> np.ndarray:
    """A Gaussian blur of standard deviation `width`, of (H,W,3) float32 or uint8.

    A wide one is done at half the size or less, which costs a thirtieth at 512 px and differs by
    a twentieth of a level on average. Averaging and interpolating blur a little themselves: by a
    variance of (step / 2)**2.
    """
    step = 1
    while width / (2 * step) >= 5:
        step *= 2
    if step == 1:
        return cv2.GaussianBlur(pixels, (0, 0), width)
    size = [math.ceil(side / step) for side in pixels.shape[1::-1]]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), math.sqrt((width / step) ** 2 - 1 / 4))
    return cv2.resize(small, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def keep_colours(original: np.ndarray, face: np.ndarray) -> np.ndarray:
    """The light and shade of the face with the colours of the original, free of their noise.

    Both (S,S,3) float32, 0-255. The original's colours are smoothed along the shapes of the
    face: a guided filter (He et al., 2010), in which colour is locally a line over brightness.
    """
    before = cv2.cvtColor(original / 255, cv2.COLOR_RGB2YCrCb)
    after = cv2.cvtColor(face / 255, cv2.COLOR_RGB2YCrCb)
    width = (2 * round(original.shape[0] * COLOUR_REACH) + 1,) * 2
    shade = after[:, :, 0]
    mean = cv2.blur(shade, width)
    spread = cv2.blur(shade * shade, width) - mean * mean + (COLOUR_EDGE / 255) ** 2
    for channel in (1, 2):
        colour = before[:, :, channel]
        colour_mean = cv2.blur(colour, width)
        slope = (cv2.blur(shade * colour, width) - mean * colour_mean) / spread
        offset = colour_mean - slope * mean
        after[:, :, channel] = cv2.blur(slope, width) * shade + cv2.blur(offset, width)
    return cv2.cvtColor(after, cv2.COLOR_YCrCb2RGB) * 255


def keep_skin_tone(original: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Move the skin's mean colour back to the original's; light and shade stay as they are.

    Both (S,S,3) float32, 0-255. Skin is what has the colour that this very face has in its
    middle, so every skin counts alike; hair, clothes and background keep what they have.
    """
    before, after = (cv2.transform(pixels, TO_COLOURS) for pixels in (original, face))
    rows, columns = (
        slice(*(round(end * len(before)) for end in ends)) for ends in (SKIN_ROWS, SKIN_COLUMNS)
    )
    tone = _median(before[rows, columns].reshape(-1, 2))
    apart = (before - tone) / SKIN_SPREAD
    skin = np.exp(-0.5 * (apart[:, :, 0] ** 2 + apart[:, :, 1] ** 2))
    drift = np.einsum("ijk,ij->k", after - before, skin) / skin.sum()
    return face - skin[:, :, None] * (FROM_COLOURS @ drift)


def _median(colours: np.ndarray) -> np.ndarray:
    """Of (N,2) in each column; `np.median` gives the same, but first loads masked arrays."""
    middle = [(len(colours) - 1) // 2, len(colours) // 2]
    return np.partition(colours, middle, axis=0)[middle].mean(axis=0)


def keep_single_tone(original: np.ndarray, face: np.ndarray) -> np.ndarray | None:
    """The face in the tone of a grey or sepia original; None where the original has colours.

    Both (S,S,3) float32, 0-255. In such a picture each brightness has one tone: how far red
    and blue lie from green is a curve of brightness, which is fitted and put on the face.
    """
    small = cv2.resize(original, TONE_SAMPLE, interpolation=cv2.INTER_AREA)
    shade = _brightness(small)
    apart = (small[:, :, ::2] - small[:, :, 1:2]).reshape(-1, 2)
    powers = np.vander(shade.ravel() / 255, 3)
    curve = np.linalg.lstsq(powers, apart, rcond=None)[0].astype(np.float32)
    if np.sqrt(np.mean((powers @ curve - apart) ** 2, axis=0)).max() > TONE_SPREAD:
        return None
    wanted = _brightness(face)
    known = np.clip(wanted, shade.min(), shade.max()) / 255
    red, blue = ((a * known + b) * known + c for a, b, c in curve.T)
    green = wanted - LUMA[0] * red - LUMA[2] * blue
    return np.stack((green + red, green, green + blue), axis=2)


def _brightness(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels, 2, 0)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


class Adjust:
    """The finishing touches, on the whole photo, whether or not there is a face in it."""

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        if not working.is_new and not _is_touched(options):
            return
        working.is_new = True
        yield Stage.ADJUST
        with working.clock.stage(Stage.ADJUST):
            if options.denoise:
                from gpen_webui.stages.denoise import blended

                denoised = yield from _denoised(working)
                working.pixels = blended(working.pixels, denoised, options.denoise)
            working.pixels = finish(working.pixels, options)


def _is_touched(options: RestoreOptions) -> bool:
    amounts = (options.denoise, options.sharpen, options.contrast, options.brightness)
    return any(amounts) or options.enhance_detail


def _denoised(working: WorkingPhoto) -> Generator[str, None, np.ndarray]:
    """The photo as it is now without its noise; how much of that is taken is a matter of blending,
    so it is kept for other amounts."""
    key = (Stage.ADJUST, hashlib.blake2b(np.ascontiguousarray(working.pixels).data).digest())
    denoised = working.intermediates.get(key)
    if denoised is None:
        from gpen_webui.stages.denoise import without_noise

        denoised = yield from progressed(without_noise(working.pixels), Stage.ADJUST)
        working.intermediates.put(key, denoised, denoised.nbytes)
    return denoised


def finish(
    pixels: np.ndarray, options: RestoreOptions, side: int | None = None, scale: float = 1.0
) -> np.ndarray:
    """Sharpen and set the tones of the whole photo, (H,W,3) uint8.

    side: the photo's shorter one, where `pixels` are a part of it alone; scale: at which that is
    seen.
    """
    if options.enhance_detail:
        radius = scale * detail_radius(side or min(pixels.shape[:2]))
        pixels = _unsharp(pixels, radius, amount=0.35)
    if options.sharpen:
        pixels = _unsharp(pixels, radius=1.2 * scale, amount=options.sharpen / 100 * 1.5)
    if options.contrast or options.brightness:
        pixels = set_tones(pixels, options.contrast, options.brightness)
    return pixels


def detail_radius(side: int) -> float:
    """Standard deviation of the blur, in pixels, by which the detail of a photo is known whose
    shorter side is `side`."""
    return max(2.0, side / 100)


def set_tones(pixels: np.ndarray, contrast: int, brightness: int) -> np.ndarray:
    """contrast -50..50: the distance from middle grey, halved to one and a half times;
    brightness -50..50: 64 levels darker to 64 levels lighter."""
    levels = np.arange(256, dtype=np.float64)
    curve = (levels - 128) * (1 + contrast / 100) + 128 + brightness / 50 * 64
    return cv2.LUT(pixels, np.clip(np.rint(curve), 0, 255).astype(np.uint8))


def _unsharp(pixels: np.ndarray, radius: float, amount: float) -> np.ndarray:
    """Add what a blur of that radius takes away. On all colours alike, so grey stays grey."""
    blurred = _low_pass(pixels, radius)
    return cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0)
