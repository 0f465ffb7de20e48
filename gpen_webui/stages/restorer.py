"""A photo and options in, a restored photo and its report out.

Pure: the same photo, options and model give the same pixels, whoever asked for them and
whoever else is at work. Knows no job, no file and no web.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpen_webui.engines.open import open_face_parser, open_tile_engine
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.folders import DATA
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.adjust import Adjust
from gpen_webui.stages.base import (
    FaceReport,
    Intermediates,
    NetworkResult,
    PhotoStage,
    WorkingPhoto,
    last,
)
from gpen_webui.stages.choose_settings import ChooseForFaces, ChooseForPhoto
from gpen_webui.stages.enlarge import Enlarge, OpenTileEngine, TileEngines
from gpen_webui.stages.face_masks import FaceMasks, OpenFaceParser
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.faces import FindFaces, RestoreAligned, RestoreFaces
from gpen_webui.stages.repair import RepairPrint
from gpen_webui.stages.small_faces import SmallFaces
from gpen_webui.stages.turn import TurnUpright
from gpen_webui.states import ItemState

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine
    from gpen_webui.engines.photos_at_once import PhotosAtOnce
    from gpen_webui.models.installed import InstalledModel
    from gpen_webui.stages.preview import PartPreview
    from gpen_webui.stages.suggestions import Suggestion


@dataclass
class Restoration:
    """state: done or no_face. pixels: (H,W,3) uint8 RGB. is_new: False where the photo is to be
    passed on as it is. timings: seconds per stage. scale, useful_scale: how many times larger than
    the photo it is, and may be to show all that was restored. has_colours: a grey photo was given
    some. turn, is_turned, suggestions: as in WorkingPhoto. options: with which it was made.

    network: None where there were too many faces to hold.
    """

    state: str
    pixels: np.ndarray
    faces: list[FaceReport]
    network: NetworkResult | None
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    scale: int = 1
    useful_scale: int = 1
    is_new: bool = True
    has_colours: bool = False
    turn: int = 0
    is_turned: bool = False
    options: RestoreOptions = field(default_factory=RestoreOptions)
    suggestions: list[Suggestion] = field(default_factory=list)


class Restorer:
    """All stages, shared by all workers; thread-safe.

    small_faces: another network for those, or None. open_tile_engine: opens the networks that
    enlarge, each when the first photo asks for it; open_face_parser: likewise ParseNet; models: the
    folder of those of others. at_once: measures how many photos to have in work at once; None where
    that is known, or chosen by the user.
    """

    def __init__(
        self,
        engine: Engine,
        detector: FaceDetector,
        model: InstalledModel,
        small_faces: SmallFaces | None = None,
        open_tile_engine: OpenTileEngine = open_tile_engine,
        models: Path = DATA / "models",
        open_face_parser: OpenFaceParser = open_face_parser,
    ):
        self.at_once: PhotosAtOnce | None = None
        self._tile_engines = TileEngines(open_tile_engine, models)
        self.face_network = FaceNetwork(engine, model, small_faces)
        scratches = ScratchDetector(faces=detector.exact)
        self._enlarge = Enlarge(self._tile_engines, engine.size)
        self._face_masks = FaceMasks(open_face_parser, models)
        self.stages: list[PhotoStage] = [
            ChooseForPhoto(scratches),
            RepairPrint(scratches),
            FindFaces(detector, self.face_network),
            ChooseForFaces(self.face_network),
            self._enlarge,
            RestoreFaces(self.face_network, self._face_masks),
            RestoreAligned(self.face_network),
            Adjust(),
            TurnUpright(),
        ]

    @cached_property
    def preview(self) -> PartPreview:
        """Shows what a part of a photo will look like; for the page alone."""
        from gpen_webui.stages.preview import PartPreview

        return PartPreview(self._enlarge, self.face_network, self._face_masks)

    @property
    def model(self) -> InstalledModel:
        """The one that restores faces, but small ones."""
        return self.face_network.model

    @property
    def description(self) -> str:
        """One sentence for the user: what restores faces, and on which device."""
        return self.face_network.engine.description

    def restore(
        self, photo: Photo, options: RestoreOptions, *, reuse: Intermediates | None = None
    ) -> Restoration:
        """`restore_stages` from the first to the last."""
        return last(self.restore_stages(photo, options, reuse=reuse))

    def restore_stages(
        self,
        photo: Photo,
        options: RestoreOptions,
        *,
        reuse: Intermediates | None = None,
        keep_faces: bool = False,
    ) -> Generator[str, None, Restoration]:
        """Take a photo, turned and cropped as the options say, through all stages that apply;
        yields the name of each step as it is about to begin, and again where the photo may be
        stopped in between. Steps that are not needed are left out; in a crowd, network and blend
        take turns.

        reuse: what an earlier run of the same photo and model has kept; then only what depends on
        changed options is done. keep_faces: return all faces, however many there are.

        Raises NetworkError where a network's answer is no picture.
        """
        working = WorkingPhoto.of(photo, options, reuse, keep_faces)
        working.has_colours = photo.grey and self.face_network.purpose.colours
        if working.has_colours and photo.icc:
            working.warnings.append(
                "Its profile for grey pictures is left out, as it has colours now."
            )
        for stage in self.stages:
            if stage.applies(working.options, photo):
                yield from stage.run(working, working.options)
        has_face = options.aligned or any(face.restored for face in working.faces)
        return Restoration(
            ItemState.DONE if has_face else ItemState.NO_FACE,
            working.pixels,
            working.faces,
            working.network,
            working.warnings,
            working.notes,
            working.clock.seconds,
            working.scale,
            working.useful_scale,
            is_new=working.is_new,
            has_colours=working.has_colours and has_face,
            turn=working.turn,
            is_turned=working.is_turned,
            options=working.options,
            suggestions=working.suggestions,
        )

    def close(self) -> None:
        """Free the engines."""
        self.face_network.close()
        self._tile_engines.close()
        self._face_masks.close()
