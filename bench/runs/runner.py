"""One run: data -> train -> evaluate -> track, ending with a status that is always recorded."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.core import environment, serialization
from bench.core.config import DATASETS, RESULTS_VERSION, VARIANTS, RunConfig, paths
from bench.core.errors import UserError, one_line
from bench.core.lock_check import LockLost
from bench.core.memory import forget_peak_memory, keep_freed_memory
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.data.record import record_of
from bench.evaluation.evaluator import evaluator_for
from bench.metrics.cards import recorded
from bench.runs.action import Action, Checkpoint, decide
from bench.runs.checkpointing import Checkpointer, interval
from bench.runs.lock import RunLock, RunLocked, run_lock, run_lock_files
from bench.runs.pending_writes import catch_up, pending_statuses, sweep, trained_here
from bench.runs.prepare import Work, curve_protocol, prepare
from bench.runs.recorder import Recorder
from bench.runs.rescore import score
from bench.runs.types import Judge, Place, RunProgress, RunResult, Watch, ignore, worthwhile
from bench.tracking import results
from bench.tracking.client import Lookup, Tracker, is_trained_elsewhere
from bench.tracking.delivery import answering
from bench.tracking.run_logger import RunLog
from bench.training.checkpoints import CheckpointStore, checkpoints_of
from bench.training.loop import never, train

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The user asked to stop; the state is saved and the run can go on."""


def run(
    config: RunConfig, place: Place, *, stop: Callable[[], bool] = never, watch: Watch = ignore, judge: Judge = worthwhile
) -> RunResult:
    """Train and measure one configuration (resolved: no `auto` in it) and record it.

    `judge` sees every mark, and ends the run as `pruned` by giving a reason.

    A crash is recorded as `failed` with its reason and returned, not raised; a mistake of the user is a UserError before
    anything is written. One process at a time trains a run: others wait for it or, with `place.once`, return `busy` or `there`.
    """
    keep_freed_memory()
    forget_peak_memory(torch.device(config.device))
    seconds = interval() if place.checkpoint_seconds is None else place.checkpoint_seconds
    with limited_threads(config.threads), ExitStack() as held:
        kept = checkpoints_of(Path(place.folder), config.fingerprint(data_digest=DATASETS.get(config.dataset).digest()))
        give_up = stop if place.wait or not place.once else lambda: True
        try:
            lock = held.enter_context(run_lock(run_lock_files(kept.newest.parent, place.uri, place.suite), give_up=give_up, stop=stop))
        except RunLocked as error:
            return _result(config, "", Ending("busy", str(error)))
        except OSError as error:
            raise UserError(f"{error.filename or kept.newest.parent} cannot be written: {error.strerror or error}") from error
        try:
            return _locked_run(config, replace(place, checkpoint_seconds=seconds), kept, _Watcher(stop, watch, judge, lock))
        except LockLost as error:
            log.warning("%s: %s; it writes nothing more", _name(config), error)
            return _result(config, "", Ending("interrupted", str(error)))


def _prepared(config: RunConfig) -> Work | Exception:
    """What the run needs, or why it cannot be built: out of a device's memory, say. A mistake of the user is raised."""
    try:
        return prepare(config)
    except UserError:
        raise
    except Exception as error:
        return error


def _locked_run(config: RunConfig, place: Place, kept: CheckpointStore, watcher: _Watcher) -> RunResult:
    """The run, which no other process trains meanwhile. Raises LockLost as soon as one does."""
    folder, check = kept.newest.parent, watcher.lock.check
    ours = trained_here(folder)
    catch_up(folder, place.uri, locked=True, check=check)  # a run may have ended without all of it having arrived
    state = kept.load()
    with answering(place.uri):
        found = Lookup.of(place.uri, place.suite).find(folder.name)
        action = _decided(config, place, kept, state, found, ours)
    if action.kind == "skip":
        return _result(config, action.run_id, Ending("there", action.why))
    if action.kind == "score":
        return score(action.run_id, place.uri, config.evaluation)
    if action.kind == "leave":
        advice = "if that process has died, set the tag `status` of its MLflow run to `interrupted`"
        return _result(config, "", Ending("busy", f"in use by {action.why} with another runs folder; {advice}"))
    if action.lost:
        log.warning("%s was stopped and %s: it restarts", _name(config), action.lost)
    if action.kind != "resume":
        state = None
    work = _prepared(config)
    check()
    if isinstance(work, Exception):
        return _not_built(config, place, folder.name, action, work)
    log_ = _open_log(work, place, folder, action, check)
    _close_abandoned(place, [run for run in found if run.info.run_id != log_.run_id], ours, check)
    try:
        ending = _train_and_measure(work, log_, place, watcher, kept, state)
    except LockLost:
        raise
    except (Interrupted, KeyboardInterrupt):
        ending = Ending("interrupted", "stopped by the user")
    except Exception as error:
        return _failed(config, log_, error)
    if ending.status == "finished":  # before its end is recorded: a process that is killed right behind it comes to no tidying up
        check()
        with suppress(OSError):
            kept.before.unlink(missing_ok=True)
    log_.finish(ending.status, ending.reason)
    if ending.status in ("diverged", "pruned"):
        check()
        kept.remove()
    return _result(config, log_.run_id, ending)


