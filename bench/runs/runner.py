"""Function that prepares, trains, evaluates and records one run. A run always ends with a recorded status."""

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
from bench.core.config import DATASETS, RESULTS_VERSION, VARIANTS, RunConfig, override
from bench.core.errors import UserError, one_line
from bench.core.lock_check import LockLost
from bench.core.memory import forget_peak_memory, keep_freed_memory
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.data.record import record_of
from bench.evaluation.evaluator import evaluator_for
from bench.evaluation.samples import words_of_networks
from bench.metrics.columns import recorded
from bench.runs.action import Action, Checkpoint, choose_action
from bench.runs.checkpointing import Checkpointer, interval
from bench.runs.lock import RunLock, RunLocked, run_lock, run_lock_files
from bench.runs.origin import inputs_of, origin
from bench.runs.pending_writes import deliver_earlier, local_run_ids, pending_statuses, remove_leftovers
from bench.runs.preparation import Work, curve_protocols, prepare
from bench.runs.recorder import Recorder
from bench.runs.rescoring import score
from bench.runs.types import Judge, RunContext, RunProgress, RunResult, Watch, ignore, never_prune
from bench.tracking import results
from bench.tracking.client import Lookup, Tracker, is_trained_elsewhere
from bench.tracking.delivery import store_errors
from bench.tracking.run_logger import RunLog
from bench.tracking.tags import RUN_ID
from bench.training.checkpoints import CheckpointStore, checkpoints_of
from bench.training.loop import never, train

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """Error that the user has requested a stop. The state is saved, so the run can be resumed."""


def run(
    config: RunConfig, context: RunContext, *, stop: Callable[[], bool] = never, watch: Watch = ignore, judge: Judge = never_prune
) -> RunResult:
    """Train, evaluate and record one resolved configuration, without `auto`.

    `judge` gets the progress at every mark (see `bench.runs.recorder`). If it returns a reason, the run ends as `pruned`.

    An error of training or evaluation is not raised: the run is recorded as `failed`, and the result has the reason. Raises UserError for a
    mistake of the user, before any write. Only one process at a time trains a run. Others wait for it. With `context.once`, they return `busy` or
    `recorded`.
    """
    keep_freed_memory()
    forget_peak_memory(torch.device(config.device))
    seconds = interval() if context.checkpoint_seconds is None else context.checkpoint_seconds
    with limited_threads(config.threads), ExitStack() as stack:
        checkpoints = checkpoints_of(Path(context.folder), config.fingerprint(data_digest=DATASETS.get(config.dataset).digest()))
        give_up = stop if context.wait or not context.once else lambda: True
        try:
            lock = stack.enter_context(
                run_lock(run_lock_files(checkpoints.newest.parent, context.uri, context.suite), give_up=give_up, stop=stop)
            )
        except RunLocked as error:
            return _result(config, "", Ending("busy", str(error)))
        except OSError as error:
            raise UserError(
                f"{error.filename or checkpoints.newest.parent} cannot be written: {error.strerror or error}; choose another folder"
            ) from error
        try:
            return _locked_run(config, replace(context, checkpoint_seconds=seconds), checkpoints, _Callbacks(stop, watch, judge, lock))
        except LockLost as error:
            log.warning("%s: %s; this process stops writing", _name(config), error)
            return _result(config, "", Ending("interrupted", str(error)))


def _try_prepare(config: RunConfig) -> Work | Exception:
    """Prepare a run, and return it. Return the error if the run cannot be built, for example because a device is out of memory. Raises UserError."""
    try:
        return prepare(config)
    except UserError:
        raise
    except Exception as error:
        return error


