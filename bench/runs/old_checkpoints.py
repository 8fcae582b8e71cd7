"""Removal of old checkpoints in a folder of runs."""

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
    """Old checkpoints of one run."""

    folder: Path  # <runs>/<suite>/<fingerprint>
    variant: str  # as recorded. Empty if the store does not have the run
    seed: str
    status: str
    days: float  # age of the newest checkpoint
    size: int  # bytes
    obstacle: str = ""  # why `prune` does not remove them


def old_checkpoints(runs: Path, uri: str, *, days: float) -> list[OldCheckpoint]:
    """Return the runs whose newest checkpoint is older than `days`, oldest first. Writes nothing.

    Raises UserError if the store does not answer.
    """
    found, now = [], time.time()
    recorded: dict[str, dict[str, dict[str, str]]] = {}  # tags by suite and fingerprint
    for folder in {path.parent for path in runs.glob("*/*/state*.safetensors") if FINGERPRINT.fullmatch(path.parent.name)}:
        suite = folder.parent.name
        if suite not in recorded:
            newest_last = reversed(Lookup.of(uri, suite).runs())
            recorded[suite] = {run.data.tags.get("fingerprint", ""): run.data.tags for run in newest_last}
        tags = recorded[suite].get(folder.name, {})
        written, size = _time_and_size(folder)
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
    """Remove checkpoints under the run lock. Yield each with the reason why it cannot be removed, or with an empty text."""
    for one in checkpoints:
        if one.obstacle:
            yield one, one.obstacle
            continue
        try:
            with run_lock([one.folder / FILE], give_up=lambda: True, wait_seconds=0):
                written, _ = _time_and_size(one.folder)
                if (time.time() - written) / DAY < one.days:
                    yield one, "another process has written a newer checkpoint"
                    continue
                CheckpointStore(one.folder).remove()
        except RunLocked as error:
            yield one, str(error)
            continue
        except OSError as error:
            raise UserError(
                f"{error.filename or one.folder} cannot be removed: {error.strerror or error}; check its permissions"
            ) from error
        for folder in (one.folder, one.folder.parent):
            with suppress(OSError):  # not empty
                folder.rmdir()
        yield one, ""


def _time_and_size(folder: Path) -> tuple[float, int]:
    """Return the time of the newest checkpoint, in seconds since 1970, and the bytes of all checkpoints."""
    stats = []
    for path in folder.glob("state*.safetensors"):
        with suppress(FileNotFoundError):  # a running process replaces them
            stats.append(path.stat())
    return max((stat.st_mtime for stat in stats), default=time.time()), sum(stat.st_size for stat in stats)


def _has_pending_end(folder: Path) -> bool:
    """Return whether the folder has a run whose final status is pending."""
    return bool(pending_statuses(folder))
