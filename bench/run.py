"""One run: data -> train -> evaluate -> track, ending with a status that is always recorded."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from bench import carried, checkpoint, environment, results, store
from bench.assemble import Work, prepare
from bench.claim import Taken, claimed
from bench.config import RESULTS_VERSION, VARIANTS, RunConfig, paths
from bench.data_record import record_of
from bench.delivery import answering
from bench.errors import UserError, one_line
from bench.files import refusal
from bench.kept import SECONDS, Keeper, Kept, interval
from bench.memory import forget_peak_memory, keep_freed_memory
from bench.record import Recorder, RunProgress, Watch, ignore
from bench.run_log import RunLog
from bench.tracking import DONE, Lookup, Tracker, owner, owner_is_alive
from bench.train import never, train
from bench.waiting import catch_up, forget_held

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and as what a run is recorded. Plain values: it travels to worker processes as JSON."""

    uri: str
    suite: str  # the MLflow experiment
    folder: str  # checkpoints lie in <folder>/<fingerprint>
    parent: str | None = None
    name: str = ""  # of the run; its variant and seed unless given
    track: str = "published"
    note: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)  # more of them: what a study says of a run
    extends: str = ""  # the finished run, and the fingerprint, whose last checkpoint this run goes on from
    extends_fingerprint: str = ""
    once: bool = False  # whether it is left alone where another process is at it, or was first
    checkpoint_seconds: float | None = None  # between two checkpoints, at least; `bench.kept.interval()` unless given


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    run_id: str
    variant: str
    dataset: str
    seed: int
    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a value is not-a-number


class Interrupted(Exception):
    """The user asked to stop; the state is saved and the run can go on."""


Judge = Callable[[RunProgress], str]


def worthwhile(progress: RunProgress) -> str:
    """Judge every run worth going on with."""
    return ""


def run(
    config: RunConfig, place: Place, *, stop: Callable[[], bool] = never, watch: Watch = ignore, judge: Judge = worthwhile
) -> RunResult:
    """Train and measure one configuration (resolved: no `auto` in it) and record it.

    `judge` sees every mark, and ends the run as `pruned` by giving a reason.

    A crash is recorded as `failed` with its reason and returned, not raised; a mistake of the user is a UserError before
    anything is written. One process at a time has a run: others wait for it or, with `place.once`, return `busy` or `there`.
    """
    keep_freed_memory()
    forget_peak_memory(torch.device(config.device))
    seconds = interval() if place.checkpoint_seconds is None else place.checkpoint_seconds
    with limited_threads(config.threads), ExitStack() as held:
        work = prepare(config)
        kept = kept_of(Path(place.folder), work.fingerprint)
        try:
            gone = held.enter_context(claimed(kept.newest.parent, give_up=(lambda: True) if place.once else stop))
        except Taken as taken:
            return _result(config, "", Ending("busy", str(taken)))
        except OSError as error:
            raise UserError(f"the folder {kept.newest.parent} cannot be written: {error.strerror or error}") from error
        catch_up(kept.newest.parent, place.uri)  # a run may have ended without all of it having arrived
        return _claimed_run(work, replace(place, checkpoint_seconds=seconds), kept, _Watcher(stop, watch, judge), gone)


def _claimed_run(work: Work, place: Place, kept: Kept, watcher: _Watcher, gone: Collection[str]) -> RunResult:
    """The run, whose folder is this process's alone, taken over from owners who are gone."""
    state = kept.load()
    with store.alone(place.uri):  # nobody else begins a run meanwhile, be it from another folder
        if place.once and (left := _left_to_another(work, place, gone)):
            return left
        log_ = _open_log(work, place, kept, state, gone)
    try:
        ending = _train_and_measure(work, log_, place, watcher, kept, state if log_.resumed else None)
    except (Interrupted, KeyboardInterrupt):
        ending = Ending("interrupted", "stopped by the user")
    except Exception as error:
        log.error("%s failed: %s", _name(work.config), one_line(error, most=500), exc_info=not isinstance(error, UserError))
        log_.artifact("failure.txt", traceback.format_exc().encode())
        ending = Ending("failed", f"{type(error).__name__}: {one_line(error, most=500)}")
    if ending.status == "finished":  # before its end is recorded: a process that is killed right behind it comes to no tidying up
        with suppress(OSError):
            kept.before.unlink(missing_ok=True)
    log_.finish(ending.status, ending.reason)
    if ending.status not in ("finished", "interrupted"):
        kept.remove()
    return _result(work.config, log_.run_id, ending)


def _left_to_another(work: Work, place: Place, gone: Collection[str]) -> RunResult | None:
    """What to say of a run of this fingerprint that is done already, or that another process is at; None where there is none.

    Owners that are `gone` are at nothing.
    """
    with answering(place.uri):
        found = Lookup.of(place.uri, place.suite).find(work.fingerprint)
    done = next((run for run in found if run.data.tags.get("status") in DONE), None)
    if done is not None:
        return _result(work.config, str(done.info.run_id), Ending("there", "another process was first"))
    tags = found[0].data.tags if found else {}
    other = tags.get("owner", "") if tags.get("status") == "running" else ""
    alive = other not in (owner(), *gone) and owner_is_alive(other)
    return _result(work.config, "", Ending("busy", f"being trained by {other}")) if alive else None


