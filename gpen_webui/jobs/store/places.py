"""Where in its job's folder a result may go: where nothing else is, or will be."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gpen_webui.files.atomic import REPORT
from gpen_webui.files.names import numbered_folders, numbered_paths
from gpen_webui.files.placing import is_there
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.transactions import Change

if TYPE_CHECKING:
    from gpen_webui.jobs.store.claims import Claim


def free_place(
    change: Change, files: StoreFiles, claim: Claim, wanted: PurePosixPath
) -> PurePosixPath:
    """The wanted place of a result in its folder, or the next one that nothing has."""
    folder = PurePosixPath()
    for part in wanted.parent.parts:
        folder = next(
            place
            for place in numbered_folders(folder / part)
            if _can_be_folder(change, files, claim, place)
        )
    return next(
        place
        for place in numbered_paths(folder / wanted.name)
        if _can_be_file(change, files, claim, place)
    )


def _can_be_folder(change: Change, files: StoreFiles, claim: Claim, place: PurePosixPath) -> bool:
    """Whether no other result and no file on the disk has this place."""
    path = files.result(claim.folder, place)
    is_taken = str(place).casefold() == REPORT or _is_planned(change, claim, place)
    return not is_taken and (path.is_dir() or not is_there(path))


def _can_be_file(change: Change, files: StoreFiles, claim: Claim, place: PurePosixPath) -> bool:
    """Whether neither another result or its folder, nor anything on the disk has this place."""
    folded = str(place).casefold()
    query = (  # 0 follows the slash
        "SELECT 1 FROM items WHERE job = ? AND n <> ? AND folded > ? AND folded < ? LIMIT 1"
    )
    below = (claim.job_id, claim.n, f"{folded}/", f"{folded}0")
    is_taken = folded == REPORT or _is_planned(change, claim, place)
    is_folder = change.sql.execute(query, below).fetchone() is not None
    return not (is_taken or is_folder or _is_in_the_way(files, claim, place))


def _is_in_the_way(files: StoreFiles, claim: Claim, place: PurePosixPath) -> bool:
    """Whether anything but the item's earlier result is there; who has changed that result
    since keeps what it has become."""
    path = files.result(claim.folder, place)
    if place == claim.earlier and path.is_file() and not path.is_symlink():
        return path.stat().st_size != claim.earlier_size
    return is_there(path)


def _is_planned(change: Change, claim: Claim, place: PurePosixPath) -> bool:
    query = "SELECT 1 FROM items WHERE job = ? AND n <> ? AND folded = ? LIMIT 1"
    values = (claim.job_id, claim.n, str(place).casefold())
    return change.sql.execute(query, values).fetchone() is not None
