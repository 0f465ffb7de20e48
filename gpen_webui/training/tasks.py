"""What can be trained, for those who only need the names."""

from enum import StrEnum


class Task(StrEnum):
    """FACES: the network that restores faces. ENLARGE: the one that enlarges whole
    photos. SCRATCHES: the one that finds scratches."""

    FACES = "faces"
    ENLARGE = "enlarge"
    SCRATCHES = "scratches"


# Of the photos that are enlarged; `enlarging.kinds` makes them.
KINDS = ("clean", "web", "print")
