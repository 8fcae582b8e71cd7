"""Reader of recorded runs as tidy data frames. Reports read runs only through it. Does not import torch.

`Results.runs` has one row for each run and each reference row (`kind == "reference"`). Its columns are:

- `RUN_COLUMNS`;
- each metric that any run has. The key of its card is the name, e.g. "quality/fid_classifier". A run without the metric has NaN. The column
  "best/<key>" has the same metric of the best checkpoint, and "<key>_se" has its standard error;
- `param:<path>` for each configuration path, as text, e.g. "param:recipe.lr_g".

Runs also record the cards of metrics that are not built in. `load` registers these cards (`bench.metrics.columns.recorded`).

`Results.curves` is tidy: run_id, images, seconds (the training clock), key, value. It may have tens of millions of rows, so run_id and key are
categoricals. `bench.tracking.curves.curve` returns the rows of some keys, with plain text.
`Results.protocols` is tidy: run_id, key, protocol (hash of the evaluation protocol of that metric).
`Results.studies` has the record of each study (`STUDY`). The reader must validate it.
"""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.core.errors import UserError, nearest, one_line
from bench.metrics.columns import is_metric, is_standard_error, recorded
from bench.tracking.artifacts import Artifacts
from bench.tracking.curves import final_errors, read_curves
from bench.tracking.logged_images import FOLDER, SAMPLES, steps_of
from bench.tracking.pages import checked, every_experiment, every_run, first_run
from bench.tracking.tags import moment_of, seed_of

log = logging.getLogger(__name__)

# kind: run | reference | parent; status: finished | diverged | pruned | interrupted | failed | running
RUN_COLUMNS: dict[str, str] = {
    "run_id": "str",
    "kind": "str",
    "suite": "str",
    "variant": "str",
    "idea": "str",
    "paper": "str",
    "dataset": "str",
    "seed": "int",
    "status": "str",
    "reason": "str",
    "fingerprint": "str",
    "protocol": "str",
    "track": "str",
    "note": "str",
    "overrides": "str",
    "claims": "str",
    "device": "str",
    "results_version": "str",  # versions of the harness and of the variant, as text. Empty in older runs
    "variant_version": "str",
    "variant_source": "str",  # hash of the code of variants, networks and losses given as module:OBJECT. Empty if all are registered
    "extends": "str",  # id of the run that this one extends
    "lineage": "str",  # hash of everything but the length: equal for runs that can extend each other
    "headline": "str",  # key of the metric that ranks runs on this data. In older runs empty, which means quality/fid_classifier
    "best_metric": "str",  # key of the metric that chose the best checkpoint, if it is not the headline. Empty otherwise
    "study": "str",  # the study that the run belongs to. This and the next three are empty outside studies
    "phase": "str",  # search: a trial on the seeds of the search | final: a recipe on seeds that no trial uses
    "trial": "str",  # number of the trial that has its settings
    "recipe": "str",  # of a final run: tuned (of the best trial) | default (of the variant) | both (they are the same) | superseded
    "started": "datetime",
}
COMPLETE = ("finished", "diverged", "pruned")  # statuses of runs that have recorded everything
BUDGET = "param:budget.images"  # column of `Results.runs`
REFERENCES = "references"  # experiment of the reference rows (`real`, `untrained`) of all suites
PROTOCOL_COLUMNS = ("run_id", "key", "protocol")
GLOB = re.compile(r"[*?[]")
EARLIER_GRID = re.compile(r"/step_([0-9]{1,15})\.png$")
FULL_ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{6,32}")  # of a run id, long enough to identify it

