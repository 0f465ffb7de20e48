"""What the terminal shows of a run: a bar with count and ETA, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_webui.files.find_photos import LeftOut, Why
from gpen_webui.files.names import printable
from gpen_webui.pipeline import COMPRESSED, STAGE_WORDS
from gpen_webui.states import ItemState

if TYPE_CHECKING:
    from tqdm import tqdm

LEFT_OUT_WORDS = {
    Why.NOT_A_PHOTO: "not photos",
    Why.HIDDEN: "hidden",
    Why.SERVICE: "kept by a device or system for itself",
    Why.SEEN: "folders that are there already under another name",
    Why.LINK: "links to folders",
    Why.UNREADABLE: "unreadable",
}
WAS_THERE = "The result was there before this run and was left as it was."


class Progress:
    """Tells the user about one run. Talk goes to stderr; JSON lines, alone, to stdout."""

    def __init__(self, total: int, as_json: bool):
        self._as_json = as_json
        self._taken_for_results = 0
        self._made_otherwise = 0
        self._unchanged = 0
        self._is_alone = total == 1
        self._says_compressed = True
        self._bar = None if as_json or not sys.stderr.isatty() else _bar(total)

    def say(self, sentence: str) -> None:
        """Print one line without disturbing the bar."""
        if self._bar is None:
            print(printable(sentence), file=sys.stderr)
        else:
            self._bar.write(printable(sentence), file=sys.stderr)

    def left_out(self, left_out: Sequence[LeftOut]) -> None:
        """Tell what of the folders is not restored: how many of what, the unreadable by name."""
        found = Counter(some.why for some in left_out)
        if found:
            parts = [f"{found[why]} {words}" for why, words in LEFT_OUT_WORDS.items() if found[why]]
            self.say(f"Left out: {', '.join(parts)}.")
        for some in left_out:
            if some.why is Why.UNREADABLE:
                self.say(f"{some.path} cannot be read ({some.detail}); check its permissions.")

    def photo(self, report: dict) -> None:
        """Tell what came of one photo."""
        self._advance()
        self._unchanged += report.get("unchanged", True) and report["state"] == ItemState.NO_FACE
        if self._as_json:
            print(json.dumps(report), flush=True)
        elif report["state"] == ItemState.FAILED:
            self.say(report["error"]["message"])
        elif self._bar is None or self._is_alone:
            self.say(f"{report['name']}: {_outcome(report)}")
            for sentence in [*report["warnings"], *self._worth_saying(report["notes"])]:
                self.say(f"  {sentence}")
        else:  # a bar has no room for more than what is wrong
            for warning in report["warnings"]:
                self.say(f"{report['name']}: {warning}")

    def stage(self, name: str, stage: str, percent: int | None) -> None:
        """Show beside the bar what is being done to a photo that is in work."""
        if self._bar is not None:
            share = "" if percent is None else f" {percent} %"
            self._bar.set_postfix_str(printable(f"{name}: {STAGE_WORDS[stage]}{share}"))

    def _advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def _worth_saying(self, notes: list[str]) -> list[str]:
        """What holds for most photos is said once."""
        worth = [note for note in notes if note != COMPRESSED or self._says_compressed]
        self._says_compressed &= COMPRESSED not in notes
        return worth

    def skipped(self, report: dict, made_otherwise: bool) -> None:
        """Count a photo whose result, or a file of that name, was there already.

        made_otherwise: with other settings, or by another model, than are asked for now.
        """
        self._advance()
        self._unchanged += report.get("unchanged", True) and report["state"] == ItemState.NO_FACE
        self._taken_for_results += WAS_THERE in report["warnings"]
        self._made_otherwise += made_otherwise
        if self._as_json:
            line = {**report, "skipped": True, "other_settings": made_otherwise}
            print(json.dumps(line), flush=True)

    def close(
        self, counts: dict[str, int], folder: Path, left_out: Sequence[LeftOut], earlier: int
    ) -> None:
        """Sum up.

        counts: of this run's photos. earlier: how many others the folder's report tells of.
        """
        if self._bar is not None:
            self._bar.close()
        if self._as_json:
            listed = [some.as_dict() for some in left_out]
            summary = {
                "counts": counts,
                "folder": str(folder),
                "left_out": listed,
                "of_earlier_runs": earlier,
            }
            print(json.dumps(summary), flush=True)
            return
        parts = [f"{counts['done']} restored"]
        if counts["no_face"]:
            unchanged = ", saved unchanged" if self._unchanged == counts["no_face"] else ""
            parts.append(f"{counts['no_face']} without a restored face{unchanged}")
        if counts["failed"]:
            parts.append(f"{counts['failed']} failed")
        if unreadable := sum(some.why is Why.UNREADABLE for some in left_out):
            parts.append(f"{unreadable} unreadable")
        self.say(f"{', '.join(parts)}. Results: {folder}")
        if number := self._taken_for_results:
            self.say(
                f"Of these {number} {'was' if number == 1 else 'were'} not looked at, as files of "
                "the results' names were there; if they are no results, start again without "
                "--skip-existing."
            )
        if number := self._made_otherwise:
            self.say(
                f"Of these {number} {'was' if number == 1 else 'were'} kept as an earlier run made "
                f"{'it' if number == 1 else 'them'}, with other settings or another model; to "
                "restore with what is asked now, start again without --skip-existing."
            )
        if earlier:
            photos = "1 photo" if earlier == 1 else f"{earlier} photos"
            self.say(f"The report there also tells of {photos} of earlier runs.")


def _bar(total: int) -> tqdm:
    from tqdm import tqdm  # slow to load

    return tqdm(total=total, unit="photo")


def _outcome(report: dict) -> str:
    if report["state"] == ItemState.NO_FACE:
        outcome = "no face restored" if report["faces"] else "no face found"
        return outcome + (", saved unchanged" if report.get("unchanged", True) else "")
    seconds = sum(report["seconds"].values())
    if report["options"]["aligned"]:
        return f"restored as one face in {seconds:.1f} s"
    count = sum(face["restored"] for face in report["faces"])
    return f"{count} {'face' if count == 1 else 'faces'} restored in {seconds:.1f} s"
