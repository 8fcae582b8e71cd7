"""The last two checkpoints of a run on disk, and which of them a stopped run resumes from."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.core import serialization
from bench.core.errors import UserError
from bench.core.lock_check import free

log = logging.getLogger(__name__)
NEWEST = "state.safetensors"
BEFORE = "state-before.safetensors"


class CheckpointStore:
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
            serialization.save(state, beside)
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
                return _of_a_run(serialization.load(path), path)
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


def checkpoints_of(folder: Path, fingerprint: str) -> CheckpointStore:
    """The checkpoints of a run under a suite's folder."""
    return CheckpointStore(folder / fingerprint)