# Names of the artifacts of a run.
CONFIG = "config.json"
PROTOCOL = "protocol.json"  # metrics {key: hash}, all (hash of those), cards {key: card} (`bench.metrics.columns.recorded`)
# class_names, class_share {generated, real}, health [{flag, since_images, message}], reasons {key: text}, bins {generated, train},
# modes {count, found, shares}, spectrum {generated, real}; of mixtures points, centres, sd; latent {directions [{from, to, reached}], arithmetic [{of, to}]}
EVIDENCE = "evidence.json"
ENVIRONMENT = "environment.json"
DATA = "data.json"  # kind, shape, classes, class_names (`bench.data.record`)
CURVES = "curves.parquet"
HISTORY = "history/curves-{protocol}.parquet"  # values at evaluation points by an earlier evaluation protocol (`bench.runs.rescoring`)
WEIGHTS = "weights/last.safetensors"
BEST_WEIGHTS = "weights/best.safetensors"  # of the best evaluation point, in runs that save it
METRICS = "metrics.json"  # the last values of the measured metrics with their standard errors, as a table for MLflow's pages
GRIDS = "grids"  # in runs of earlier versions, grids/step_000037500.png are the sample grids during training
FINAL_GRID = "grids/final.png"  # a copy is the last of the images `SAMPLES`, which have the same noise at several positions of training
INTERPOLATION = "pictures/interpolation.png"  # each row interpolates between two latents in 8 steps
LATENT = "pictures/latent"  # folder of pictures: parts of the latent, class directions, latent arithmetic (`bench.evaluation.latent_space`)
NEAREST = "nearest_training.png"  # the generated images closest to training images, beside the training images
STUDY = "study.json"  # the search of a study, an artifact of its parent run (`bench.tracking.study_record`)


@dataclass(frozen=True, kw_only=True)
class Results:
    """Recorded runs of some experiments. It reads artifacts on demand."""

    uri: str  # without user and password
    experiments: tuple[str, ...]
    runs: pd.DataFrame
    curves: pd.DataFrame
    protocols: pd.DataFrame
    artifacts: Artifacts
    studies: tuple[Mapping[str, Any], ...] = ()  # `STUDY` of each study, by name. Empty if runs are selected by id

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Return the local file of an artifact, or None if it is missing. A downloaded file is deleted with these results."""
        return self.artifacts.get(run_id, path)

    def read(self, run_id: str, path: str) -> bytes | None:
        """Return the content of an artifact of a run, or None if it is missing."""
        return self.artifacts.read(run_id, path)

    def names(self, run_id: str, folder: str) -> list[str]:
        """Return the sorted paths of a run's artifacts directly in a folder."""
        return self.artifacts.names(run_id, folder)

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """Return a JSON artifact, or None if it is missing or not a JSON object."""
        return self.artifacts.read_json(run_id, path)

    def grids(self, run_id: str) -> list[tuple[int, str]]:
        """Return the numbers of images and the paths of the sample grids during training, without the final one."""
        images = steps_of(self.names(run_id, FOLDER), SAMPLES)
        if images and self.artifact(run_id, FINAL_GRID):
            end = self._end(run_id) or images[-1][0]
            images = [(step, path) for step, path in images if step < end]
        earlier = [(int(match[1]), path) for path in self.names(run_id, GRIDS) if (match := EARLIER_GRID.search(path))]
        return sorted([*earlier, *images])

    def _end(self, run_id: str) -> int:
        """Return the step of the final sample grid of a run: its budget or, if it used fewer images, their number. 0 if both are unknown."""
        budget = self.runs.loc[self.runs["run_id"] == run_id, BUDGET] if BUDGET in self.runs else pd.Series(dtype=float)
        images = self.curves.loc[self.curves["run_id"] == run_id, "images"]
        ends = [*pd.to_numeric(budget, errors="coerce").dropna(), *([images.max()] if len(images) else [])]
        return int(min(ends, default=0))


