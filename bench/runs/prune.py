"""Old checkpoints: which there are under a folder of runs, and their removal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import UserError
from bench.runs.lock import FILE, RunLocked, run_lock
from bench.runs.pending_writes import pending_statuses
from bench.tracking.client import Lookup
from bench.tracking.tags import FINGERPRINT
from bench.training.checkpoints import CheckpointStore

DAY = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True)
class OldCheckpoint:
    """The checkpoints of one run."""

    folder: Path  # <runs>/<suite>/<fingerprint>
    variant: str  # as the store has it; empty for a run that it does not have
    seed: str
    status: str
    days: float  # since the newest was written
    size: int  # bytes
    obstacle: str = ""  # why it is not removed


def old_checkpoints(runs: Path, uri: str, *, days: float) -> list[OldCheckpoint]:
    """Find the runs whose newest checkpoint is older than so many days, oldest first. Writes nothing.

    A store that does not answer is a UserError.
    """
    found, now = [], time.time()
    recorded: dict[str, dict[str, dict[str, str]]] = {}  # tags by suite and fingerprint
    for folder in {path.parent for path in runs.glob("*/*/state*.safetensors") if FINGERPRINT.fullmatch(path.parent.name)}:
        suite = folder.parent.name
        if suite not in recorded:
            newest_last = reversed(Lookup.of(uri, suite).runs())
            recorded[suite] = {run.data.tags.get("fingerprint", ""): run.data.tags for run in newest_last}
        tags = recorded[suite].get(folder.name, {})
        written, size = _measured(folder)
        age = (now - written) / DAY
        if age > days:
            found.append(
                OldCheckpoint(
                    folder=folder, variant=tags.get("variant", ""), seed=tags.get("seed", ""), status=tags.get("status", "not recorded"),
                    days=age, size=size, obstacle="pending writes: run `ganbench sync` first" if _has_pending_end(folder) else "",
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: -one.days)


def prune(checkpoints: list[OldCheckpoint]) -> Iterator[tuple[OldCheckpoint, str]]:
    """Remove checkpoints under the run lock; yields each with the reason why it stays, which is empty for a removed one."""
    for one in checkpoints:
        if one.obstacle:
            yield one, one.obstacle
            continue
        try:
            with run_lock([one.folder / FILE], give_up=lambda: True, wait_seconds=0):
                written, _ = _measured(one.folder)
                if (time.time() - written) / DAY < one.days:
                    yield one, "another process has written a newer one"
                    continue
                CheckpointStore(one.folder).remove()
        except RunLocked as error:
            yield one, str(error)
            continue
        except OSError as error:
            raise UserError(f"{error.filename or one.folder} cannot be removed: {error.strerror or error}") from error
        for folder in (one.folder, one.folder.parent):
            with suppress(OSError):  # not empty
                folder.rmdir()
        yield one, ""


def _measured(folder: Path) -> tuple[float, int]:
    """(when its newest checkpoint was written in seconds since 1970, bytes of all)."""
    stats = []
    for path in folder.glob("state*.safetensors"):
        with suppress(FileNotFoundError):  # a living run replaces them
            stats.append(path.stat())
    return max((stat.st_mtime for stat in stats), default=time.time()), sum(stat.st_size for stat in stats)


def _has_pending_end(folder: Path) -> bool:
    """Whether a run has ended and its store has not acknowledged all of it."""
    return bool(pending_statuses(folder))
