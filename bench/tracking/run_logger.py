"""What one run writes to its store: points, tags, artifacts, its end. It goes into a journal, which `bench.tracking.delivery` sends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.core.lock_check import free
from bench.tracking import results
from bench.tracking.delivery import Delivery, Direct
from bench.tracking.journal import End, Journal
from bench.tracking.plain_log import PlainLog

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_SECONDS = 10.0


class RunLog:
    """What one run writes. If its journal has a folder, it outlives its store; else a store that does not answer is a UserError."""

    def __init__(self, client: MlflowClient, journal: Journal, *, resumed: bool = False, check: Callable[[], None] = free) -> None:
        """`resumed`: the run in the store has what the journal of its checkpoint says. `check` is called before every write."""
        self.run_id = journal.run_id
        self.resumed = resumed
        self.seconds = 0.0  # spent writing
        self._journal, self._check = journal, check
        folder = journal.folder
        self._delivery = Delivery(client, journal, check) if folder else Direct(client, journal)
        self._plain = PlainLog(folder) if folder else None
        self._end_at: int | None = None  # points that the end of the run is to have
        self._flushed = time.monotonic()

    @property
    def position(self) -> int:
        """The number of points so far."""
        return len(self._journal.points)

    def points(self, values: Mapping[str, float], *, images: int, train_seconds: float) -> None:
        """Log values of metric cards at a position of training. What is no finite number goes into the curve alone."""
        started, now = time.perf_counter(), int(time.time() * 1000)
        new = [(images, train_seconds, key, float(value), now) for key, value in values.items()]
        self._journal.points += new
        if self._plain:
            self._check()
            self._plain.write(self._journal.points, new)
        self.seconds += time.perf_counter() - started
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what may be sent, if it is time."""
        started = time.perf_counter()
        self._delivery.flush_if_due()
        self._flushed = time.monotonic()
        self.seconds += time.perf_counter() - started

    def tag(self, **tags: str) -> None:
        """Set tags."""
        self._journal.tags |= tags
        self.flush()

    def json(self, path: str, value: Mapping[str, Any]) -> None:
        """Log a JSON artifact with sorted keys."""
        self.artifact(path, json.dumps(value, sort_keys=True, indent=2, allow_nan=False).encode())

    def artifact(self, path: str, content: bytes) -> None:
        """Log an artifact of these bytes."""
        self._check()
        self._journal.artifact(path, content)
        self.flush()

    def settle(self) -> None:
        """Have everything that a checkpoint's journal names on the disk. Raises OSError."""
        self._check()
        self._journal.settle()

    def may_send(self, points: int) -> None:
        """Let the first so many points be sent: no checkpoint is from before them."""
        self._delivery.points = points
        self.flush()

    def end_at(self, points: int) -> None:
        """Have the store get no more than so many points, though the curve shows all: the resumed run is going to log the rest again."""
        self._end_at = points

    def state_dict(self) -> dict[str, Any]:
        """Return the journal as it is, for a checkpoint."""
        return {**self._journal.state_dict(), "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the journal of a checkpoint; a new run in the store is sent all of it. Raises Damaged."""
        self._journal.restore(state, resumed=self.resumed)
        self.seconds = float(state["seconds"])

    def finish(self, status: str, reason: str = "") -> None:
        """End the run with its status: log the whole curve, and send the rest."""
        self.artifact(results.CURVES, self._curve())
        started = time.perf_counter()
        self._journal.points = self._journal.points[: self._end_at]
        self._journal.tags |= {"status": status, "reason": reason[:4000]}
        self._journal.end = End.model_validate({"status": status, "ms": int(time.time() * 1000)})
        self._delivery.end()
        self.seconds += time.perf_counter() - started

    def _curve(self) -> bytes:
        frame = pd.DataFrame([point[:4] for point in self._journal.points], columns=["images", "seconds", "key", "value"])
        frame = frame.astype({"images": "int64", "seconds": "float64", "key": object, "value": "float64"})
        return bytes(frame.to_parquet(index=False))
