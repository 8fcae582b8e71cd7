"""Log of one run. It adds points, tags, artifacts, the data and the end of the run to a journal, which `bench.tracking.delivery` sends."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.core.lock_check import free
from bench.metrics.columns import SE, is_metric, is_standard_error
from bench.tracking import logged_images, results
from bench.tracking.delivery import Delivery, DirectDelivery
from bench.tracking.inputs import DataInput
from bench.tracking.journal import End, RunJournal
from bench.tracking.plain_log import PlainLog
from bench.tracking.tags import LOGGED_ARTIFACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_SECONDS = 10.0


class RunLog:
    """Log of one run. If its journal has a folder, the run continues when the store does not answer. Without a folder, the log raises UserError."""

    def __init__(
        self, client: MlflowClient, journal: RunJournal, *, started: int = 0, resumed: bool = False, check: Callable[[], None] = free
    ) -> None:
        """Create the log of a run that started at `started`, in ms since 1970.

        If `resumed`, the store has the writes that the journal counts as acknowledged. `check` runs before each write.
        """
        self.run_id = journal.run_id
        self.resumed = resumed
        self.seconds = 0.0  # time for logging so far
        self._journal, self._check, self._started = journal, check, started
        folder = journal.folder
        self._delivery = Delivery(client, journal, check) if folder else DirectDelivery(client, journal)
        self._plain = PlainLog(folder) if folder else None
        self._limit: int | None = None  # number of points to send at the end of the run, or None for all
        self._flushed = time.monotonic()

    @property
    def position(self) -> int:
        """Number of points so far."""
        return len(self._journal.points)

    def points(self, values: Mapping[str, float], *, images: int, train_seconds: float) -> None:
        """Log values of metric cards at a position of training. Only the curve gets values that are not finite."""
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
        """Send pending writes if it is time for the next delivery."""
        started = time.perf_counter()
        self._delivery.flush_if_due()
        self._flushed = time.monotonic()
        self.seconds += time.perf_counter() - started

    def tag(self, **tags: str) -> None:
        """Set tags of the run."""
        self._journal.tags |= tags
        self.flush()

    def inputs(self, inputs: Sequence[DataInput]) -> None:
        """Log the data of the run."""
        self._check()
        self._journal.inputs = list(inputs)
        self.flush()

    def json(self, path: str, value: Mapping[str, Any]) -> None:
        """Log a JSON artifact with sorted keys."""
        self.artifact(path, json.dumps(value, sort_keys=True, indent=2, allow_nan=False).encode())

    def artifact(self, path: str, content: bytes) -> None:
        """Log bytes as an artifact."""
        self._check()
        self._journal.artifact(path, content)
        self.flush()

    def image(self, key: str, step: int, png: bytes) -> None:
        """Log an image that MLflow's pages show at a step. It replaces an earlier image with this key and step."""
        self._journal.tags |= logged_images.TAG | {logged_images.LAST: str(step)}
        for path, content in logged_images.image_files(self.run_id, key, step, png, started=self._started).items():
            self.artifact(path, content)

    def end_at(self, step: int | None) -> None:
        """Set the last step of MLflow's points: MLflow gets points with more images at this step. The curve has the exact numbers of images."""
        self._journal.last_step = step

    def flush_to_disk(self) -> None:
        """Write all artifacts to disk, so that a checkpoint can refer to them. Raises OSError."""
        self._check()
        self._journal.flush_to_disk()

    def allow_points(self, points: int) -> None:
        """Allow the delivery to send the first `points` points, because both checkpoints contain them."""
        self._delivery.points = points
        self.flush()

    def limit_points(self, points: int) -> None:
        """Set the number of points to send at the end. The resumed run logs the other points again. The curve has all of them."""
        self._limit = points

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the journal, for a checkpoint."""
        return {**self._journal.state_dict(), "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the journal of a checkpoint. If the run in the store is new, all points are pending. Raises DamagedJournal."""
        self._journal.restore(state, resumed=self.resumed)
        self.seconds = float(state["seconds"])

    def finish(self, status: str, reason: str = "") -> None:
        """End the run with a status: log the table of metrics and the whole curve, and send all pending writes."""
        self._log_table()
        self.artifact(results.CURVES, self._curve())
        started = time.perf_counter()
        self._journal.points = self._journal.points[: self._limit]
        self._journal.tags |= {"status": status, "reason": reason[:4000]}
        self._journal.end = End.model_validate({"status": status, "ms": int(time.time() * 1000)})
        self._delivery.end()
        self.seconds += time.perf_counter() - started

    def _log_table(self) -> None:
        """Log the last values of the measured metrics with their standard errors as a table of MLflow. Without metrics, log nothing."""
        last = {key: value for _, _, key, value, _ in self._journal.points}
        keys = [key for key in last if is_metric(key) and not is_standard_error(key) and not key.startswith(("train/", "perf/"))]
        if keys:
            rows = [[key, *(_finite(last.get(name)) for name in (key, f"{key}{SE}"))] for key in keys]
            self.json(results.METRICS, {"columns": ["metric", "value", "standard error"], "data": rows})
            self._journal.tags |= {LOGGED_ARTIFACTS: json.dumps([{"path": results.METRICS, "type": "table"}])}

    def _curve(self) -> bytes:
        frame = pd.DataFrame([point[:4] for point in self._journal.points], columns=["images", "seconds", "key", "value"])
        frame = frame.astype({"images": "int64", "seconds": "float64", "key": object, "value": "float64"})
        return bytes(frame.to_parquet(index=False))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