def _decided(
    config: RunConfig, place: Place, kept: CheckpointStore, state: Mapping[str, Any] | None, found: Sequence[Run], ours: set[str]
) -> Action:
    """What is to be done, now that no other process has the run. `ours`, to which the checkpoint's run is added, are those trained here."""
    folder, checkpoint = kept.newest.parent, None
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if state is not None:
        run_id = str(state["log"]["run_id"])
        ours.add(run_id)
        if not Lookup.of(place.uri, place.suite).is_over(run_id):
            # Of a run that was killed in an earlier version, nobody knows what the store has: a new one gets the whole curve.
            known = "" if (folder / "outbox" / run_id).exists() else run_id
            checkpoint = Checkpoint(run_id=known, curve_protocol=str(state.get("curve_protocol")))
    return decide(
        found, protocol=evaluator.protocol_hash if evaluator else "", curve_protocol=curve_protocol(evaluator), checkpoint=checkpoint,
        pending=pending_statuses(folder), elsewhere=lambda run: is_trained_elsewhere(run, place.uri, ours), again=not place.once,
        extends=bool(place.extends_fingerprint),
    )  # fmt: skip


def _failed(config: RunConfig, log_: RunLog, error: Exception) -> RunResult:
    """Record a crash. Its checkpoint stays, so that the run resumes from there."""
    log.error("%s failed: %s", _name(config), one_line(error, most=500), exc_info=None if isinstance(error, UserError) else error)
    log_.artifact("failure.txt", "".join(traceback.format_exception(error)).encode())
    ending = Ending("failed", f"{type(error).__name__}: {one_line(error, most=500)}")
    log_.finish(ending.status, ending.reason)
    return _result(config, log_.run_id, ending)


def _not_built(config: RunConfig, place: Place, fingerprint: str, action: Action, error: Exception) -> RunResult:
    """Record that networks could not be built: of the run that its checkpoint would resume, if there is one, else of a new run."""
    if action.kind == "resume" and action.run_id:
        log.error("%s failed: %s", _name(config), one_line(error, most=500), exc_info=error)
        ending = Ending("failed", f"{type(error).__name__}: {one_line(error, most=500)}")
        Tracker(place.uri, place.suite).close(action.run_id, ending.status, ending.reason)
        return _result(config, action.run_id, ending)
    return _failed(config, _open_failed_log(config, place, fingerprint), error)


def _result(config: RunConfig, run_id: str, ending: Ending) -> RunResult:
    return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, **vars(ending))


def _open_log(work: Work, place: Place, folder: Path, action: Action, check: Callable[[], None]) -> RunLog:
    """The run in the store: one that was stopped, opened again, or a new one."""
    config, evaluator = work.config, work.evaluator
    tracker = Tracker(place.uri, place.suite)
    measured = {
        "protocol": work.protocol, "headline": evaluator.headline if evaluator else "", "curve_protocol": work.curve_protocol,
    }  # fmt: skip
    tags = {**_tags(config, place, work.dataset, work.fingerprint), **measured, **place.tags}
    check()
    sweep(folder, action.run_id)
    if action.run_id:
        log_ = tracker.reopen_run(
            action.run_id, tags, paths(config), resumed=action.resumed, parent=place.parent, folder=folder, again=(*measured, *place.tags), check=check
        )  # fmt: skip
    else:
        log_ = tracker.start_run(place.name or _name(config), tags, paths(config), parent=place.parent, folder=folder, check=check)
    log_.artifact(results.CONFIG, config.canonical().encode())
    metrics = evaluator.protocol(conditional=bool(work.trainer.networks.classes)) if evaluator else {}
    log_.json(results.PROTOCOL, {"metrics": metrics, "all": work.protocol, "cards": recorded.described(metrics)})
    described = environment.describe(work.device, threads=config.threads, precision=work.trainer.precision)
    log_.json(results.ENVIRONMENT, described)
    log_.json(results.DATA, record_of(work.dataset).model_dump(mode="json"))
    return log_