def load(uri: str, experiments: Sequence[str] = (), *, run_ids: Sequence[str] = ()) -> Results:
    """Return the runs of experiments (suites), with their reference rows. A glob selects all suites that it matches. No name selects all.

    `run_ids` selects runs by their ids, or by the first digits of their ids. Raises UserError if the store is missing or fails. It is also
    raised for an unknown experiment or run, and for a run in none of the experiments.
    """
    from bench.tracking.store import connect, redacted

    client = connect(uri)
    found = _runs_by_id(client, run_ids, experiments) if run_ids else every_run(client, _experiments(client, experiments))
    children = [run for run in found if run.data.tags.get("kind") == "run"]
    references = [run for run in every_run(client, _experiments(client, (REFERENCES,), missing_ok=True)) if _matches_a_run(run, children)]
    loaded = children + references
    parents = [] if run_ids else [run for run in found if run.data.tags.get("kind") == "parent" and run.data.tags.get("study")]
    artifacts = Artifacts(client, {run.info.run_id: run.info.artifact_uri for run in (*loaded, *parents)})
    ids = [run.info.run_id for run in loaded]
    artifacts.warn_of_missing(run.info.run_id for run in loaded if run.data.tags.get("status") in COMPLETE)
    protocols = {run_id: artifacts.read_json(run_id, PROTOCOL) or {} for run_id in ids}
    newest = sorted(loaded, key=lambda run: (run.info.start_time or 0, run.info.run_id), reverse=True)
    recorded.register_recorded_cards(
        [(run.info.run_id, protocols[run.info.run_id].get("cards")) for run in newest]
    )  # before metrics are read
    curves = read_curves(artifacts, ids, CURVES)
    return Results(
        uri=redacted(uri),
        experiments=_suites(children) or tuple(experiments),
        runs=_run_frame(loaded, protocols, final_errors(curves)),
        curves=curves,
        protocols=_protocol_frame(protocols),
        artifacts=artifacts,
        studies=_studies(parents, artifacts),
    )


def _suites(runs: Sequence[Any]) -> tuple[str, ...]:
    """Return the sorted names of the suites, or studies, that runs belong to."""
    names = {run.data.tags.get("suite") or run.data.tags.get("study", "") for run in runs}
    return tuple(sorted(names - {""}))


def _studies(parents: Sequence[Any], artifacts: Artifacts) -> tuple[Mapping[str, Any], ...]:
    """Return the record of each study, from its newest parent run with a record. The name is that in the tags of its runs."""
    found: dict[str, Mapping[str, Any]] = {}
    for run in sorted(parents, key=lambda run: (run.info.start_time or 0, run.info.run_id), reverse=True):
        name = run.data.tags["study"]
        recorded = None if name in found else artifacts.read_json(run.info.run_id, STUDY)
        if recorded is not None:
            found[name] = {**recorded, "study": name}
    for name in sorted({run.data.tags["study"] for run in parents} - set(found)):
        log.warning("the study %s has no %s that can be read", one_line(repr(name), most=80), STUDY)
    return tuple(found[name] for name in sorted(found))


def _experiments(client: Any, names: Sequence[str], *, missing_ok: bool = False) -> list[str]:
    known = {experiment.name: experiment.experiment_id for experiment in every_experiment(client)}
    suites = sorted(set(known) - {REFERENCES, "Default"})
    if not names:
        return [known[name] for name in suites]
    chosen: dict[str, str] = {}
    for name in names:
        found = [name] if name in known else _matching(client, known, suites, name)
        if not found and not missing_ok:
            hint = nearest(name, suites) or ": the store has no suites"
            raise UserError(f"no results of a suite {'like ' if GLOB.search(name) else ''}{name!r}{hint}")
        chosen |= {other: known[other] for other in found}
    return list(chosen.values())


def _matching(client: Any, known: Mapping[str, str], suites: Sequence[str], pattern: str) -> list[str]:
    """Return the suites with runs of ganbench whose names match a glob. The list is empty for a plain name."""
    matching = [name for name in suites if GLOB.search(pattern) and fnmatch.fnmatchcase(name, pattern)]
    return [name for name in matching if first_run(client, known[name], "tags.kind = 'run'")]


