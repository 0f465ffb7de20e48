"""Options that one photo of an album has of its own, as its row holds them.

Before the start a row holds those alone that were chosen for the photo: the album's may change
until then, and the photo follows them in everything else. From the start on it holds all of them,
as the album's stay as they are; NULL where they are the album's.
"""

from __future__ import annotations

import json


def fixed(own: str | None, album: dict) -> str | None:
    """The row's value from the start on. own: the same before it. album: all of the album's."""
    options = album | (json.loads(own) if own else {})
    return None if options == album else json.dumps(options)


def carried_over(own: str | None, earlier: dict, later: dict) -> str | None:
    """The row's value in another run: what differs from the earlier album's stays as it is."""
    if own is None:
        return None
    options = json.loads(own)
    differing = {name: value for name, value in options.items() if value != earlier.get(name)}
    return fixed(json.dumps(differing), later)
