"""File `metrics.jsonl` in the folder of a run, with a line of JSON for the values at each position of training. Read it with `tail -f`."""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.tracking.journal import Point

log = logging.getLogger(__name__)
FILE = "metrics.jsonl"


class PlainLog:
    """Copy of the points of a journal, for users and shell tools. ganbench never reads it, and a write error does not stop the run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._complete = False  # whether the file contains exactly the points so far
        self._warned = False

    def write(self, points: Sequence[Point], new: Sequence[Point]) -> None:
        """Append the new points. Write all points if the file is from an earlier process, or after a write error."""
        text = "".join(lines(new if self._complete else points))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a" if self._complete else "w", encoding="utf-8") as file:
                file.write(text)
            self._complete = True
        except OSError as error:
            if not self._warned:
                log.warning(
                    "%s cannot be written (%s): a later write repairs it when the disk has space", self._path, error.strerror or error
                )
            self._complete, self._warned = False, True


def lines(points: Sequence[Point]) -> Iterator[str]:
    """Yield a line for each position of training. Values that are not finite are null."""
    for (images, seconds, _), group in itertools.groupby(points, key=lambda point: (point[0], point[1], point[4])):
        values = {key: value if math.isfinite(value) else None for _, _, key, value, _ in group}
        yield json.dumps({"images": images, "seconds": round(seconds, 3), **values}) + "\n"
