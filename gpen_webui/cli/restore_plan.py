"""What `restore` is to do, found out before the slow part of the program is loaded.

A process that decodes photos and the networks start meanwhile, as they take longest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gpen_webui.cli.option_arguments import chosen_options
from gpen_webui.files.find_photos import FoundPhoto, LeftOut, find_photos
from gpen_webui.logs import log_to_file
from gpen_webui.networks import OpeningNetworks, choose_workers, open_networks
from gpen_webui.option_kinds import OptionError
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.decoder_pool import shared_decoders
from gpen_webui.photo.formats import PHOTO_SUFFIXES
from gpen_webui.settings import Settings

Found = tuple[list[FoundPhoto], list[LeftOut]]


@dataclass(frozen=True)
class RestorePlan:
    """One run. find: looks for the photos; found: what it gave; networks: for so many photos at
    once as are restored."""

    arguments: argparse.Namespace
    options: RestoreOptions
    settings: Settings
    find: Callable[[], Found]
    found: Found
    networks: OpeningNetworks


def plan_restore(arguments: argparse.Namespace) -> RestorePlan:
    """Raises UserError for what makes the whole run impossible."""
    options = chosen_options(arguments)
    settings = Settings.from_environment(
        model=arguments.model,
        device=arguments.device,
        precision=arguments.precision,
        workers=arguments.workers,
        max_photo_seconds=arguments.max_photo_seconds,
        log_level=arguments.log_level,
        log_format=arguments.log_format,
    )
    _check_further_models(options, settings)
    exclude = arguments.output or settings.outputs
    find = partial(find_photos, arguments.paths, PHOTO_SUFFIXES, exclude=exclude)
    found = find()
    _check_is_one(options, len(found[0]))
    shared_decoders.prepare()
    workers = min(len(found[0]), choose_workers(settings))
    log_to_file(settings.outputs, settings.log_level, settings.log_format)
    networks = open_networks(settings, workers)
    return RestorePlan(arguments, options, settings, find, found, networks)


def _check_further_models(options: RestoreOptions, settings: Settings) -> None:
    """Those that are not always needed; looking at them takes time."""
    if options.enlarge_model:
        from gpen_webui.models.enlarging import check_enlarging_model

        check_enlarging_model(options.enlarge_model, settings.models)
    if options.face_mask == "parse":
        from gpen_webui.models.parsing import check_parsing_model

        check_parsing_model(options.face_mask, settings.models)


def _check_is_one(options: RestoreOptions, photos: int) -> None:
    if photos == 1:
        return
    if options.names_faces:
        raise OptionError(
            f"There are {photos} photos, each with other faces; name faces for one photo at a time."
        )
    if options.mask:
        raise OptionError(
            f"--mask belongs to one photo, but {photos} are named; name that one alone."
        )
