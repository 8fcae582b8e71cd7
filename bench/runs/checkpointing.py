"""The last two checkpoints of a run under way: when they are made, and which one a stopped run resumes from."""

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
SHARE = 0.01  # of the wall clock that checkpoints may take
SECONDS = 30.0  # between two, at least
VARIABLE = "GANBENCH_CHECKPOINT_SECONDS"


def interval() -> float:
    """How many seconds lie between two checkpoints, at least: `$GANBENCH_CHECKPOINT_SECONDS`, else 30. UserError where that is no such number."""
    given = os.environ.get(VARIABLE, "")
    try:
        seconds = float(given) if given else SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{VARIABLE} takes seconds from 0 up, e.g. 30, not {given!r}")
    return seconds


class Checkpointer:
    """Makes the checkpoints of a run under way, and lets the store have the points that the older of the two holds."""

    def __init__(self, kept: CheckpointStore, log_: RunLog, *, seconds: float = SECONDS, check: Callable[[], None] = free) -> None:
        """A resumed run has a checkpoint already, with the points that its log has so far.

        `check` raises where another process has taken the run over: nothing is written then.
        """
        self._kept, self._log, self._least, self._check = kept, log_, seconds, check
        self._newest = log_.position if log_.resumed else None  # points in the newest checkpoint
        self._next = time.monotonic() + seconds
        self._failing = False

    @property
    def has_kept(self) -> bool:
        """Whether there is a checkpoint of this run."""
        return self._newest is not None

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._next

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Make one. That it cannot be written stops nothing, and is logged once."""
        started, older = time.monotonic(), self._newest
        try:
            self._log.settle()
            points = self._log.position
            if older is None:  # what lies there is of an earlier run of the same configuration
                self._kept.save_alone(state(), check=self._check)
            else:
                self._kept.save(state(), check=self._check)
            self._newest, self._failing = points, False
        except OSError as error:
            if not self._failing:
                log.warning("a checkpoint cannot be written (%s): the run goes on without", one_line(error, most=200))
            self._failing = True
        ended = time.monotonic()
        self._next = ended + max(self._least, (ended - started) / SHARE)
        if older is not None and not self._failing:
            self._log.may_send(older)

    def stop(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Make the one that a stopped run resumes from. It stands for both, so that all that was logged may be sent."""
        self.keep(state)
        if self._failing:
            self.fall_back()
            return
        self._check()
        try:
            self._kept.double()
        except OSError:
            self._kept.before.unlink(missing_ok=True)

    def fall_back(self) -> None:
        """Keep points after the newest checkpoint from the store: the resumed run logs them again. It never resumes from the older one."""
        self._check()
        self._log.end_at(self._newest or 0)
        if self._newest is not None:
            self._kept.before.unlink(missing_ok=True)
