"""The last two checkpoints of a run under way: when they are made, and which one a stopped run goes on from."""

from __future__ import annotations

import logging
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import checkpoint
from bench.claim import free
from bench.errors import UserError, one_line
from bench.run_log import RunLog

log = logging.getLogger(__name__)
NEWEST = "state.safetensors"
BEFORE = "state-before.safetensors"
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


class Kept:
    """The checkpoints in a run's folder: of an unfinished run up to two to resume it, of a finished one the last to extend it."""

    def __init__(self, folder: Path) -> None:
        self.newest, self.before = folder / NEWEST, folder / BEFORE

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.newest.exists() or self.before.exists()

    def save(self, state: Mapping[str, Any], *, check: Callable[[], None] = free) -> None:
        """Keep a state beside the newest before it, or leave both as they are. Raises OSError, and what `check` raises right before."""
        beside = self._beside()
        try:
            checkpoint.save(state, beside)
            check()
            if self.newest.exists():
                os.replace(self.newest, self.before)
            os.replace(beside, self.newest)
        finally:
            beside.unlink(missing_ok=True)

    def save_alone(self, state: Mapping[str, Any], *, check: Callable[[], None] = free) -> None:
        """Keep a state and none before it. Raises OSError, and what `check` raises."""
        self.save(state, check=check)
        self.before.unlink(missing_ok=True)

    def double(self) -> None:
        """Have the newest stand for both, so that nothing goes on from before it. Raises OSError."""
        beside = self._beside()
        shutil.copyfile(self.newest, beside)
        os.replace(beside, self.before)

    def _beside(self) -> Path:
        """A name of its own for a file that is being written: a suspended process may still write one."""
        return self.newest.with_name(f"state-{secrets.token_hex(4)}.new")

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole, and no damaged one left in its place; what is damaged is said. None without any."""
        self._sweep()
        for path in (self.newest, self.before):
            if not path.exists():
                continue
            try:
                return _of_a_run(checkpoint.load(path), path)
            except UserError as error:
                log.warning(
                    "%s: %s", error, "the one before it is taken" if path == self.newest and self.before.exists() else "there is no other"
                )
                path.unlink(missing_ok=True)
        return None

    def remove(self) -> None:
        """Keep none."""
        self._sweep()
        for path in (self.newest, self.before):
            path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a process that was killed while it wrote has left."""
        for pattern in ("state*.new", ".state*"):
            for path in self.newest.parent.glob(pattern):
                path.unlink(missing_ok=True)


def _of_a_run(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """The state, if it tells how much the run had written: nothing can go on from another. UserError."""
    log_ = state.get("log")
    if not isinstance(log_, dict) or not isinstance(log_.get("position"), int) or log_["position"] < 0:
        raise UserError(f"the checkpoint {path} is damaged: it is no state of a run")
    return state


class Keeper:
    """Makes the checkpoints of a run under way, and lets out what it wrote before the older of the two."""

    def __init__(
        self, kept: Kept, log_: RunLog, *, seconds: float = SECONDS, resumed_at: int | None = None, check: Callable[[], None] = free
    ) -> None:
        """`resumed_at` is the position of the run's writes in the checkpoint that it goes on from.

        `check` raises where another process has taken the run over: nothing is written then.
        """
        self._kept, self._log, self._least, self._check = kept, log_, seconds, check
        self._newest = resumed_at  # position of the run's writes in the newest checkpoint
        self._begun = log_.position
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
        """Make one. That it cannot be written stops nothing, and is said once."""
        started = time.monotonic()
        try:
            taken = state()
            self._log.settle()
            if self._newest is None:  # what lies there is of an earlier run of the same configuration
                self._kept.save_alone(taken, check=self._check)
            else:
                self._kept.save(taken, check=self._check)
                self._log.hold(self._newest)
            self._newest, self._failing = int(taken["log"]["position"]), False
        except OSError as error:
            if not self._failing:
                log.warning("a checkpoint cannot be written (%s): the run goes on without", one_line(error, most=200))
            self._failing = True
        ended = time.monotonic()
        self._next = ended + max(self._least, (ended - started) / SHARE)

    def stop(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Make the one that a stopped run goes on from: it stands for both, so all that was written may be sent."""
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
        """Forget what was written after the newest checkpoint: whoever goes on from it writes it again, and nobody goes on from the one before."""
        self._check()
        if self._newest is not None:
            self._kept.before.unlink(missing_ok=True)
        with suppress(OSError):  # this process holds it back all the same, and its end is the next that it writes
            self._log.go_back(self._begun if self._newest is None else self._newest)
