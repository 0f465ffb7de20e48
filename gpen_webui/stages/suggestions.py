"""Settings that a photo asks for by what it shows, each with its reason: a pure function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpen_webui.option_kinds import OptionError
from gpen_webui.options import DEFAULTS, RestoreOptions
from gpen_webui.stages.photo_measures import FaceMeasures, PhotoMeasures
from gpen_webui.stages.turn import LIE

# The options that are chosen without being asked about each.
CHOSEN_BY_PHOTO = (
    "strength",
    "mode",
    "repair",
    "fade",
    "denoise",
    "contrast",
    "brightness",
    "enlarge",
    "background",
)

# Detail of a face (photo_measures.py), at which it is taken for very blurred, soft, sharp.
VERY_BLURRED, SOFT, SHARP = 0.055, 0.15, 0.3
LARGE_FACE = 200.0  # pixels: a smaller one is not sharp enough for a light hand
MUCH_NOISE = 2.5  # levels
DARK_WHITE = 165.0  # level of the lightest parts below which a photo is dark
DARK_BLACK = 40.0  # a dark one has blacks; without, it is faded
WANTED_WHITE = 190.0
MUCH_DAMAGE = 0.002  # of the photo
LARGEST_ENLARGED = 16e6  # pixels to which a photo is enlarged without being asked


@dataclass(frozen=True)
class Suggestion:
    """options: what to set. reason: one sentence. is_automatic: whether `--preset auto` does it;
    what changes the picture's shape or costs much is for a person to choose."""

    options: dict[str, Any]
    reason: str
    is_automatic: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "options": self.options,
            "reason": self.reason,
            "is_automatic": self.is_automatic,
        }


def suggest_for_photo(
    measures: PhotoMeasures, damage: float, options: RestoreOptions
) -> list[Suggestion]:
    """What the photo as a whole asks for before anything is done to it.

    damage: which part of it seems scratched, 0-1.
    """
    return list(_undecided(_of_print(measures, damage), options))


def suggest_for_faces(
    measures: PhotoMeasures,
    face: FaceMeasures | None,
    useful_scale: int,
    turn: int,
    options: RestoreOptions,
) -> list[Suggestion]:
    """What its faces and its light ask for.

    face: the largest that is restored. useful_scale: how many times the photo may be enlarged until
    that face shows all that is restored. turn: by how many quarters counterclockwise its faces lie
    turned.
    """
    return list(_undecided(_of_faces(measures, face, useful_scale, turn), options))


def is_print(measures: PhotoMeasures) -> bool:
    """Whether it may be an old print: only there are scratches looked for unasked."""
    return measures.is_single_tone or measures.is_faded


def chosen(options: RestoreOptions, suggestions: list[Suggestion]) -> RestoreOptions:
    """The options with these suggestions taken."""
    values = options.as_dict()
    for suggestion in suggestions:
        values |= suggestion.options
    return RestoreOptions(**values)


def chosen_elsewhere(options: RestoreOptions, suggestions: list[dict]) -> RestoreOptions:
    """The options with what another machine's report says of `preset`'s choices.

    Raises OptionError, KeyError, TypeError and AttributeError for what no report says.
    """
    values = options.as_dict()
    for each in suggestions:
        for name, value in each["options"].items():
            if options.preset != "auto" or name not in CHOSEN_BY_PHOTO:
                raise OptionError(f"{name} is not for preset to choose here.")
            values[name] = value
    return RestoreOptions.parse(values)


def _undecided(suggestions: Iterator[Suggestion], options: RestoreOptions) -> Iterator[Suggestion]:
    """Those of options that are left at their defaults: the others somebody has chosen."""
    for each in suggestions:
        left = {k: v for k, v in each.options.items() if getattr(options, k) == DEFAULTS[k]}
        if left:
            yield Suggestion(left, each.reason, each.is_automatic)


def _of_print(measures: PhotoMeasures, damage: float) -> Iterator[Suggestion]:
    if measures.is_faded:
        yield Suggestion({"fade": "auto"}, "It looks faded: its levels can be evened out.")
    if damage >= MUCH_DAMAGE:
        yield Suggestion(
            {"repair": "auto"},
            f"Scratches or dust cover {100 * damage:.1f} % of it: they can be filled in.",
            is_automatic=is_print(measures),
        )


def _of_faces(
    measures: PhotoMeasures, face: FaceMeasures | None, useful_scale: int, turn: int
) -> Iterator[Suggestion]:
    if face is not None:
        yield from _of_largest(face)
    yield from _of_noise(measures)
    yield from _of_light(measures)
    if face is not None and useful_scale > 1:
        width, height = measures.size
        yield Suggestion(
            {"enlarge": str(useful_scale), "background": "clean"},
            f"The largest face is {face.width:.0f} px wide: enlarged {useful_scale} times it "
            "shows the restored detail.",
            is_automatic=width * height * useful_scale**2 <= LARGEST_ENLARGED,
        )
    if turn:
        yield Suggestion(
            {"upright": True},
            f"All faces {LIE[turn]}: the photo can be turned upright.",
            is_automatic=False,
        )


def _of_largest(face: FaceMeasures) -> Iterator[Suggestion]:
    if face.detail is None:
        return
    if face.detail < VERY_BLURRED:
        yield Suggestion(
            {"strength": 100, "mode": "strong"},
            "The largest face is very blurred: the strong look draws it anew.",
        )
    elif face.detail < SOFT:
        yield Suggestion({"strength": 95}, "The largest face is soft: more of it can be restored.")
    elif face.detail >= SHARP and face.width >= LARGE_FACE:
        yield Suggestion({"strength": 50}, "The largest face is sharp: a light hand keeps it so.")


def _of_noise(measures: PhotoMeasures) -> Iterator[Suggestion]:
    is_grain = measures.is_single_tone and measures.is_coarse
    if measures.noise < MUCH_NOISE or (measures.is_coarse and not is_grain):
        return  # what is coarse in colour may be a texture
    share = min(90, round(30 + 8 * measures.noise, -1))
    if is_grain:
        yield Suggestion(
            {"denoise": int(share // 2)},
            f"It has a grain of about {measures.noise:.0f} levels: some of it can be taken away.",
        )
    else:
        yield Suggestion(
            {"denoise": int(share)},
            f"It has noise of about {measures.noise:.0f} levels: most of it can be removed.",
        )


def _of_light(measures: PhotoMeasures) -> Iterator[Suggestion]:
    if measures.white >= DARK_WHITE or measures.black >= DARK_BLACK:
        return
    brightness = round(min(24.0, (WANTED_WHITE - measures.white) / 64 * 50))
    yield Suggestion(
        {"brightness": brightness, "contrast": 8},
        "Even its lightest parts are dark: the photo can be made brighter.",
    )