def _locked_run(config: RunConfig, context: RunContext, checkpoints: CheckpointStore, callbacks: _Callbacks) -> RunResult:
    """Execute the action for a run whose lock this process holds. Raises LockLost if another process takes the lock over."""
    folder, check = checkpoints.newest.parent, callbacks.lock.check
    ours = local_run_ids(folder)
    deliver_earlier(folder, context.uri, locked=True, check=check)  # an ended run may have pending writes
    state = checkpoints.load()
    with store_errors(context.uri):
        found = Lookup.of(context.uri, context.suite).find(folder.name)
        action = _choose(config, context, checkpoints, state, found, ours)
    if action.kind == "skip":
        return _result(config, action.run_id, Ending("recorded", action.why))
    if action.kind == "score":
        return score(action.run_id, context.uri, config.evaluation)
    if action.kind == "leave":
        advice = "if that process is dead, set the tag `status` of its MLflow run to `interrupted`"
        return _result(config, "", Ending("busy", f"in use by {action.why} with another runs folder; {advice}"))
    if action.lost:
        log.warning("%s is interrupted and %s: it restarts", _name(config), action.lost)
    if action.kind != "resume":
        state = None
    elif state is not None:
        config = _as_begun(config, str(state["curve_protocol"]))
    work = _try_prepare(config)
    check()
    if isinstance(work, Exception):
        return _not_built(config, context, folder.name, action, work)
    log_ = _open_log(work, context, folder, action, check)
    _close_abandoned(context, [run for run in found if run.info.run_id != log_.run_id], ours, check)
    try:
        ending = _train_and_measure(work, log_, context, callbacks, checkpoints, state)
    except LockLost:
        raise
    except (Interrupted, KeyboardInterrupt):
        ending = Ending("interrupted", "stopped by the user")
    except Exception as error:
        return _failed(config, log_, error)
    if ending.status == "finished":  # before the end is recorded, because a process killed after that does not clean up
        check()
        with suppress(OSError):
            checkpoints.before.unlink(missing_ok=True)
    log_.finish(ending.status, ending.reason)
    if ending.status in ("diverged", "pruned"):
        check()
        checkpoints.remove()
    return _result(config, log_.run_id, ending)


def _choose(
    config: RunConfig,
    context: RunContext,
    checkpoints: CheckpointStore,
    state: Mapping[str, Any] | None,
    found: Sequence[Run],
    ours: set[str],
) -> Action:
    """Return the action for a run whose lock this process holds. Adds the checkpoint's run to `ours`, the ids of runs trained in this folder."""
    folder, checkpoint = checkpoints.newest.parent, None
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if state is not None:
        written = str(state["log"]["run_id"])
        run_id = written if RUN_ID.fullmatch(written) else ""  # a damaged checkpoint may contain any text
        ours.add(run_id)
        if not run_id or not Lookup.of(context.uri, context.suite).has_ended(run_id):
            # If an earlier version trained the killed run, its acknowledged writes are unknown: a new run gets the whole curve.
            known = "" if (folder / "outbox" / run_id).exists() else run_id
            checkpoint = Checkpoint(run_id=known, curve_protocol=str(state.get("curve_protocol")))
    return choose_action(
        found, protocol=evaluator.protocol_hash if evaluator else "", curve_protocols=curve_protocols(evaluator), checkpoint=checkpoint,
        pending=pending_statuses(folder), elsewhere=lambda run: is_trained_elsewhere(run, context.uri, ours), retrain=not context.once,
        extends=bool(context.extends_fingerprint),
    )  # fmt: skip


def _as_begun(config: RunConfig, curve_protocol: str) -> RunConfig:
    """Return the configuration with the headline of a checkpoint, which a resumed run keeps even if the dataset has another one now."""
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if evaluator is None or evaluator.curve_protocol == curve_protocol:
        return config
    headline = evaluator.curve_protocols[curve_protocol]
    log.info("%s keeps its headline, %s", _name(config), headline)
    return override(config, {"evaluation.headline": headline})


def _failed(config: RunConfig, log_: RunLog, error: Exception) -> RunResult:
    """Record a run as failed, and return the result. The checkpoint is not removed, so the run can be resumed."""
    log.error("%s failed: %s", _name(config), one_line(error, most=500), exc_info=None if isinstance(error, UserError) else error)
    log_.artifact("failure.txt", "".join(traceback.format_exception(error)).encode())
    ending = Ending("failed", f"{type(error).__name__}: {one_line(error, most=500)}")
    log_.finish(ending.status, ending.reason)
    return _result(config, log_.run_id, ending)