def _result(config: RunConfig, run_id: str, ending: Ending) -> RunResult:
    return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, **vars(ending))


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Torch and BLAS with exactly this many threads inside, whatever the process around has: the number changes the bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def _open_log(work: Work, place: Place, kept: Kept, state: Mapping[str, Any] | None, gone: Collection[str]) -> RunLog:
    """The run in the store: one that was stopped, if this can go on with it, else a new one."""
    config, variant = work.config, VARIANTS.get(work.config.variant)
    tracker = Tracker(place.uri, place.suite)
    digest = work.dataset.digest()
    tags = {
        "kind": "run", "variant": config.variant, "idea": variant.idea, "paper": variant.paper, "dataset": config.dataset,
        "seed": str(config.seed), "suite": place.suite, "track": place.track, "note": place.note, "fingerprint": work.fingerprint,
        "protocol": work.protocol, "headline": work.evaluator.headline if work.evaluator else "", "curve_protocol": work.curve_protocol, "claims": str(work.dataset.claims).lower(), "device": config.device,
        "overrides": json.dumps(place.overrides, sort_keys=True), "lineage": config.lineage(data_digest=digest),
        "results_version": str(RESULTS_VERSION), "variant_version": str(variant.version), "extends": place.extends, **place.tags,
    }  # fmt: skip
    posts = kept.newest.parent / "outbox"  # its store may go away while it trains
    again = ("protocol", "headline", "curve_protocol", *place.tags)
    log_ = tracker.resume_run(tags, paths(config), again=again, state=state and state["log"], parent=place.parent, outbox=posts, gone=gone)
    if log_ is None:
        forget_held(posts)
        log_ = tracker.start_run(place.name or _name(config), tags, paths(config), parent=place.parent, outbox=posts)
    log_.artifact(results.CONFIG, config.canonical().encode())
    metrics = work.evaluator.protocol(conditional=bool(work.trainer.networks.classes)) if work.evaluator else {}
    log_.json(results.PROTOCOL, {"metrics": metrics, "all": work.protocol, "cards": carried.described(metrics)})
    described = environment.describe(work.device, threads=config.threads, precision=work.trainer.precision)
    log_.json(results.ENVIRONMENT, described)
    log_.json(results.DATA, record_of(work.dataset).model_dump(mode="json"))
    if not log_.resumed:
        with suppress(OSError):  # this process holds it all the same, and a full disk keeps nothing that another could send
            log_.hold()
    return log_


@dataclass(frozen=True)
class Ending:
    """How training and measuring ended; what was measured, and why a value of it is not-a-number."""

    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class _Watcher:
    """Those who look on: one who may ask to stop, one who is shown every mark, one who judges it."""

    def __init__(self, stop: Callable[[], bool], watch: Watch, judge: Judge) -> None:
        self.stop, self._watch, self._judge = stop, watch, judge
        self.verdict = ""  # why the run is not worth going on with

    def see(self, progress: RunProgress) -> None:
        """One mark."""
        self._watch(progress)
        self.verdict = self._judge(progress)


def _train_and_measure(work: Work, log_: RunLog, place: Place, watcher: _Watcher, kept: Kept, state: Mapping[str, Any] | None) -> Ending:
    """`state` is what a run that goes on had in its checkpoint."""
    recorder = Recorder(work, log_, watcher.see)
    if state is not None:
        _restore(recorder, state, kept)
        log.info("%s goes on at %s images", _name(work.config), f"{work.trainer.images:,}")
    elif place.extends_fingerprint:
        recorder.extend(checkpoint.load(kept_of(Path(place.folder), place.extends_fingerprint).newest))
    seconds = SECONDS if place.checkpoint_seconds is None else place.checkpoint_seconds
    keeper = Keeper(kept, log_, seconds=seconds, resumed_at=None if state is None else int(state["log"]["position"]))
    try:
        return _trained(work, recorder, watcher, keeper)
    except KeyboardInterrupt:
        keeper.fall_back()
        raise


def _restore(recorder: Recorder, state: Mapping[str, Any], kept: Kept) -> None:
    """Go on from a state; one that is whole and yet no state of this run is a UserError."""
    try:
        recorder.load_state_dict(state)
    except Exception as error:  # it may lack anything, or hold anything in its place
        raise UserError(
            f"the checkpoints in {kept.newest.parent} are not of this run: {type(error).__name__}: {one_line(error, most=120)}"
        ) from error


def _trained(work: Work, recorder: Recorder, watcher: _Watcher, keeper: Keeper) -> Ending:
    """Train to the budget, and measure."""
    stop = watcher.stop
    for progress in train(work.trainer, recorder.marks, pause=lambda: stop() or keeper.due()):
        if progress.mark:
            recorder.record(progress)
        if progress.diverged:
            return Ending("diverged", progress.diverged, recorder.close({}, {}))
        if watcher.verdict and progress.share < 1:
            return Ending("pruned", watcher.verdict, recorder.close({}, {}))
        if stop() and progress.share < 1:
            keeper.stop(recorder.state_dict)
            raise Interrupted
        if keeper.due() and progress.share < 1:
            keeper.keep(recorder.state_dict)
    keeper.keep(recorder.state_dict)  # stays: a longer run can go on from it
    return Ending("finished", "", recorder.finish(), recorder.reasons)


def kept_of(folder: Path, fingerprint: str) -> Kept:
    """The checkpoints of a run under a suite's folder."""
    return Kept(folder / fingerprint)


def _name(config: RunConfig) -> str:
    return f"{config.variant}-s{config.seed}"


def make_folder(folder: Path) -> None:
    """Make the folder of a suite's checkpoints, if need be. What `check_writable` cannot foresee is a UserError here, before any run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def check_writable(folder: Path) -> None:
    """Raise a UserError unless the folder, or the one that it would be made in, can be written. Leaves nothing."""
    if why := refusal(folder):
        raise UserError(f"the folder {one_line(folder, most=300)} cannot be written: {why}")
