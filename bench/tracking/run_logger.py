"""What one run writes to its store: points in batches, tags, artifacts, its end. How they get there is for `bench.tracking.delivery`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.tracking import results
from bench.tracking.delivery import Delivery, Direct
from bench.tracking.entry import Kind

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # metrics in one call, MLflow's limit
FLUSH_SECONDS = 10.0
MLFLOW_STATUS = {"finished": "FINISHED", "diverged": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}


class RunLog:
    """What one run writes. Points are kept and sent in batches; the whole curve becomes one artifact at the end."""

    def __init__(self, client: MlflowClient, run_id: str, *, resumed: bool = False, delivery: Delivery | None = None) -> None:
        self.run_id = run_id
        self.resumed = resumed
        self.seconds = 0.0  # spent writing
        self._delivery = delivery or Direct(client, run_id)
        self._unsent: list[list[Any]] = []
        self._points: list[tuple[int, float, str, float]] = []
        self._flushed = time.monotonic()

    def points(self, values: Mapping[str, float], *, images: int, train_seconds: float) -> None:
        """Values of metric cards at a position of training. What is no finite number goes into the curve alone."""
        now = int(time.time() * 1000)
        for key, value in values.items():
            self._points.append((images, train_seconds, key, value))
            if math.isfinite(value):
                self._unsent.append([key, value, now, images])
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what has gathered, and try again what could not be sent before."""
        while self._unsent:
            self._put("points", {"points": self._unsent[:BATCH]})
            self._unsent = self._unsent[BATCH:]
        started = time.perf_counter()
        self._delivery.nudge()
        self._flushed = time.monotonic()
        self.seconds += time.perf_counter() - started

    def tag(self, **tags: str) -> None:
        """Set tags."""
        self._put("tags", {"tags": tags})

    def json(self, path: str, value: Mapping[str, Any]) -> None:
        """A JSON artifact with sorted keys."""
        self.artifact(path, json.dumps(value, sort_keys=True, indent=2, allow_nan=False).encode())

    def artifact(self, path: str, content: bytes) -> None:
        """An artifact of these bytes."""
        self._put("artifact", {"path": path}, content)

    def _put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        started = time.perf_counter()
        self._delivery.put(kind, body, content)
        self.seconds += time.perf_counter() - started

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know of what it wrote. Everything has been put, up to `position`."""
        self.flush()
        points = [list(point) for point in self._points]
        return {"run_id": self.run_id, "points": points, "seconds": self.seconds, "position": self._delivery.position}

    @property
    def position(self) -> int:
        """The number of the next write."""
        return self._delivery.position

    def go_back(self, position: int) -> None:
        """Forget what was put from a position on. Raises OSError."""
        self._unsent.clear()
        self._delivery.go_back(position)

    def settle(self) -> None:
        """Have everything that was put outlive a crash. Raises OSError where the disk does not take it."""
        self._delivery.settle()

    def hold(self, position: int | None = None) -> None:
        """Send nothing that is put from a position on, or from now on, until told another position or the run has ended. Raises OSError."""
        self._delivery.hold(self._delivery.position if position is None else position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after these points, which a new run in the store is sent, too."""
        self._points = [(int(images), float(seconds), str(key), float(value)) for images, seconds, key, value in state["points"]]
        if not self.resumed:
            now = int(time.time() * 1000)
            self._unsent = [[key, value, now, images] for images, _, key, value in self._points if math.isfinite(value)]
        self.seconds = float(state["seconds"])

    def finish(self, status: str, reason: str = "") -> None:
        """Send the rest, store the curve, and close the run with its status."""
        self.flush()
        self.artifact(results.CURVES, self._curve())
        self.tag(status=status, reason=reason[:4000])
        self._put("end", {"status": MLFLOW_STATUS[status], "ms": int(time.time() * 1000)})
        self._delivery.close()

    def _curve(self) -> bytes:
        frame = pd.DataFrame(self._points, columns=["images", "seconds", "key", "value"])
        frame = frame.astype({"images": "int64", "seconds": "float64", "key": object, "value": "float64"})
        return bytes(frame.to_parquet(index=False))
