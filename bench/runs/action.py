"""Choice of the action for a planned run: skip, train, resume, extend, score, or leave it to another process.

The process that holds the run lock chooses the action (`bench.runs.runner`). The planner calls the same function to predict it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from bench.core.errors import one_line
from bench.tracking.client import DONE

if TYPE_CHECKING:
    from mlflow.entities import Run

ActionKind = Literal["skip", "train", "resume", "extend", "score", "leave"]
STOPPED = ("interrupted", "running", "failed")  # statuses of runs that can be resumed. The process of a running one is dead


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Run id of a checkpoint, and the evaluation protocol of its evaluation points."""

    run_id: str
    curve_protocol: str


@dataclass(frozen=True, kw_only=True)
class Action:
    """Action for a planned run, and its reason."""

    kind: ActionKind
    why: str
    run_id: str = ""  # of the recorded run to skip, leave, score or reopen. Empty for a new run
    resumed: bool = False  # whether the store has the writes that the checkpoint's journal counts as acknowledged
    lost: str = ""  # why recorded training is repeated


def choose_action(
    recorded: Sequence[Run], *, protocol: str, curve_protocols: Collection[str], checkpoint: Checkpoint | None = None,
    pending: Mapping[str, str] = MappingProxyType({}), elsewhere: Callable[[Run], bool] = lambda _: False, retrain: bool = False,
    extends: bool = False,
) -> Action:  # fmt: skip
    """Return the action for a run, from its `recorded` runs in the store, newest first, and its newest checkpoint.

    `protocol` is the current hash of the evaluation protocol. `curve_protocols` has the hashes of its part for evaluation points, one for
    each headline that a run may have begun with. `pending` has the final statuses that the store has not acknowledged, by run id.
    `elsewhere` returns whether a process that shares no run lock with this one may be training a run. With `retrain`, a run is trained even
    if it is complete, or in training elsewhere. With `extends`, a new run extends a shorter one.
    """

    def status(run: Run) -> str:
        return pending.get(run.info.run_id) or run.data.tags.get("status", "")

    def resumable(run: Run) -> bool:
        return status(run) in STOPPED and run.data.tags.get("curve_protocol", "") in curve_protocols and not elsewhere(run)

    done = next((run for run in recorded if status(run) in DONE), None)
    if done is not None and not retrain:
        unsent = done.info.run_id in pending
        if not unsent and status(done) == "finished" and done.data.tags.get("protocol", "") != protocol:
            return Action(kind="score", why="finished with another evaluation protocol", run_id=done.info.run_id)
        return Action(kind="skip", why=status(done) + (", but its end is not in the store yet" if unsent else ""), run_id=done.info.run_id)
    newest = recorded[0] if recorded else None
    if newest is not None and elsewhere(newest) and not retrain:
        return Action(kind="leave", why=_owner(newest), run_id=newest.info.run_id)
    why, empty = "new", ""
    if newest is not None:
        why = f"unless {_owner(newest)} still trains it" if status(newest) == "running" else status(newest)
        if resumable(newest) and status(newest) != "failed" and not newest.data.metrics:
            empty = newest.info.run_id  # the store has no points of this run, so it can restart
    if checkpoint is not None and checkpoint.curve_protocol in curve_protocols:
        own = any(run.info.run_id == checkpoint.run_id and resumable(run) for run in recorded)
        return Action(kind="resume", why=why, run_id=checkpoint.run_id if own else empty, resumed=own)
    kind: ActionKind = "extend" if extends else "train"
    if newest is None or status(newest) not in STOPPED:
        return Action(kind=kind, why=why)
    if checkpoint is None and not newest.data.metrics:
        return Action(kind=kind, why="interrupted before its first checkpoint", run_id=empty)
    other = checkpoint is not None or newest.data.tags.get("curve_protocol", "") not in curve_protocols
    lost = "has another evaluation protocol" if other else "has no checkpoint"
    return Action(kind=kind, why=f"{why}, and {lost}", lost="" if status(newest) == "failed" else lost)


def _owner(run: Run) -> str:
    return one_line(run.data.tags.get("owner", ""), most=80)
