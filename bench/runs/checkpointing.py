"""Checkpoints of a training run: when they are saved, and from which one a stopped run resumes."""

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
SHARE = 0.01  # fraction of the wall clock that checkpoints may take
SECONDS = 30.0  # least time between two checkpoints
VARIABLE = "GANBENCH_CHECKPOINT_SECONDS"


def interval() -> float:
    """Return the least seconds between two checkpoints: `$GANBENCH_CHECKPOINT_SECONDS`, else 30. Raises UserError for an invalid value."""
    given = os.environ.get(VARIABLE, "")
    try:
        seconds = float(given) if given else SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{VARIABLE} takes seconds from 0 up, e.g. 30, not {given!r}")
    return seconds


class Checkpointer:
    """Saves the checkpoints of a training run, and allows the points in the older of the two to be sent to the store."""

    def __init__(self, checkpoints: CheckpointStore, log_: RunLog, *, seconds: float = SECONDS, check: Callable[[], None] = free) -> None:
        """A resumed run has a checkpoint already, with the current points of its log.

        `check` raises LockLost if another process has taken over the run lock. Nothing is written then.
        """
        self._checkpoints, self._log, self._least, self._check = checkpoints, log_, seconds, check
        self._newest = log_.position if log_.resumed else None  # number of points in the newest checkpoint
        self._next = time.monotonic() + seconds
        self._failing = False

    @property
    def has_checkpoint(self) -> bool:
        """Whether this run has a checkpoint."""
        return self._newest is not None

    def due(self) -> bool:
        """Return whether the next checkpoint is due."""
        return time.monotonic() >= self._next

    def save(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a checkpoint. A write error does not stop the run; the first one is logged."""
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
        """Save the checkpoint from which a stopped run resumes. It replaces both, so that all points may be sent."""
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
        """Do not send points after the newest checkpoint: the resumed run logs them again. Remove the older checkpoint."""
        self._check()
        self._log.limit_points(self._newest or 0)
        if self._newest is not None:
            self._checkpoints.before.unlink(missing_ok=True)
