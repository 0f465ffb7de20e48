"""What the threads of a worker know in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from gpen_webui.errors import UserError


@dataclass
class WorkerStatus:
    """Plain values, each written whole; nobody reads two of them together.

    kind, engine: of this machine, as measured. trouble: what keeps it from working, one sentence.
    no_tickets: why none come, which does not keep it from working.
    is_away: the coordinator did not answer lately. is_drained: it wants this worker to begin
    nothing. needs_proof: the probe photo comes before any other. proofs: how often it was
    restored; restored: how many other photos.
    leaving: set when the worker is to end. ended_by: what makes it end, other than its user.
    """

    slots: int
    kind: str = ""
    engine: str = ""
    trouble: str = ""
    no_tickets: str = ""
    is_away: bool = False
    is_drained: bool = False
    needs_proof: bool = True
    proofs: int = 0
    restored: int = 0
    leaving: Event = field(default_factory=Event)
    ended_by: UserError | None = None

    @property
    def may_claim(self) -> bool:
        """Whether there is any sense in asking for a photo."""
        return not (self.is_drained or self.needs_proof or self.leaving.is_set())

    @property
    def is_of_use(self) -> bool:
        """Whether a ticket is better taken here than left to others."""
        return self.may_claim and not self.is_away
