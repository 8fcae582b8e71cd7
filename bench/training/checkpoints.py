"""The last two checkpoints of a run on disk. An interrupted run resumes from the newest intact one."""

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
    """Checkpoints in a run's folder: up to two to resume an unfinished run, the last one to extend a finished run."""

    def __init__(self, folder: Path) -> None:
        self.newest, self.before = folder / NEWEST, folder / BEFORE

    @property
    def any(self) -> bool:
        """True if a checkpoint exists."""
        return self.newest.exists() or self.before.exists()

    def save(self, state: Mapping[str, Any], *, check: Callable[[], None] = free) -> None:
        """Save a state as the newest checkpoint, and keep the one before. An error changes neither. Raises OSError and errors of `check`."""
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
        """Save a state as the only checkpoint. Raises OSError and errors of `check`."""
        self.save(state, check=check)
        self.before.unlink(missing_ok=True)

    def double(self) -> None:
        """Replace the previous checkpoint by a copy of the newest, so that no run resumes from an older state. Raises OSError."""
        beside = self._beside()
        shutil.copyfile(self.newest, beside)
        os.replace(beside, self.before)

    def _beside(self) -> Path:
        """Return a unique path for a new file, because a suspended process may still write another one."""
        return self.newest.with_name(f"state-{secrets.token_hex(4)}.new")

    def load(self) -> dict[str, Any] | None:
        """Return the newest intact state, or None. Logs and removes damaged files."""
        self._sweep()
        for path in (self.newest, self.before):
            if not path.exists():
                continue
            try:
                return _of_a_run(serialization.load(path), path)
            except UserError as error:
                log.warning(
                    "%s: %s",
                    error,
                    "using the previous checkpoint" if path == self.newest and self.before.exists() else "there is no other checkpoint",
                )
                path.unlink(missing_ok=True)
        return None

    def remove(self) -> None:
        """Remove all checkpoints."""
        self._sweep()
        for path in (self.newest, self.before):
            path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the partial files of killed processes."""
        for pattern in ("state*.new", ".state*"):
            for path in self.newest.parent.glob(pattern):
                path.unlink(missing_ok=True)


def _of_a_run(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the state if it contains the journal of a run, which a resumed run needs. Raises a UserError otherwise."""
    log_ = state.get("log")
    if not isinstance(log_, dict) or not isinstance(log_.get("run_id"), str) or not isinstance(log_.get("points"), list):
        raise UserError(f"the checkpoint {path} is damaged: it contains no state of a run")
    return state


def checkpoints_of(folder: Path, fingerprint: str) -> CheckpointStore:
    """Return the checkpoints of a run under a suite's folder."""
    return CheckpointStore(folder / fingerprint)
