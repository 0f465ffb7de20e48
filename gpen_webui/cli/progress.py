"""What the terminal shows of a run: a bar with count and ETA, plain lines, or JSON lines."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tqdm import tqdm

# A file's name may hold what moves the cursor, colours the terminal or reverses the text.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Progress:
    """Tells the user about one run. Talk goes to stderr; JSON lines, alone, to stdout."""

    def __init__(self, total: int, as_json: bool):
        self._as_json = as_json
        self._bar = tqdm(total=total, unit="photo", disable=as_json or not sys.stderr.isatty())

    def say(self, sentence: str) -> None:
        """Print one line without disturbing the bar."""
        tqdm.write(UNSAFE.sub(lambda found: ascii(found[0])[1:-1], sentence), file=sys.stderr)

    def photo(self, report: dict) -> None:
        """Tell what came of one photo."""
        self._bar.update()
        if self._as_json:
            print(json.dumps(report), flush=True)
        elif report["state"] == "failed":
            self.say(report["error"]["message"])
        elif self._bar.disable:
            self.say(f"{report['name']}: {_outcome(report)}")

    def skipped(self, report: dict) -> None:
        """Count a photo whose result was there already."""
        self._bar.update()
        if self._as_json:
            print(json.dumps({**report, "skipped": True}), flush=True)

    def close(self, counts: dict[str, int], folder: Path) -> None:
        """Sum up."""
        self._bar.close()
        if self._as_json:
            print(json.dumps({"counts": counts, "folder": str(folder)}), flush=True)
            return
        parts = [f"{counts['done']} restored"]
        if counts["no_face"]:
            parts.append(f"{counts['no_face']} without a face, saved unchanged")
        if counts["failed"]:
            parts.append(f"{counts['failed']} failed")
        self.say(f"{', '.join(parts)}. Results: {folder}")


def _outcome(report: dict) -> str:
    if report["state"] == "no_face":
        return "no face found, saved unchanged"
    count = sum(face["restored"] for face in report["faces"])
    seconds = sum(report["seconds"].values())
    return f"{count} {'face' if count == 1 else 'faces'} restored in {seconds:.1f} s"
