"""What the part of a photo that is in view will look like, long before the whole is restored.

Most of what is done to a photo reaches a few pixels far, so it can be done to a part alone, at the
size at which that is seen. What depends on the whole is measured once and kept (`KnownPhoto`): how
strong its noise is, how far it has faded, where it is damaged. Faces are those that the network has
made before. The exact result differs by a few levels, mostly where the part is shrunk.
"""

from __future__ import annotations

import cv2
import numpy as np

from gpen_webui.face_numbers import DrawnBox, read_drawn_boxes
from gpen_webui.faces.align import bounds, crop_matrix, extract_crop, scale_of, warp
from gpen_webui.faces.blend import Patch, blend_band, plan_bands
from gpen_webui.faces.face import Face
from gpen_webui.faces.select import FaceSelection, add_drawn_faces
from gpen_webui.faces.turn import common_turn
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.fade import evened, has_faded
from gpen_webui.repairing.fill import fill
from gpen_webui.repairing.scratches import WORKING_PIXELS
from gpen_webui.stages.adjust import finish
from gpen_webui.stages.base import (
    FoundFaces,
    Intermediates,
    NetworkResult,
    WorkingPhoto,
    key_for,
    last,
)
from gpen_webui.stages.denoise import blended, without_noise
from gpen_webui.stages.enlarge import Enlarge, largest_scale, wanted_scale
from gpen_webui.stages.face_masks import FaceMasks
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.faces import kept_faces
from gpen_webui.stages.known_photo import KnownPhoto
from gpen_webui.stages.preview_part import (
    Part,
    PreviewRequest,
    Source,
    cut_part,
    in_part,
    part_of,
    without_margin,
)
from gpen_webui.stages.repair import WIDEST_FOUND, WIDEST_PAINTED, widest
from gpen_webui.states import Stage

LEAST_CROP = 64  # pixels of the side of a face that is seen small
CROP_SHARE = 1.5  # pixels of a crop for one in which it is seen
SHRUNK_DAMAGE = 32  # of 255: from this share on a shrunk pixel counts as damaged


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
        part = part_of(source, request, scale)
        pixels = cut_part(source.pixels, part)
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
        return np.ascontiguousarray(np.rot90(without_margin(pixels, part), turn))

    def _with_faces(
        self,
        pixels: np.ndarray,
        network: NetworkResult,
        faces: list[int],
        masks: dict[int, np.ndarray],
        selection: FaceSelection,
        source: Source,
        part: Part,
    ) -> np.ndarray:
        """faces: places in `network.found.kept`, by which the masks go too."""
        result, side = pixels.copy(), self._faces.engine.size
        size = pixels.shape[1::-1]
        for place in faces:
            matrix = in_part(network.found.matrices[place], source, part)
            left, top, right, bottom = bounds(cv2.invertAffineTransform(matrix), (side, side), size)
            if right <= left or bottom <= top:
                continue
            how = selection.options_of(network.found.kept[place] + 1)
            crop, restored, share = network.face(place)
            crop, restored, matrix = _as_small_as_seen(crop, restored, matrix)
            crop = _seen_crop(pixels, crop, matrix)
            face = self._faces.purpose.adjusted(crop, restored, how, share)
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
    found = FoundFaces(faces, kept, matrices)
    return NetworkResult.of(found, [known[matrix.tobytes()] for matrix in matrices])


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
) -> Source:
    """scale: how many times the whole is enlarged or, at 1, cleaned; None where it is neither."""
    if scale is not None:
        enlarged = reuse.get(key_for(Stage.ENLARGE, options, scale))
        if enlarged is not None:
            return Source(enlarged, scale, is_repaired=True, is_enlarged=True)
    repaired = reuse.get(key_for(Stage.REPAIR, options))
    if repaired is not None:
        return Source(repaired[0], is_repaired=True)
    return Source(known.photo.pixels)


def _filled(
    pixels: np.ndarray, known: KnownPhoto, options: RestoreOptions, part: Part
) -> np.ndarray:
    if options.repair == "off" and not options.mask:
        return pixels
    holes = known.holes(options)
    damaged = cut_part(holes.astype(np.uint8) * 255, part) > SHRUNK_DAMAGE
    if not damaged.any():
        return pixels
    share = WIDEST_PAINTED if options.mask else WIDEST_FOUND
    grain = max(1.0, (holes.size / WORKING_PIXELS) ** 0.5 * part.shrunk)
    return last(fill(pixels, damaged, widest(share, max(holes.shape)) * part.shrunk, grain))


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
