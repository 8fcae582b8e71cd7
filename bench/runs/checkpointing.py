"""Checkpoints of a training run: when the run saves them, and from which one an interrupted run resumes."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.core.errors import UserError, one_line
from bench.core.lock_check import free
from bench.tracking.run_logger import RunLog
from bench.training.checkpoints import CheckpointStore

log = logging.getLogger(__name__)
SHARE = 0.01  # fraction of the wall-clock time that checkpoints may take
SECONDS = 30.0  # minimum time between two checkpoints
VARIABLE = "GANBENCH_CHECKPOINT_SECONDS"


def interval() -> float:
    """Return the minimum time between two checkpoints in seconds: `$GANBENCH_CHECKPOINT_SECONDS`, else 30. Raises UserError for an invalid value."""
    given = os.environ.get(VARIABLE, "")
    try:
        seconds = float(given) if given else SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{VARIABLE} takes seconds from 0 up, e.g. 30, not {given!r}")
    return seconds


class Checkpointer:
    """Checkpointer of a training run. It also allows the log to send the points that the older of the two checkpoints contains."""

    def __init__(self, checkpoints: CheckpointStore, log_: RunLog, *, seconds: float = SECONDS, check: Callable[[], None] = free) -> None:
        """Create the checkpointer of a run. A resumed run already has a checkpoint, with the current points of its log.

        `check` raises LockLost if another process has taken over the run lock. Then nothing is written.
        """
        self._checkpoints, self._log, self._least, self._check = checkpoints, log_, seconds, check
        self._newest = log_.position if log_.resumed else None  # number of points in the newest checkpoint
        self._next = time.monotonic() + seconds
        self._failing = False

    @property
    def has_checkpoint(self) -> bool:
        """True if this run has a checkpoint."""
        return self._newest is not None

    def due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return time.monotonic() >= self._next

    def save(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a checkpoint. A write error does not stop the run. The first error is logged."""
        started, older = time.monotonic(), self._newest
        try:
            self._log.flush_to_disk()
            points = self._log.position
            if older is None:  # existing files are from an earlier run of the same configuration
                self._checkpoints.save_alone(state(), check=self._check)
            else:
                self._checkpoints.save(state(), check=self._check)
            self._newest, self._failing = points, False
        except OSError as error:
            if not self._failing:
                log.warning("a checkpoint cannot be written (%s): the run continues without it", one_line(error, most=200))
            self._failing = True
        ended = time.monotonic()
        self._next = ended + max(self._least, (ended - started) / SHARE)
        if older is not None and not self._failing:
            self._log.allow_points(older)

    def stop(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save the checkpoint from which an interrupted run resumes. It replaces both checkpoints, so that all points may be sent."""
        self.save(state)
        if self._failing:
            self.fall_back()
            return
        self._check()
        try:
            self._checkpoints.double()
        except OSError:
            self._checkpoints.before.unlink(missing_ok=True)

    def fall_back(self) -> None:
        """Limit the points to send to those of the newest checkpoint, because the resumed run logs later ones again. Remove the older checkpoint."""
        self._check()
        self._log.limit_points(self._newest or 0)
        if self._newest is not None:
            self._checkpoints.before.unlink(missing_ok=True)
