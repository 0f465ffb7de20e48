"""What a user can ask for when a photo is restored: one descriptor per option.

The command line, the form, the API and the documents' tables are made from these descriptors,
so that a new option is added here, where it is used, and in its test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gpen_webui.option_kinds import (
    N_,
    Choice,
    CropBox,
    DrawnBoxes,
    FaceBoxes,
    FaceList,
    FaceValues,
    Group,
    Mask,
    ModelName,
    Option,
    OptionError,
    Switch,
    WholeNumber,
)
from gpen_webui.states import Stage

MODES = ("natural", "strong", "detail")
# What repairing changes, everything after it works on.
ON_REPAIRED = (Stage.REPAIR, Stage.DETECT, Stage.ENLARGE, Stage.NETWORK)


def _option(default: Any, descriptor: Option) -> Any:
    return field(default=default, metadata={"option": descriptor})


@dataclass(frozen=True)
class RestoreOptions:
    """How a photo is restored: a value for each option."""

    preset: str = _option(
        "off",
        Choice(
            "auto chooses by what each photo shows the strength, the mode, what is repaired, its "
            "noise and light, and how far a small one is enlarged, as far as these options are "
            "left at their defaults; the report says what and why",
            Group.LOOK,
            in_presets=False,
            choices=("off", "auto"),
        ),
    )
    strength: int = _option(
        70,
        WholeNumber(
            "how much of the restored face replaces the original; 0 keeps the original's pixels",
            Group.LOOK,
            label=N_("Strength"),
        ),
    )
    mode: str = _option(
        "natural",
        Choice(
            "natural keeps light and colours, strong is the network's output as it is, "
            "detail adds only fine detail",
            Group.LOOK,
            label=N_("Look"),
            choices=MODES,
            labels=(N_("Natural"), N_("Strong"), N_("Detail")),
            hints=(
                N_("Keeps the light and colour of the photo"),
                N_("Sharpest, invents the most"),
                N_("Only lashes, hair and edges"),
            ),
        ),
    )
    repair: str = _option(
        "off",
        Choice(
            "auto finds scratches, cracks, dust and the like in the whole photo and fills them in",
            Group.WHOLE,
            label=N_("Scratches and dust"),
            in_presets=False,
            kept_for=ON_REPAIRED,
            choices=("off", "auto"),
            labels=(N_("Leave as they are"), N_("Find and fill in")),
        ),
    )
    mask: str = _option(
        "",
        Mask(
            "marks what is damaged in one photo and is to be filled in; in JSON a PNG as base64",
            Group.WHOLE,
            in_presets=False,
            kept_for=ON_REPAIRED,
        ),
    )
    fade: str = _option(
        "off",
        Choice(
            "auto evens out what has faded: spreads the levels, lessens a cast, gently",
            Group.WHOLE,
            label=N_("Fading"),
            in_presets=False,
            kept_for=ON_REPAIRED,
            choices=("off", "auto"),
            labels=(N_("Leave as it is"), N_("Even out")),
        ),
    )
    denoise: int = _option(
        0,
        WholeNumber(
            "how much of the whole photo's noise is removed", Group.TOUCHES, N_("Remove noise")
        ),
    )
    sharpen: int = _option(0, WholeNumber("sharpens the whole photo", Group.TOUCHES, N_("Sharpen")))
    contrast: int = _option(
        0,
        WholeNumber(
            "more or less contrast in the whole photo",
            Group.TOUCHES,
            N_("Contrast"),
            low=-50,
            high=50,
        ),
    )
    brightness: int = _option(
        0,
        WholeNumber(
            "makes the whole photo brighter or darker",
            Group.TOUCHES,
            N_("Brightness"),
            low=-50,
            high=50,
        ),
    )
    enlarge: str = _option(
        "1",
        Choice(
            "how many times larger the result is than the photo; auto goes so far that the largest "
            "face has as many pixels as the model restores",
            Group.WHOLE,
            label=N_("Enlarge"),
            in_presets=False,
            choices=("1", "2", "4", "auto"),
            labels=(N_("No"), N_("2 times"), N_("4 times"), N_("As far as the faces gain")),
        ),
    )
    background: str = _option(
        "off",
        Choice(
            "what becomes of the photo outside the faces; off only enlarges it, clean makes it "
            "sharper and removes faint noise and JPEG blocks, restore also removes strong noise",
            Group.WHOLE,
            label=N_("Background"),
            in_presets=False,
            kept_for=(Stage.ENLARGE,),
            choices=("off", "clean", "restore"),
            labels=(N_("Leave it as it is"), N_("Clean it"), N_("Restore it")),
        ),
    )
    enlarge_model: str = _option(
        "",
        ModelName(
            "another network that enlarges or cleans the photo, whichever background is chosen: "
            "one of those in the models list, or any of the ESRGAN or Real-ESRGAN kind",
            Group.WHOLE,
            label=N_("Enlarge with"),
            in_presets=False,
            kept_for=(Stage.ENLARGE,),
            none=N_("This program’s own network"),  # noqa: RUF001
        ),
    )
    protect_skin: bool = _option(
        True,
        Switch(
            "moves the skin's mean colour back to the original's, whichever skin it is; "
            "not in strong mode",
            Group.TOUCHES,
            N_("Keep the skin’s own tone"),  # noqa: RUF001
        ),
    )
    enhance_detail: bool = _option(
        False,
        Switch(
            "brings out fine detail of the whole photo",
            Group.TOUCHES,
            N_("Bring out fine detail"),
        ),
    )
    min_face: int = _option(
        24,
        WholeNumber(
            "faces narrower than this are left alone, and the report says so",
            Group.FILE,
            N_("Leave faces alone that are narrower than"),
            kept_for=(Stage.NETWORK,),
            high=10_000,
            unit="pixels",
        ),
    )
    face_mask: str = _option(
        "feather",
        Choice(
            "how restored faces are blended in: feather with a soft edge around them; parse only "
            "where ParseNet (`models download parsenet-latest`) sees skin, features, glasses, hair "
            "or neck, so that what is before or behind a face stays as it was",
            Group.FILE,
            N_("Blend faces in"),
            in_presets=False,
            choices=("feather", "parse"),
            labels=(N_("With a soft edge around them"), N_("Only where ParseNet sees face")),
            needs="parse",
        ),
    )
    rotate: str = _option(
        "0",
        Choice(
            "turns the photo clockwise by so many degrees before anything else is done to it",
            Group.FILE,
            in_presets=False,
            kept_for=ON_REPAIRED,
            choices=("0", "90", "180", "270"),
        ),
    )
    crop: str = _option(
        "",
        CropBox(
            "keeps only this part of the photo, seen upright and turned as rotate says",
            Group.FILE,
            in_presets=False,
            kept_for=ON_REPAIRED,
        ),
    )
    upright: bool = _option(
        False,
        Switch(
            "turns a photo in which all faces lie on their side, or all stand on their head",
            Group.FILE,
            N_("Turn the photo so that its faces are upright"),
            in_presets=False,
        ),
    )
    format: str = _option(
        "same",
        Choice(
            "the format of the results; same is the photo's own",
            Group.FILE,
            N_("Save as"),
            in_presets=False,
            choices=("same", "png", "jpeg", "webp"),
            labels=(N_("Same as the photo"), "PNG", "JPEG", "WebP"),
        ),
    )
    quality: int = _option(
        92,
        WholeNumber(
            "how well results in JPEG, WebP, HEIC and AVIF are kept; less makes smaller files",
            Group.FILE,
            N_("JPEG and WebP quality"),
            in_presets=False,
            low=1,
        ),
    )
    copy_date: bool = _option(
        True,
        Switch(
            "gives the result the date of the photo's file",
            Group.FILE,
            in_presets=False,
        ),
    )
    max_megapixels: int = _option(
        100,
        WholeNumber(
            "larger photos are refused",
            Group.FILE,
            in_presets=False,
            kept_for=(Stage.NETWORK,),
            low=1,
            high=1_000,
        ),
    )
    aligned: bool = _option(
        False,
        Switch(
            "the photos are upright square crops: resize to the model, run it, save, nothing else",
            Group.FILE,
            in_presets=False,
            kept_for=(Stage.NETWORK,),
        ),
    )

    faces: str = _option(
        "",
        FaceList(
            "restores only these faces, numbered as in the report; all where none is named",
            Group.FACES,
            in_presets=False,
        ),
    )
    not_faces: str = _option(
        "", FaceList("leaves these faces alone", Group.FACES, in_presets=False)
    )
    face_strength: str = _option(
        "",
        FaceValues(
            "another strength for some faces; at 0 a face keeps its own pixels",
            Group.FACES,
            in_presets=False,
            of=WholeNumber("", Group.FACES),
            example="2=40,5=100",
        ),
    )
    face_mode: str = _option(
        "",
        FaceValues(
            "another mode for some faces",
            Group.FACES,
            in_presets=False,
            of=Choice("", Group.FACES, choices=MODES),
            example="2=strong",
        ),
    )
    face_boxes: str = _option(
        "",
        FaceBoxes(
            "where the named faces must be: it is an error if another face has the number now",
            Group.FACES,
            in_presets=False,
        ),
    )

    add_face: str = _option(
        "",
        DrawnBoxes(
            "a face that was missed, in this box of the photo as it is opened; may be given more "
            "than once, and its number follows those of the faces that were found",
            Group.FACES,
            in_presets=False,
        ),
    )

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> RestoreOptions:
        """Options from a form, JSON or the command line; what is not given keeps its default.

        Raises OptionError, naming the option, for an unknown name or an impossible value.
        """
        for name in values:
            if name not in OPTIONS:
                raise OptionError(f"There is no option “{name}”; use {', '.join(sorted(OPTIONS))}.")
        return cls(**{name: OPTIONS[name].parse(name, value) for name, value in values.items()})

    def as_dict(self) -> dict[str, Any]:
        """All options by name, as `parse` takes them."""
        return asdict(self)

    def without_mask(self) -> dict[str, Any]:
        """The same for reports and lists, in which a picture has no place."""
        return {**asdict(self), "mask": ""}

    @property
    def is_framed(self) -> bool:
        """Whether the photo is turned or cropped before it is restored."""
        return self.rotate != "0" or bool(self.crop)

    @property
    def names_faces(self) -> bool:
        """Whether they hold for one photo only, as they name its faces."""
        return any(
            getattr(self, name) for name, each in OPTIONS.items() if each.group is Group.FACES
        )

    def key_for(self, stage: Stage) -> tuple[object, ...]:
        """The options on which what a stage keeps depends: while they stay, so does it."""
        return tuple(
            getattr(self, name) for name, option in OPTIONS.items() if stage in option.kept_for
        )


OPTIONS: dict[str, Option] = {item.name: item.metadata["option"] for item in fields(RestoreOptions)}
DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(RestoreOptions)}
