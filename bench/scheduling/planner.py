"""Planner: predicts the action for each planned run of a suite, from the recorded runs with its fingerprint. It writes nothing.

Another process may train the same run at the same time. So the process that holds the run lock makes the final choice (`bench.runs.runner`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core import serialization
from bench.core.config import DATASETS, RESULTS_VERSION, VARIANTS, Evaluation, RunConfig, paths
from bench.core.errors import UserError, one_line
from bench.core.text import pluralise
from bench.evaluation.evaluator import evaluator_for
from bench.runs.action import STOPPED, ActionKind, Checkpoint, choose_action
from bench.runs.pending_writes import pending_statuses
from bench.runs.preparation import curve_protocols
from bench.scheduling.suite import PlannedRun
from bench.tracking.client import DONE, Lookup
from bench.tracking.tags import FINGERPRINT
from bench.training.checkpoints import checkpoints_of

if TYPE_CHECKING:
    from mlflow.entities import Run

IMAGES = re.compile("[0-9]{1,12}")  # in a valid parameter
TO_DO: tuple[ActionKind, ...] = ("train", "resume", "extend", "score")


@dataclass(frozen=True, kw_only=True)
class PlannedAction:
    """Predicted action for a planned run, and its reason."""

    planned: PlannedRun
    config: RunConfig  # resolved
    fingerprint: str
    kind: ActionKind
    why: str
    run_id: str = ""  # of the recorded run to skip, resume or score
    warning: str = ""  # for the user, about an unexpected action
    changed: str = ""  # version that has changed since a recorded run of this configuration
    base: BaseRun | None = None  # the run to extend


@dataclass(frozen=True, kw_only=True)
class BaseRun:
    """Finished run that a longer run extends from its last checkpoint."""

    run_id: str
    fingerprint: str
    images: int
    best: bool  # whether its best checkpoint is saved


@dataclass(frozen=True, kw_only=True)
class RecordedRuns:
    """Planned run and its recorded runs."""

    planned: PlannedRun
    config: RunConfig  # resolved
    fingerprint: str
    runs: Sequence[Run]  # with this fingerprint, newest first

    @property
    def done(self) -> Run | None:
        """Newest complete run, which is not trained again, or None."""
        return next((run for run in self.runs if run.data.tags.get("status") in DONE), None)


def find_recorded(planned: Sequence[PlannedRun], configs: Sequence[RunConfig], lookup: Lookup) -> list[RecordedRuns]:
    """Find the recorded runs of each planned run. `configs` are the resolved configurations."""
    fingerprints = [config.fingerprint(data_digest=DATASETS.get(config.dataset).digest()) for config in configs]
    return [
        RecordedRuns(planned=run, config=config, fingerprint=fingerprint, runs=lookup.find(fingerprint))
        for run, config, fingerprint in zip(planned, configs, fingerprints, strict=True)
    ]


def plan_actions(recorded: Sequence[RecordedRuns], lookup: Lookup, folder: Path, *, unready: Collection[str] = ()) -> list[PlannedAction]:
    """Predict the action for each planned run. `folder` has the checkpoints of the suite.

    Datasets in `unready` have no classifier yet, so their evaluation protocol is unknown. Finished runs on them get the action `score`.
    """
    protocols: dict[tuple[str, Evaluation], tuple[str, Collection[str]]] = {}
    actions = []
    for run in recorded:
        config = run.config
        dataset, key = DATASETS.get(config.dataset), (config.dataset, config.evaluation.how())
        if key not in protocols:
            evaluator = None if config.dataset in unready else evaluator_for(dataset, config.evaluation)
            protocols[key] = (evaluator.protocol_hash if evaluator else "", curve_protocols(evaluator))
        protocol, marks = protocols[key]
        action = _planned_action(run, protocol, marks, folder)
        actions.append(action if run.runs else _with_changed_version(action, lookup))
    return actions


def _with_changed_version(action: PlannedAction, lookup: Lookup) -> PlannedAction:
    """Return the action for a new run with the change of a version, if the store has the run with another version."""
    config = action.config
    for run in lookup.find_cell(config.variant, config.dataset, config.seed):
        changed = _version_changes(run, config)
        if changed and _same_settings(run, config):
            return replace(action, why=changed, changed=changed)
    return action


def _version_changes(run: Run, config: RunConfig) -> str:
    """Return the changes of versions since a recorded run, for example "variant version 1 -> 2". Without a change, the text is empty."""
    now: dict[str, object] = {"results_version": RESULTS_VERSION, "variant_version": VARIANTS.get(config.variant).version}
    if source := config.source():
        now["variant_source"] = source
    before = {tag: one_line(run.data.tags.get(tag) or "unrecorded", most=20) for tag in now}
    return ", ".join(f"{tag.replace('_', ' ')} {before[tag]} -> {new}" for tag, new in now.items() if before[tag] != str(new))


def _same_settings(run: Run, config: RunConfig) -> bool:
    """Return whether a recorded run has the same settings. Settings that it does not record are ignored."""
    current = {path: str(value) for path, value in paths(config).items() if not path.startswith("evaluation.")}
    stored = run.data.params
    return stored.keys() >= {"seed", "dataset"} and all(current[path] == stored[path] for path in current.keys() & stored.keys())


def changed_versions(actions: Sequence[PlannedAction]) -> list[str]:
    """Return a message for each change of a version that makes runs train again."""
    lines = []
    for variant, changed in dict.fromkeys((_variant_prefix(action), action.changed) for action in actions if action.changed):
        count = sum(action.changed == changed and _variant_prefix(action) == variant for action in actions)
        lines.append(
            f"{variant}{changed} since {pluralise(count, 'run')} of this suite: this execution trains them again, and the recorded runs stay"
        )
    return lines


def _variant_prefix(action: PlannedAction) -> str:
    """Return the variant if its version or its source has changed, else an empty text."""
    return f"{action.config.variant}: " if "variant " in action.changed else ""


def _planned_action(recorded: RecordedRuns, protocol: str, marks: Collection[str], folder: Path) -> PlannedAction:
    """Return the action that the lock holder chooses if the checkpoint is intact and belongs to the newest run."""
    config, fingerprint, runs = recorded.config, recorded.fingerprint, recorded.runs
    checkpoint = None
    if runs and runs[0].data.tags.get("status") in STOPPED and checkpoints_of(folder, fingerprint).any:
        checkpoint = Checkpoint(run_id=runs[0].info.run_id, curve_protocol=runs[0].data.tags.get("curve_protocol", ""))
    predicted = choose_action(
        runs, protocol=protocol, curve_protocols=marks, checkpoint=checkpoint, pending=pending_statuses(folder / fingerprint)
    )
    run = next((run for run in runs if run.info.run_id == predicted.run_id), None)
    warning = ""
    if (
        run is not None
        and predicted.kind in ("skip", "score")
        and config.evaluation.best
        and run.data.params.get("evaluation.best") != "True"
    ):
        warning = f"{_name(config)} is finished without a saved best checkpoint, so its best checkpoint cannot be measured"
    return PlannedAction(
        planned=recorded.planned,
        config=config,
        fingerprint=fingerprint,
        kind=predicted.kind,
        why=predicted.why,
        run_id=predicted.run_id,
        warning=warning,
    )


def extend_actions(actions: Sequence[PlannedAction], lookup: Lookup, folder: Path) -> list[PlannedAction]:
    """Return the actions, with each new run changed to an extension of the longest finished run that differs only in length.

    Raises UserError if there is no such run, if its checkpoint is missing, or if training depends on the budget.
    """
    return [_extension(action, lookup, folder) if action.kind == "train" else _refuse_shorter(action, lookup) for action in actions]


def _extension(action: PlannedAction, lookup: Lookup, folder: Path) -> PlannedAction:
    config, name = action.config, _name(action.config)
    bound = config.recipe.bound_to_budget()
    if bound:
        raise UserError(
            f"--extend: {config.variant} cannot be extended, because its recipe.{bound} depends on the budget; train it from scratch"
        )
    finished = _finished_runs(action, lookup)
    if not finished and _finished_runs(action, lookup, status="diverged"):
        return replace(action, warning=f"{name} diverged at a smaller budget: it restarts from scratch, so that this budget has a result")
    if not finished:
        raise UserError(
            f"--extend: {name} has no finished run at a smaller budget; train it first, or from scratch with --set {_budget(config)}"
        )
    longest = max(finished, key=lambda base: base.images)
    if longest.images > (config.budget.images or 0):
        raise UserError(f"--extend {config.budget.images}: {name} already has a run of {longest.images:,} images; give more images")
    path = checkpoints_of(folder, longest.fingerprint).newest
    if not path.exists():
        raise UserError(f"--extend: the last checkpoint of {name} is missing ({path}); train it from scratch with --set {_budget(config)}")
    try:
        serialization.load(path)
    except UserError as error:
        raise UserError(f"--extend: {error}; train {name} from scratch with --set {_budget(config)}") from error
    if config.evaluation.best and not longest.best:
        raise UserError(f"--extend: {name} has no saved best checkpoint; train it from scratch with --set {_budget(config)}")
    return replace(action, kind="extend", why=f"extends a run of {longest.images:,} images", base=longest, warning="")


def _refuse_shorter(action: PlannedAction, lookup: Lookup) -> PlannedAction:
    """Return the action. Raises UserError if the store has a longer run, because an extension must be longer than it."""
    longest = max((base.images for base in _finished_runs(action, lookup)), default=0)
    if longest > (action.config.budget.images or 0):
        raise UserError(
            f"--extend {action.config.budget.images}: {_name(action.config)} already has a run of {longest:,} images; give more images"
        )
    return action


def _finished_runs(action: PlannedAction, lookup: Lookup, status: str = "finished") -> list[BaseRun]:
    lineage = action.config.lineage(data_digest=DATASETS.get(action.config.dataset).digest())
    runs = [run for run in lookup.find_lineage(lineage) if run.data.tags.get("status") == status]
    return [
        BaseRun(
            run_id=run.info.run_id, fingerprint=run.data.tags["fingerprint"], images=int(run.data.params["budget.images"]),
            best=run.data.params.get("evaluation.best") == "True",
        )
        for run in runs
        if IMAGES.fullmatch(run.data.params.get("budget.images", "")) and FINGERPRINT.fullmatch(run.data.tags.get("fingerprint", ""))
    ]  # fmt: skip


def _budget(config: RunConfig) -> str:
    return f"budget.images={config.budget.images}"


def _name(config: RunConfig) -> str:
    return f"{config.variant} seed {config.seed}"
