"""What the part of a photo that is in view will look like, long before the whole is restored.

Most of what is done to a photo reaches a few pixels far, so it can be done to a part alone, at the
size at which that is seen. What depends on the whole is measured once and kept (`KnownPhoto`): how
strong its noise is, how far it has faded, where it is damaged. Faces are those that the network has
made before. The exact result differs by a few levels, mostly where the part is shrunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from gpen_webui.face_numbers import Box, DrawnBox, read_drawn_boxes
from gpen_webui.faces.align import bounds, crop_matrix, extract_crop, scale_of, warp
from gpen_webui.faces.blend import Patch, blend_band, plan_bands
from gpen_webui.faces.face import Face
from gpen_webui.faces.select import FaceSelection, add_drawn_faces
from gpen_webui.faces.turn import common_turn
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.fade import Levels, evened, has_faded, measure
from gpen_webui.repairing.fill import fill, without_wide
from gpen_webui.repairing.mask import read_mask
from gpen_webui.repairing.scratches import WORKING_PIXELS, ScratchDetector
from gpen_webui.stages.adjust import detail_radius, finish
from gpen_webui.stages.base import (
    FoundFaces,
    Intermediates,
    NetworkResult,
    WorkingPhoto,
    key_for,
    last,
)
from gpen_webui.stages.denoise import Noise, blended, noise_of, without_noise
from gpen_webui.stages.enlarge import SCALES, Enlarge, largest_scale, wanted_scale
from gpen_webui.stages.face_masks import FaceMasks
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.faces import kept_faces
from gpen_webui.stages.repair import WIDEST_FOUND, WIDEST_PAINTED, widest
from gpen_webui.states import Stage

MARGIN = 16  # pixels around the part that is seen: so far what is done to it reaches
DEVIATIONS = 3  # of a blur, within which all of it lies that can be seen
LEAST_CROP = 64  # pixels of the side of a face that is seen small
CROP_SHARE = 1.5  # pixels of a crop for one in which it is seen
SHRUNK_DAMAGE = 32  # of 255: from this share on a shrunk pixel counts as damaged


class KnownPhoto:
    """An open photo, and what has been learned of the whole of it; may be shared by threads."""

    def __init__(self, photo: Photo, detector: ScratchDetector):
        self.photo = photo
        self._detector = detector
        self._holes: tuple[object, np.ndarray] = (None, np.empty(0))

    @cached_property
    def damage(self) -> np.ndarray:
        """Where it seems to be damaged, (H,W) bool."""
        return last(self._detector.find(self.photo.pixels))

    @cached_property
    def levels(self) -> Levels:
        """By which it tells how far it has faded."""
        return measure(self.photo.pixels)

    @cached_property
    def noise(self) -> Noise:
        """How strong its noise is."""
        return noise_of(self.photo.pixels)

    def holes(self, options: RestoreOptions) -> np.ndarray:
        """What the options would fill in, (H,W) bool."""
        wanted = (options.repair, options.mask)
        if self._holes[0] != wanted:
            self._holes = (wanted, self._found_holes(options))
        return self._holes[1]

    def _found_holes(self, options: RestoreOptions) -> np.ndarray:
        shape = self.photo.pixels.shape
        holes = np.zeros(shape[:2], bool)
        if options.mask:
            painted = read_mask(self.photo, options)
            holes |= without_wide(painted, widest(WIDEST_PAINTED, max(shape))).to_fill
        if options.repair != "off":
            holes |= without_wide(self.damage, widest(WIDEST_FOUND, max(shape))).to_fill
        return holes


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """What is to be shown. box: left, top, right, bottom of what is seen, in pixels of the photo as
    it lies in its file. width: of that, in pixels of the screen. former: options with which the
    photo was restored before."""

    known: KnownPhoto
    box: Box
    width: int
    options: RestoreOptions
    former: RestoreOptions


@dataclass(frozen=True, eq=False)
class _Source:
    """The picture of which a part is taken: the photo, or what was kept of it.

    scale: how many times larger than the photo it is. is_repaired, is_enlarged: what was done to it
    already, as the options say.
    """

    pixels: np.ndarray
    scale: int = 1
    is_repaired: bool = False
    is_enlarged: bool = False


@dataclass(frozen=True)
class _Part:
    """What is taken of a source.

    seen, taken: left, top, right, bottom in its pixels, without and with a margin. shrunk: at which
    scale, at most 1, that is worked on. enlarged: how many times it is enlarged then.
    """

    seen: tuple[int, int, int, int]
    taken: tuple[int, int, int, int]
    shrunk: float
    enlarged: int

    @property
    def scale(self) -> float:
        """How many times larger than in the source it is in the end."""
        return self.shrunk * self.enlarged


class PartPreview:
    """Shows parts of photos as they will be; shared by all threads."""

    def __init__(self, enlarge: Enlarge, faces: FaceNetwork, masks: FaceMasks):
        self._enlarge = enlarge
        self._faces = faces
        self._masks = masks

    def show(self, request: PreviewRequest, reuse: Intermediates) -> np.ndarray | None:
        """The part as it will look, (h,w,3) uint8, turned as the result will be; None where that
        cannot be told soon, as its faces or their masks are not kept or another network is to
        enlarge it, or where nothing would be done to the photo.

        reuse: what was kept of the photo. Raises FaceChoiceError, MaskError, and UserError where a
        network cannot be used.
        """
        known, options = request.known, request.options
        of_options = reuse.get(key_for(Stage.NETWORK, options))
        made = of_options or reuse.get(key_for(Stage.NETWORK, request.former))
        made_with = options if of_options else request.former
        is_coloured = known.photo.grey and self._faces.purpose.colours
        if made is None or options.aligned or is_coloured:
            return None
        network = _numbered_as_asked(made, made_with, options, self._faces.engine.size, reuse)
        if network is None:
            return None
        scale = _scale_of_result(known.photo, network, options)
        selection = FaceSelection(network.found.faces, options)
        faces = _wanted_faces(network, selection, options)
        changes_whole = scale > 1 or options.background != "off"
        if not (faces or changes_whole or _repairs(known, options)):
            return None
        source = _source(known, options, scale if changes_whole else None, reuse)
        if options.enlarge_model and changes_whole and not source.is_enlarged:
            return None  # a large network takes many seconds for a part, too
        masks = {}
        if options.face_mask == "parse":
            masks = self._masks.kept(reuse, made_with, network, faces)
            if len(masks) < len(faces):
                return None
        part = _part(source, request, scale)
        pixels = _cut(source.pixels, part)
        if not source.is_repaired:
            pixels = _filled(pixels, known, options, part)
        # Faces that were made of the photo before it was repaired fade with it.
        fades = options.fade != "off" and not source.is_repaired
        if fades and of_options:
            pixels = evened(pixels, known.levels)
        if not source.is_enlarged:
            pixels = last(self._enlarge.enlarged(pixels, part.enlarged, options))
        pixels = self._with_faces(pixels, network, faces, masks, selection, source, part)
        if fades and not of_options:
            pixels = evened(pixels, known.levels)
        pixels = _adjusted(pixels, known, options, part.scale * source.scale, scale)
        turn = common_turn(network.found.faces) if options.upright else 0
        return np.ascontiguousarray(np.rot90(_without_margin(pixels, part), turn))

    def _with_faces(
        self,
        pixels: np.ndarray,
        network: NetworkResult,
        faces: list[int],
        masks: dict[int, np.ndarray],
        selection: FaceSelection,
        source: _Source,
        part: _Part,
    ) -> np.ndarray:
        """faces: places in `network.found.kept`, by which the masks go too."""
        result, side = pixels.copy(), self._faces.engine.size
        size = pixels.shape[1::-1]
        for place in faces:
            matrix = _in_part(network.found.matrices[place], source, part)
            left, top, right, bottom = bounds(cv2.invertAffineTransform(matrix), (side, side), size)
            if right <= left or bottom <= top:
                continue
            how = selection.options_of(network.found.kept[place] + 1)
            crop, restored = network.crops[place], network.restored[place]
            crop, restored, matrix = _as_small_as_seen(crop, restored, matrix)
            crop = _seen_crop(pixels, crop, matrix)
            face = self._faces.purpose.adjusted(crop, restored, how)
            keep_fine = self._faces.purpose.keep_fine(how)
            patch = Patch(crop, face, matrix, keep_fine, masks.get(place))
            for band in plan_bands(result.shape, [matrix], len(crop)):
                blend_band(result, result, [patch], band)
        return self._faces.purpose.finished(pixels, result)


def _scale_of_result(photo: Photo, network: NetworkResult, options: RestoreOptions) -> int:
    whole = WorkingPhoto.of(photo, options, None, keep_faces=False)
    whole.found = network.found
    return largest_scale(whole, options, wanted_scale(whole, options))


def _numbered_as_asked(
    made: NetworkResult,
    made_with: RestoreOptions,
    options: RestoreOptions,
    size: int,
    reuse: Intermediates,
) -> NetworkResult | None:
    """The faces with the numbers that these options give them: what was kept last may be of
    another job with the same photo, and other faces drawn in it. None where the network has not
    made one that is wanted.

    made_with: the options of `made`. size: of the network's crops.
    """
    detected = reuse.get(key_for(Stage.DETECT, made_with))
    boxes = read_drawn_boxes(options.add_face)
    drawn: dict[DrawnBox, Face] = {}
    for box in boxes:
        if face := reuse.get(key_for(Stage.DETECT, made_with, box)):
            drawn[box] = face
    if detected is None or len(drawn) < len(set(boxes)):
        return None
    faces, _ = add_drawn_faces(detected, drawn.__getitem__, boxes)
    selection, known = FaceSelection(faces, options), made.by_crop()
    kept, matrices = [], []
    for i in kept_faces(faces, selection, options):
        matrix = crop_matrix(faces[i].landmarks, size)
        if matrix.tobytes() in known:
            kept.append(i)
            matrices.append(matrix)
        elif selection.is_wanted(i + 1):
            return None
    pairs = [known[matrix.tobytes()] for matrix in matrices]
    found = FoundFaces(faces, kept, matrices)
    return NetworkResult(found, [crop for crop, _ in pairs], [face for _, face in pairs])


def _wanted_faces(
    network: NetworkResult, selection: FaceSelection, options: RestoreOptions
) -> list[int]:
    """Places in `network.found.kept` of the faces that are restored."""
    found = network.found
    kept = set(kept_faces(found.faces, selection, options))
    return [place for place, i in enumerate(found.kept) if i in kept and selection.is_wanted(i + 1)]


def _repairs(known: KnownPhoto, options: RestoreOptions) -> bool:
    """Whether there is anything that is filled in or evened out."""
    if options.fade != "off" and has_faded(known.levels):
        return True
    return bool((options.repair != "off" or options.mask) and known.holes(options).any())


def _source(
    known: KnownPhoto, options: RestoreOptions, scale: int | None, reuse: Intermediates
) -> _Source:
    """scale: how many times the whole is enlarged or, at 1, cleaned; None where it is neither."""
    if scale is not None:
        enlarged = reuse.get(key_for(Stage.ENLARGE, options, scale))
        if enlarged is not None:
            return _Source(enlarged, scale, is_repaired=True, is_enlarged=True)
    repaired = reuse.get(key_for(Stage.REPAIR, options))
    if repaired is not None:
        return _Source(repaired[0], is_repaired=True)
    return _Source(known.photo.pixels)


def _part(source: _Source, request: PreviewRequest, scale: int) -> _Part:
    height, width = source.pixels.shape[:2]
    left, top, right, bottom = (side * source.scale for side in request.box)
    seen = (
        min(max(0, math.floor(left)), width - 1),
        min(max(0, math.floor(top)), height - 1),
        max(1, min(width, math.ceil(right))),
        max(1, min(height, math.ceil(bottom))),
    )
    times = request.width / (seen[2] - seen[0])  # pixels of the screen for one of the source
    shrunk = min(1.0, times)
    enlarged = 1
    if not source.is_enlarged and shrunk == 1:
        enlarged = next(each for each in SCALES if each >= min(scale, times))
    margin = MARGIN
    if request.options.enhance_detail:
        side = min(height, width) * scale // source.scale
        radius = detail_radius(side) * shrunk * enlarged * source.scale / scale
        margin = max(margin, math.ceil(DEVIATIONS * radius / enlarged))
    around = math.ceil(margin / shrunk)
    taken = (
        max(0, seen[0] - around),
        max(0, seen[1] - around),
        min(width, seen[2] + around),
        min(height, seen[3] + around),
    )
    return _Part(seen, taken, shrunk, enlarged)


def _cut(pixels: np.ndarray, part: _Part) -> np.ndarray:
    """The part as it is worked on; of masks (H,W) uint8 too."""
    left, top, right, bottom = part.taken
    taken = pixels[top:bottom, left:right]
    if part.shrunk == 1:
        return taken
    size = tuple(max(1, round(side * part.shrunk)) for side in taken.shape[1::-1])
    return cv2.resize(taken, size, interpolation=cv2.INTER_AREA)


def _filled(
    pixels: np.ndarray, known: KnownPhoto, options: RestoreOptions, part: _Part
) -> np.ndarray:
    if options.repair == "off" and not options.mask:
        return pixels
    holes = known.holes(options)
    damaged = _cut(holes.astype(np.uint8) * 255, part) > SHRUNK_DAMAGE
    if not damaged.any():
        return pixels
    share = WIDEST_PAINTED if options.mask else WIDEST_FOUND
    grain = max(1.0, (holes.size / WORKING_PIXELS) ** 0.5 * part.shrunk)
    return last(fill(pixels, damaged, widest(share, max(holes.shape)) * part.shrunk, grain))


def _in_part(matrix: np.ndarray, source: _Source, part: _Part) -> np.ndarray:
    """From pixels of the part to a crop, where `matrix` is from the photo's own.

    The centre of pixel i of the part is at (i + 0.5) / scale - 0.5 of what was taken.
    """
    scale = part.scale * source.scale
    corner = np.array(part.taken[:2]) / source.scale
    shift = matrix[:, :2] @ ((0.5 / scale - 0.5) + corner)
    return np.column_stack((matrix[:, :2] / scale, matrix[:, 2] + shift))


def _as_small_as_seen(
    crop: np.ndarray, restored: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face that is seen small, made small: that is where the time goes in a crowd."""
    side = len(crop)
    seen = side / scale_of(matrix)
    while side >= 2 * LEAST_CROP and side / 2 >= CROP_SHARE * seen:
        side //= 2
    if side == len(crop):
        return crop, restored, matrix
    share = side / len(crop)
    crop, restored = (
        cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in (crop, restored)
    )
    return (
        crop,
        restored,
        np.column_stack((matrix[:, :2] * share, (matrix[:, 2] + 0.5) * share - 0.5)),
    )


