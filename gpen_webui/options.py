"""What a user can ask for when a photo is restored: one set of options for every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from gpen_webui.errors import UserError

MODES = ("natural", "strong", "detail")
FORMATS = ("same", "png", "jpeg", "webp")
RANGES = {
    "strength": (0, 100),
    "denoise": (0, 100),
    "sharpen": (0, 100),
    "contrast": (-50, 50),
    "brightness": (-50, 50),
    "min_face": (0, 10_000),
    "quality": (1, 100),
    "max_megapixels": (1, 1_000),
}
CHOICES = {"mode": MODES, "format": FORMATS}
YES, NO = ("1", "true", "on", "yes"), ("0", "false", "off", "no", "")


class OptionError(UserError):
    """An option has an unknown name or a value out of its range."""


@dataclass(frozen=True)
class RestoreOptions:
    """How photos are restored.

    strength: 0-100, how much of the restored face replaces the original.
    mode: see `adjust.apply_mode`.
    denoise, sharpen: 0-100; contrast, brightness: -50..50; 0 changes nothing.
    protect_skin: keep the skin's own tone. enhance_detail: bring out fine detail.
    min_face: faces whose box is narrower than this many pixels are left alone.
    format: same as the input, or png, jpeg, webp. quality: of JPEG and WebP, 1-100.
    max_megapixels: larger photos are refused.
    aligned: the photo is an upright square crop; run the network on it and nothing else.
    """

    strength: int = 70
    mode: str = "natural"
    denoise: int = 0
    sharpen: int = 0
    contrast: int = 0
    brightness: int = 0
    protect_skin: bool = True
    enhance_detail: bool = False
    min_face: int = 24
    format: str = "same"
    quality: int = 92
    max_megapixels: int = 100
    aligned: bool = False

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> RestoreOptions:
        """Options from a form, JSON or the command line; what is not given keeps its default.

        Raises OptionError, naming the option, for an unknown name or an impossible value.
        """
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise OptionError(f"There is no option “{name}”; use {', '.join(sorted(known))}.")
        return cls(**{name: _parse(name, value) for name, value in values.items()})

    def as_dict(self) -> dict[str, object]:
        """All options by name, as `parse` takes them."""
        return asdict(self)

    def network_key(self) -> tuple[object, ...]:
        """The options on which the network's output depends: while they stay, so does it."""
        return (self.min_face, self.aligned, self.max_megapixels)


def _parse(name: str, value: object) -> object:
    if name in CHOICES:
        return _choice(name, value)
    if name in RANGES:
        return _whole_number(name, value)
    return _switch(name, value)


def _choice(name: str, value: object) -> str:
    if value not in CHOICES[name]:
        raise OptionError(f"{name} is “{value}”, but must be one of {', '.join(CHOICES[name])}.")
    return str(value)


def _whole_number(name: str, value: object) -> int:
    low, high = RANGES[name]
    try:
        number = float(value)  # type: ignore[arg-type]
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        whole, number = low - 1, low - 1
    if isinstance(value, bool) or whole != number or not low <= whole <= high:
        raise OptionError(f"{name} is “{value}”, but must be a whole number, {low} to {high}.")
    return whole


def _switch(name: str, value: object) -> bool:
    text = str(value).strip().lower()
    if text not in YES + NO:
        raise OptionError(f"{name} is “{value}”, but must be on or off.")
    return text in YES