def _not_built(config: RunConfig, context: RunContext, fingerprint: str, action: Action, error: Exception) -> RunResult:
    """Record that the run cannot be built: as the end of the run to resume, else as a new failed run. Return the result."""
    if action.kind == "resume" and action.run_id:
        log.error("%s failed: %s", _name(config), one_line(error, most=500), exc_info=error)
        ending = Ending("failed", f"{type(error).__name__}: {one_line(error, most=500)}")
        Tracker(context.uri, context.suite).close(action.run_id, ending.status, ending.reason)
        return _result(config, action.run_id, ending)
    return _failed(config, _open_failed_log(config, context, fingerprint), error)


def _result(config: RunConfig, run_id: str, ending: Ending) -> RunResult:
    return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, **vars(ending))


def _open_log(work: Work, context: RunContext, folder: Path, action: Action, check: Callable[[], None]) -> RunLog:
    """Reopen an interrupted run in the store, or create a new one. Log its configuration, and return its log."""
    config, evaluator = work.config, work.evaluator
    tracker = Tracker(context.uri, context.suite)
    measured = {
        "protocol": work.protocol, "headline": evaluator.headline if evaluator else "", "curve_protocol": work.curve_protocol,
    }  # fmt: skip
    own = origin()
    tags = {**_tags(config, context, work.dataset, work.fingerprint), **own, **measured, **context.tags}
    check()
    remove_leftovers(folder, action.run_id)
    if action.run_id:
        log_ = tracker.reopen_run(
            action.run_id, tags, config.recorded_settings(), resumed=action.resumed, parent=context.parent, folder=folder, renew=(*own, *measured, *context.tags), check=check
        )  # fmt: skip
    else:
        log_ = tracker.start_run(
            context.name or _name(config), tags, config.recorded_settings(), parent=context.parent, folder=folder, check=check
        )
    log_.artifact(results.CONFIG, config.canonical().encode())
    log_.inputs(inputs_of(work.dataset))
    metrics = evaluator.protocol(words_of_networks(work.trainer.networks)) if evaluator else {}
    log_.json(results.PROTOCOL, {"metrics": metrics, "all": work.protocol, "cards": recorded.described(metrics)})
    described = environment.describe(work.device, threads=config.threads, precision=work.trainer.precision)
    log_.json(results.ENVIRONMENT, described)
    log_.json(results.DATA, record_of(work.dataset).model_dump(mode="json"))
    return log_


def _open_failed_log(config: RunConfig, context: RunContext, fingerprint: str) -> RunLog:
    """Create a run in the store for a configuration that cannot be built, and return its log."""
    dataset = DATASETS.get(config.dataset)
    tags = {**_tags(config, context, dataset, fingerprint), **origin(), **context.tags}
    log_ = Tracker(context.uri, context.suite).start_run(
        context.name or _name(config), tags, config.recorded_settings(), parent=context.parent
    )
    log_.artifact(results.CONFIG, config.canonical().encode())
    log_.inputs(inputs_of(dataset))
    return log_


def _close_abandoned(context: RunContext, others: Sequence[Run], ours: Collection[str], check: Callable[[], None]) -> None:
    """Close other runs with the same fingerprint that are recorded as running, but whose processes are dead."""
    for run in others:
        if run.data.tags.get("status") == "running" and not is_trained_elsewhere(run, context.uri, ours):
            check()
            Tracker(context.uri, context.suite).close(str(run.info.run_id), "interrupted", "its process has died")