def _open_failed_log(config: RunConfig, place: Place, fingerprint: str) -> RunLog:
    """A new run in the store, of a configuration whose networks could not be built."""
    tags = {**_tags(config, place, DATASETS.get(config.dataset), fingerprint), **place.tags}
    log_ = Tracker(place.uri, place.suite).start_run(place.name or _name(config), tags, paths(config), parent=place.parent)
    log_.artifact(results.CONFIG, config.canonical().encode())
    return log_


def _close_abandoned(place: Place, others: Sequence[Run], ours: Collection[str], check: Callable[[], None]) -> None:
    """End earlier runs of the same training that have lost their processes, and that this one does not resume."""
    for run in others:
        if run.data.tags.get("status") == "running" and not is_trained_elsewhere(run, place.uri, ours):
            check()
            Tracker(place.uri, place.suite).close(str(run.info.run_id), "interrupted", "its process has died")


def _tags(config: RunConfig, place: Place, dataset: Dataset, fingerprint: str) -> dict[str, str]:
    """What the store knows of a run from its start."""
    variant = VARIANTS.get(config.variant)
    return {
        "kind": "run", "variant": config.variant, "idea": variant.idea, "paper": variant.paper, "dataset": config.dataset,
        "seed": str(config.seed), "suite": place.suite, "track": place.track, "note": place.note, "fingerprint": fingerprint,
        "claims": str(dataset.claims).lower(), "device": config.device,
        "overrides": json.dumps(place.overrides, sort_keys=True), "lineage": config.lineage(data_digest=dataset.digest()),
        "results_version": str(RESULTS_VERSION), "variant_version": str(variant.version), "variant_source": config.source(), "extends": place.extends,
    }  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """How training and measuring ended; what was measured, and why a value of it is not-a-number."""

    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class _Watcher:
    """Those who look on: one who may ask to stop, one who is shown every mark, one who judges it; and the run lock."""

    def __init__(self, stop: Callable[[], bool], watch: Watch, judge: Judge, lock: RunLock) -> None:
        self.stop, self._watch, self._judge, self.lock = stop, watch, judge, lock
        self.verdict = ""  # why the run is not worth going on with

    def see(self, progress: RunProgress) -> None:
        """One mark."""
        self._watch(progress)
        self.verdict = self._judge(progress)


def _train_and_measure(
    work: Work, log_: RunLog, place: Place, watcher: _Watcher, kept: CheckpointStore, state: Mapping[str, Any] | None
) -> Ending:
    """`state` is what a run that goes on had in its checkpoint."""
    recorder = Recorder(work, log_, watcher.see)
    if state is not None:
        _restore(recorder, state, kept)
        log.info("%s resumes at %s images", _name(work.config), f"{work.trainer.images:,}")
    elif place.extends_fingerprint:
        recorder.extend(serialization.load(checkpoints_of(Path(place.folder), place.extends_fingerprint).newest))
    checkpointer = Checkpointer(kept, log_, seconds=place.checkpoint_seconds or 0.0, check=watcher.lock.check)
    try:
        return _trained(work, recorder, watcher, checkpointer)
    except (LockLost, Interrupted):
        raise
    except KeyboardInterrupt:
        checkpointer.fall_back()
        raise
    except Exception:
        if checkpointer.has_kept:  # the run resumes from there, and writes what came after it again
            checkpointer.fall_back()
        raise


def _restore(recorder: Recorder, state: Mapping[str, Any], kept: CheckpointStore) -> None:
    """Go on from a state; one that is whole and yet no state of this run is a UserError, and is removed: the next call restarts the run."""
    try:
        recorder.load_state_dict(state)
    except Exception as error:  # it may lack anything, or hold anything in its place
        kept.remove()
        raise UserError(
            f"the checkpoints in {kept.newest.parent} are not of this run: {type(error).__name__}: {one_line(error, most=120)}"
        ) from error


def _trained(work: Work, recorder: Recorder, watcher: _Watcher, checkpointer: Checkpointer) -> Ending:
    """Train to the budget, and measure."""
    stop, lock = watcher.stop, watcher.lock
    for progress in train(work.trainer, recorder.marks, pause=lambda: stop() or checkpointer.due() or lock.lost):
        lock.check()
        if progress.mark:
            recorder.record(progress)
        if progress.diverged:
            return Ending("diverged", progress.diverged, recorder.close({}, {}))
        if watcher.verdict and progress.share < 1:
            return Ending("pruned", watcher.verdict, recorder.close({}, {}))
        if stop() and progress.share < 1:
            checkpointer.stop(recorder.state_dict)
            raise Interrupted
        if checkpointer.due() and progress.share < 1:
            checkpointer.keep(recorder.state_dict)
    checkpointer.keep(recorder.state_dict)  # stays: a longer run can go on from it
    return Ending("finished", "", recorder.finish(), recorder.reasons)


def _name(config: RunConfig) -> str:
    return f"{config.variant}-s{config.seed}"