def _seen_crop(pixels: np.ndarray, crop: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What of a face is to be replaced: as it is in the part, and where that does not show it, as
    it was."""
    size = crop.shape[1::-1]
    inside = warp(np.full(pixels.shape[:2], 255, np.uint8), matrix, size, cv2.BORDER_CONSTANT)
    here = extract_crop(pixels, matrix, len(crop))
    return np.where((inside == 255)[:, :, None], here, crop)


def _adjusted(
    pixels: np.ndarray, known: KnownPhoto, options: RestoreOptions, scale: float, of_result: int
) -> np.ndarray:
    """scale: of the part, against the photo. of_result: how many times that will be enlarged."""
    if options.denoise:
        is_own = scale == 1 and options.background == "off"
        denoised = last(without_noise(pixels, known.noise if is_own else None))
        pixels = blended(pixels, denoised, options.denoise)
    side = min(known.photo.pixels.shape[:2]) * of_result
    return finish(pixels, options, side, scale / of_result)


def _without_margin(pixels: np.ndarray, part: _Part) -> np.ndarray:
    left, top = (
        round((a - b) * part.scale) for a, b in zip(part.seen, part.taken[:2], strict=False)
    )
    width, height = (max(1, round((part.seen[i + 2] - part.seen[i]) * part.scale)) for i in (0, 1))
    return pixels[top : top + height, left : left + width]