def _tags(config: RunConfig, context: RunContext, dataset: Dataset, fingerprint: str) -> dict[str, str]:
    """Return the tags that a run has from its start."""
    variant = VARIANTS.get(config.variant)
    return {
        "kind": "run", "variant": config.variant, "idea": variant.idea, "paper": variant.paper, "dataset": config.dataset,
        "seed": str(config.seed), "suite": context.suite, "track": context.track, "note": context.note, "fingerprint": fingerprint,
        "claims": str(dataset.claims).lower(), "device": config.device,
        "overrides": json.dumps(context.overrides, sort_keys=True), "lineage": config.lineage(data_digest=dataset.digest()),
        "results_version": str(RESULTS_VERSION), "variant_version": str(variant.version), "variant_source": config.source(), "extends": context.extends,
    }  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """Result of training and evaluation: status, reason, final values, the reasons why values are NaN, and the headline metric."""

    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    headline: str = ""


class _Callbacks:
    """Run lock of a run, and its callbacks for stopping, progress and pruning."""

    def __init__(self, stop: Callable[[], bool], watch: Watch, judge: Judge, lock: RunLock) -> None:
        self.stop, self._watch, self._judge, self.lock = stop, watch, judge, lock
        self.prune_reason = ""

    def on_mark(self, progress: RunProgress) -> None:
        """Call the callbacks for progress and pruning at a mark."""
        self._watch(progress)
        self.prune_reason = self._judge(progress)


def _train_and_measure(
    work: Work, log_: RunLog, context: RunContext, callbacks: _Callbacks, checkpoints: CheckpointStore, state: Mapping[str, Any] | None
) -> Ending:
    """Train and evaluate a run, and return its end. `state` is the checkpoint of a resumed run."""
    recorder = Recorder(work, log_, callbacks.on_mark)
    if state is not None:
        _restore(recorder, state, checkpoints)
        log.info("%s resumes at %s images", _name(work.config), f"{work.trainer.images:,}")
    elif context.extends_fingerprint:
        recorder.extend(serialization.load(checkpoints_of(Path(context.folder), context.extends_fingerprint).newest))
    checkpointer = Checkpointer(checkpoints, log_, seconds=context.checkpoint_seconds or 0.0, check=callbacks.lock.check)
    try:
        return _train(work, recorder, callbacks, checkpointer)
    except (LockLost, Interrupted):
        raise
    except KeyboardInterrupt:
        checkpointer.fall_back()
        raise
    except Exception:
        if checkpointer.has_checkpoint:  # the resumed run logs all later points again
            checkpointer.fall_back()
        raise


def _restore(recorder: Recorder, state: Mapping[str, Any], checkpoints: CheckpointStore) -> None:
    """Restore a state of the run. For a state of another run, remove the checkpoints and raise UserError, so that the next call restarts the run."""
    try:
        recorder.load_state_dict(state)
    except Exception as error:  # values may be missing or of any type
        checkpoints.remove()
        raise UserError(
            f"the checkpoints in {checkpoints.newest.parent} are not of this run: {type(error).__name__}: {one_line(error, most=120)}; repeat the command to restart the run"
        ) from error


def _train(work: Work, recorder: Recorder, callbacks: _Callbacks, checkpointer: Checkpointer) -> Ending:
    """Train a run to its budget, evaluate it, and return its end."""
    stop, lock = callbacks.stop, callbacks.lock
    for progress in train(work.trainer, recorder.marks, pause=lambda: stop() or checkpointer.due() or lock.lost):
        lock.check()
        if progress.mark:
            recorder.record(progress)
        if progress.diverged:
            return Ending("diverged", progress.diverged, recorder.close({}, {}))
        if callbacks.prune_reason and progress.share < 1:
            return Ending("pruned", callbacks.prune_reason, recorder.close({}, {}))
        if stop() and progress.share < 1:
            checkpointer.stop(recorder.state_dict)
            raise Interrupted
        if checkpointer.due() and progress.share < 1:
            checkpointer.save(recorder.state_dict)
    checkpointer.save(recorder.state_dict)  # not removed: a longer run can extend it
    return Ending("finished", "", recorder.finish(), recorder.reasons, work.evaluator.headline if work.evaluator else "")


def _name(config: RunConfig) -> str:
    varied = f"-{config.vary.replace(',', '-')}" if config.fixed_streams else ""
    return f"{config.variant}-s{config.seed}{varied}"
