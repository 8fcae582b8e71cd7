"""What is to be done with a planned run: skip, train, resume, extend, score, or leave it to another process.

The process that holds the run lock decides (`bench.runs.runner`). The planner calls the same function to predict it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from bench.core.errors import one_line
from bench.tracking.client import DONE

if TYPE_CHECKING:
    from mlflow.entities import Run

Kind = Literal["skip", "train", "resume", "extend", "score", "leave"]
STOPPED = ("interrupted", "running", "failed")  # of runs that can be resumed; the process of a running one is dead


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a run's checkpoint says of it."""

    run_id: str
    curve_protocol: str


@dataclass(frozen=True, kw_only=True)
class Action:
    """What to do, and why."""

    kind: Kind
    why: str
    run_id: str = ""  # of the run in the store to skip, leave or score, or to open again; empty for a new one
    resumed: bool = False  # whether that run has what the journal of the checkpoint says
    lost: str = ""  # why training that was recorded is done again


def decide(
    found: Sequence[Run], *, protocol: str, curve_protocol: str, checkpoint: Checkpoint | None = None,
    pending: Mapping[str, str] = MappingProxyType({}), elsewhere: Callable[[Run], bool] = lambda _: False, again: bool = False,
    extends: bool = False,
) -> Action:  # fmt: skip
    """Return what is to be done with a run of which the store has `found`, newest first, and there may be a checkpoint.

    `protocol` and `curve_protocol` are the hashes of how everything, and evaluation points, are measured today. `pending` are final statuses
    that the store has not acknowledged, by run id. `elsewhere` tells of a run whether a process trains it that shares no run lock with this
    one. With `again` it is trained even though it is done or trained elsewhere. A new run `extends` a shorter one.
    """

    def status(run: Run) -> str:
        return pending.get(run.info.run_id) or run.data.tags.get("status", "")

    def resumable(run: Run) -> bool:
        return status(run) in STOPPED and run.data.tags.get("curve_protocol", "") == curve_protocol and not elsewhere(run)

    done = next((run for run in found if status(run) in DONE), None)
    if done is not None and not again:
        waits = done.info.run_id in pending
        if not waits and status(done) == "finished" and done.data.tags.get("protocol", "") != protocol:
            return Action(kind="score", why="finished under another protocol", run_id=done.info.run_id)
        return Action(kind="skip", why=status(done) + (", which the store has not taken yet" if waits else ""), run_id=done.info.run_id)
    newest = found[0] if found else None
    if newest is not None and elsewhere(newest) and not again:
        return Action(kind="leave", why=_owner(newest), run_id=newest.info.run_id)
    why, unsent = "new", ""
    if newest is not None:
        why = f"unless {_owner(newest)} still trains it" if status(newest) == "running" else status(newest)
        if resumable(newest) and status(newest) != "failed" and not newest.data.metrics:
            unsent = newest.info.run_id  # the store has no point of it, so it can begin again
    if checkpoint is not None and checkpoint.curve_protocol == curve_protocol:
        own = any(run.info.run_id == checkpoint.run_id and resumable(run) for run in found)
        return Action(kind="resume", why=why, run_id=checkpoint.run_id if own else unsent, resumed=own)
    kind: Kind = "extend" if extends else "train"
    if newest is None or status(newest) not in STOPPED:
        return Action(kind=kind, why=why)
    if checkpoint is None and not newest.data.metrics:
        return Action(kind=kind, why="stopped before its first checkpoint", run_id=unsent)
    other = checkpoint is not None or newest.data.tags.get("curve_protocol", "") != curve_protocol
    lost = "was measured by another protocol" if other else "left no checkpoint"
    return Action(kind=kind, why=f"{why}, and {lost}", lost="" if status(newest) == "failed" else lost)


def _owner(run: Run) -> str:
    return one_line(run.data.tags.get("owner", ""), most=80)