def find_run(client: Any, run_id: str) -> Any:
    """Return the MLflow run with an id, or with an id that starts with these digits (at least 6). Raises UserError unless exactly one run matches."""
    from mlflow.exceptions import MlflowException

    if FULL_ID.fullmatch(run_id):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UserError(f"there is no run {run_id!r} in the store; check the id and MLFLOW_TRACKING_URI") from error
        found = [checked(run)] if run.info.lifecycle_stage == "active" else []
    else:
        everything = [experiment.experiment_id for experiment in every_experiment(client)] if PREFIX.fullmatch(run_id) else []
        found = [run for run in every_run(client, everything) if run.info.run_id.startswith(run_id)]
    if not found:
        short = (
            "; check the id and MLFLOW_TRACKING_URI"
            if PREFIX.fullmatch(run_id)
            else ": give its id, or at least the first 6 of its digits (0-9, a-f)"
        )
        raise UserError(f"there is no run {one_line(run_id, most=80)!r} in the store{short}")
    if len(found) > 1:
        ids = ", ".join(sorted(run.info.run_id[: len(run_id) + 6] for run in found)[:5])
        raise UserError(f"{run_id!r} are the first digits of {len(found)} runs: {ids}{', ...' if len(found) > 5 else ''}; give more digits")
    return found[0]


def _runs_by_id(client: Any, run_ids: Sequence[str], experiments: Sequence[str]) -> list[Any]:
    """Return the training runs with these ids, without duplicates. Raises UserError for a run of none of the experiments."""
    inside = _experiments(client, experiments) if experiments else []
    runs = {run.info.run_id: run for run in (find_run(client, run_id) for run_id in run_ids)}
    for run_id, run in runs.items():
        kind = run.data.tags.get("kind", "")
        if kind != "run":
            words = {"parent": "is a parent run", "reference": "is a reference row"}.get(kind, "is not a run of ganbench")
            raise UserError(f"the run {run_id} {words}; give the id of a training run")
        if experiments and run.info.experiment_id not in inside:
            raise UserError(
                f"the run {run_id} is of the suite {run.data.tags.get('suite', '')!r}, not of {' or '.join(map(repr, experiments))}"
            )
    return list(runs.values())


def _matches_a_run(reference: Any, children: Iterable[Any]) -> bool:
    """Return whether any run has the dataset and the evaluation protocol of a reference row."""
    wanted = (reference.data.tags.get("dataset"), reference.data.tags.get("protocol"))
    return any((run.data.tags.get("dataset"), run.data.tags.get("protocol")) == wanted for run in children)


def _run_frame(runs: Sequence[Any], protocols: Mapping[str, Mapping[str, Any]], errors: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    rows = [_run_row(run, protocols[run.info.run_id].get("all"), errors.get(run.info.run_id)) for run in runs]
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*RUN_COLUMNS, *(key for row in rows for key in row)])))
    for name, kind in RUN_COLUMNS.items():
        if kind == "str":
            frame[name] = frame[name].fillna("").astype(object)
    return frame.astype({"seed": "int64"}).copy()  # in one block: pandas warns if columns are added to a hundred blocks


def _run_row(run: Any, protocol: Any, errors: Mapping[str, float] | None) -> dict[str, Any]:
    """Return the row of a run with the standard errors of its curve, or with those in MLflow if it has no curve.

    The hash in its protocol artifact has priority over its tag, which an interrupted rescoring does not update.
    """
    tags = run.data.tags
    row: dict[str, Any] = {name: tags.get(name, "") for name in RUN_COLUMNS}
    row |= {"run_id": run.info.run_id, "started": moment_of(run.info.start_time), "seed": seed_of(tags)}
    row |= {"protocol": protocol} if isinstance(protocol, str) else {}
    metrics = {key: value for key, value in run.data.metrics.items() if is_metric(key)}
    if errors is not None:  # earlier versions also logged standard errors as metrics
        metrics = {key: value for key, value in metrics.items() if not is_standard_error(key)} | dict(errors)
    row |= metrics
    return row | {f"param:{path}": value for path, value in run.data.params.items()}


def _protocol_frame(protocols: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    rows = []
    for run_id, protocol in protocols.items():
        metrics = protocol.get("metrics")
        rows += [(run_id, key, value) for key, value in metrics.items() if isinstance(value, str)] if isinstance(metrics, dict) else []
    return pd.DataFrame(rows, columns=list(PROTOCOL_COLUMNS))
