"""The execution of a suite: what is finished is skipped, what is missing runs, what was stopped goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.assemble import check
from bench.config import DATASETS, RunConfig
from bench.environment import resolve, source_commit
from bench.evaluate import Evaluator
from bench.execute import Job, Update, check_workers, execute
from bench.record import RunProgress
from bench.references import KINDS, reference_is_there
from bench.results import REFERENCES
from bench.run import Place, RunResult, check_writable
from bench.suite import PlannedRun, Suite
from bench.tracking import DONE, Tracker, owner_is_alive

log = logging.getLogger(__name__)

Need = Literal["skip", "train", "resume", "score", "busy"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What an execution does about one planned run, and why."""

    planned: PlannedRun
    config: RunConfig  # resolved
    fingerprint: str
    need: Need
    why: str
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an execution ended."""

    results: tuple[RunResult, ...] = ()
    skipped: int = 0
    busy: int = 0
    interrupted: bool = False
    decisions: tuple[Decision, ...] = field(default=(), repr=False)

    def count(self, status: str) -> int:
        """Runs of this execution that ended with a status."""
        return sum(result.status == status for result in self.results)


def resolve_and_check(planned: Sequence[PlannedRun]) -> list[RunConfig]:
    """The configurations with every `auto` decided, each built once to see that it can be; writes nothing."""
    configs = [resolve(run.config) for run in planned]
    for config in {config.model_copy(update={"seed": 0}).canonical(): config for config in configs}.values():
        check(config)
    return configs


def decide(planned: Sequence[PlannedRun], configs: Sequence[RunConfig], tracker: Tracker) -> list[Decision]:
    """What each planned run needs, by its fingerprint in the suite's own experiment."""
    evaluators: dict[tuple[str, int], Evaluator] = {}
    decisions = []
    for run, config in zip(planned, configs, strict=True):
        dataset = DATASETS.get(config.dataset)
        fingerprint = config.fingerprint(data_digest=dataset.digest())
        key = (config.dataset, config.evaluation.samples)
        evaluators.setdefault(key, Evaluator(dataset, samples=config.evaluation.samples))
        need, why, run_id = _need(tracker, fingerprint, evaluators[key].protocol_hash)
        decisions.append(Decision(planned=run, config=config, fingerprint=fingerprint, need=need, why=why, run_id=run_id))
    return decisions


def _need(tracker: Tracker, fingerprint: str, protocol: str) -> tuple[Need, str, str]:
    found = tracker.find(fingerprint)
    if not found:
        return "train", "new", ""
    done = [run for run in found if run.data.tags.get("status") in DONE]
    if done:
        run, tags = done[0], done[0].data.tags
        if tags["status"] == "finished" and tags.get("protocol") != protocol:
            return "score", "finished under another protocol", run.info.run_id
        return "skip", tags["status"], run.info.run_id
    newest, tags = found[0], found[0].data.tags
    status = tags.get("status", "")
    if status == "running" and owner_is_alive(tags.get("owner", "")):
        return "busy", f"being trained by {tags['owner']}", newest.info.run_id
    if status == "running":
        tracker.close(newest.info.run_id, "interrupted", "its process is gone")
    return ("resume" if status == "interrupted" else "train"), status, newest.info.run_id


def run_suite(
    suite: Suite, planned: Sequence[PlannedRun], *, uri: str, folder: Path, workers: int | None, stop: Callable[[], bool], display: Display
) -> Outcome:
    """Do what is missing of a suite, references first, and return how every run ended.

    Raises UserError before anything runs where the store, the folder, the data or a configuration cannot be used.
    """
    threads = max(run.config.threads for run in planned)
    chosen = check_workers(workers, threads)
    folder = folder / suite.name  # the same run may be under way in another suite
    check_writable(folder)
    configs = resolve_and_check(planned)
    tracker = Tracker(uri, suite.name)
    decisions = decide(planned, configs, tracker)
    todo = [decision for decision in decisions if decision.need in ("train", "resume", "score")]
    references = _reference_jobs(decisions, uri, folder)
    skipped = sum(decision.need == "skip" for decision in decisions)
    busy = [decision for decision in decisions if decision.need == "busy"]
    for decision in busy:
        log.warning("%s seed %d is %s: left to it", decision.config.variant, decision.config.seed, decision.why)
    if not todo and not references:
        return Outcome(skipped=skipped, busy=len(busy), decisions=tuple(decisions))
    parent = tracker.start_parent(f"{suite.name} execution", _parent_tags(suite)) if todo else ""
    jobs = references + [_job(decision, suite, uri, folder, parent) for decision in todo]
    status = "failed"
    try:
        results = _execute(jobs, chosen, stop, display)
        interrupted = stop()
        status = "interrupted" if interrupted else "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if parent:
            tracker.end_parent(parent, status)
    return Outcome(results=tuple(results), skipped=skipped, busy=len(busy), interrupted=interrupted, decisions=tuple(decisions))


class Display:
    """What an execution shows while it goes on. This one shows nothing."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Before the first job."""

    def update(self, job: Job, progress: RunProgress) -> None:
        """A job has told how far it is."""

    def end(self, job: Job, result: RunResult) -> None:
        """A job has ended."""


def _execute(jobs: Sequence[Job], workers: int, stop: Callable[[], bool], display: Display) -> list[RunResult]:
    display.start(jobs)
    update: Update = display.update
    results = []
    for job, result in execute(jobs, workers=workers, stop=stop, update=update):
        display.end(job, result)
        if job.kind != "reference":
            results.append(result)
    return results


def _reference_jobs(decisions: Sequence[Decision], uri: str, folder: Path) -> list[Job]:
    """The reference rows that these runs need and that nobody has measured yet."""
    wanted = {(decision.config.dataset, decision.config.evaluation.samples) for decision in decisions}
    jobs = []
    for dataset, samples in sorted(wanted):
        evaluator = Evaluator(DATASETS.get(dataset), samples=samples)
        for kind in KINDS:
            if not reference_is_there(uri, kind, evaluator):
                arguments = {"kind": kind, "dataset_name": dataset, "samples": samples, "uri": uri}
                jobs.append(
                    Job(
                        name=f"reference row: {kind}",
                        kind="reference",
                        key=f"{REFERENCES}-{kind}-{dataset}",
                        arguments=arguments,
                        folder=str(folder),
                    )
                )
    return jobs


def _job(decision: Decision, suite: Suite, uri: str, folder: Path, parent: str) -> Job:
    if decision.need == "score":
        name = f"{decision.config.variant} seed {decision.config.seed} measured again"
        arguments = {"run_id": decision.run_id, "uri": uri, "evaluation": decision.config.evaluation.model_dump()}
        return Job(name=name, kind="score", key=decision.run_id, arguments=arguments, folder=str(folder))
    place = Place(
        uri=uri, suite=suite.name, folder=str(folder), parent=parent, track=suite.track,
        note=decision.planned.note, overrides=decision.planned.overrides,
    )  # fmt: skip
    return Job.of_run(decision.config, place, decision.fingerprint)


def _parent_tags(suite: Suite) -> dict[str, str]:
    commit, dirty = source_commit()
    settings = json.dumps(dict(suite.settings), sort_keys=True)
    return {
        "suite": suite.name,
        "idea": suite.idea,
        "settings": settings,
        "commit": f"{commit or 'unknown'}{' (changed)' if dirty else ''}",
    }
