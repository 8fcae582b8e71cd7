"""The read side of the tracker: MLflow runs as tidy data frames. Imports no torch; reports know nothing else of a run.

`Results.runs` has one row a run (and one for each reference row, `kind == "reference"`), with the columns `RUN_COLUMNS`, one
column for each metric that any run has (the key of its card, e.g. "quality/fid_classifier"; "best/" and the key for the same metric
of the best checkpoint; the key and "_se" for its standard error; NaN where a run lacks it), and one column `param:<path>` for each configuration path, as text
(e.g. "param:recipe.lr_g"). Runs carry the cards of metrics that are not built in, and `load` registers them (`bench.metrics.cards.recorded`).

`Results.curves` is tidy: run_id, images, seconds (the training clock), key, value. It may have tens of millions of rows, so run_id and key are
categoricals; `curve` gives the rows of some keys with plain ones.
`Results.protocols` is tidy: run_id, key, protocol (hash of how that metric was measured).
`Results.studies` holds what each study recorded of its search (`STUDY`), as it was found: whoever reads it checks it.
"""

from __future__ import annotations

import fnmatch
import io
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.core.errors import UserError, nearest, one_line
from bench.metrics.cards import is_metric, recorded
from bench.tracking.artifacts import Artifacts
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
    "results_version": "str",  # of the harness and of the variant, as text; empty in runs older than their recording
    "variant_version": "str",
    "variant_source": "str",  # hash of the code of variants, networks and losses given as module:OBJECT; empty where all are registered
    "extends": "str",  # id of the run that this one went on from
    "lineage": "str",  # hash of everything but the length: what runs that can extend each other share
    "headline": "str",  # key of the metric that runs on this data are ranked by; empty in older runs: quality/fid_classifier
    "study": "str",  # the study that the run belongs to; empty outside studies, as are the next three
    "phase": "str",  # search: a trial on the search's seeds | final: a recipe on seeds that the search never used
    "trial": "str",  # number of the trial that its settings are of
    "recipe": "str",  # of a final run: tuned (the best trial's) | default (the author's) | both (they are the same) | superseded
    "started": "datetime",
}
COMPLETE = ("finished", "diverged", "pruned")  # the statuses of runs that have recorded everything
REFERENCES = "references"  # the experiment that holds the `real` and `untrained` rows of every suite
CURVE_COLUMNS = ("run_id", "images", "seconds", "key", "value")
CURVE_TYPES = {"images": "int64", "seconds": "float64", "key": "category", "value": "float64"}
PROTOCOL_COLUMNS = ("run_id", "key", "protocol")
GLOB = re.compile(r"[*?[]")
FULL_ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{6,32}")  # of a run id, long enough to be meant

# Artifacts of a run, as `bench.tracking.client` names them.
CONFIG = "config.json"
PROTOCOL = "protocol.json"  # metrics {key: hash}, all (a hash of those), cards {key: what it means} (`bench.metrics.cards.recorded`)
# class_names, class_share {generated, real}, health [{flag, since_images, message}], reasons {key: text}, bins {generated, train},
# modes {count, found, shares}, spectrum {generated, real}; of mixtures points, centres, sd; latent {directions [{from, to, reached}], arithmetic [{of, to}]}
EVIDENCE = "evidence.json"
ENVIRONMENT = "environment.json"
DATA = "data.json"  # kind, shape, classes, class_names (`bench.data.record`)
CURVES = "curves.parquet"
HISTORY = "history/curves-{protocol}.parquet"  # mid-run points by an earlier protocol, by its hash (`bench.runs.rescore`)
WEIGHTS = "weights/last.safetensors"
BEST_WEIGHTS = "weights/best.safetensors"  # of the best mark, in runs that keep it
GRIDS = "grids"  # grids/step_000037500.png: the same noise at every mark
FINAL_GRID = "grids/final.png"
INTERPOLATION = "pictures/interpolation.png"  # a strip: each row goes from one latent to another in 8 steps
LATENT = "pictures/latent"  # a folder of strips: what parts of the latent, class directions and latent arithmetic do (`bench.evaluation.latent_space`)
NEAREST = "nearest_training.png"  # generated images beside their nearest training images, the closest pairs
STUDY = "study.json"  # of a study's parent run: its search, as `bench.tracking.study_record` has it


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the tracker knows of some experiments. Artifacts are read on demand."""

    uri: str  # as it may be shown: without a password
    experiments: tuple[str, ...]
    runs: pd.DataFrame
    curves: pd.DataFrame
    protocols: pd.DataFrame
    artifacts: Artifacts
    studies: tuple[Mapping[str, Any], ...] = ()  # `STUDY` of each study, by name; none where runs were named

    def artifact(self, run_id: str, path: str) -> Path | None:
        """A run's artifact as a local file; None where the run has none of that name. A downloaded one goes when these results go."""
        return self.artifacts.get(run_id, path)

    def read(self, run_id: str, path: str) -> bytes | None:
        """The content of a run's artifact; None where the run has none of that name."""
        return self.artifacts.read(run_id, path)

    def names(self, run_id: str, folder: str) -> list[str]:
        """Paths of a run's artifacts directly in a folder, sorted; empty where there are none."""
        return self.artifacts.names(run_id, folder)

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """A JSON artifact; None where the run has none, or one that is no JSON object."""
        return self.artifacts.read_json(run_id, path)


def load(uri: str, experiments: Sequence[str] = (), *, run_ids: Sequence[str] = ()) -> Results:
    """Everything in the named experiments (suites; a glob names all that it matches), or all that are there, with the reference rows of the same data.

    Runs may be named by the first digits of their ids. Raises UserError for a store that is not there or that
    answers with an error, an experiment or a run that is unknown, and a run that lies in none of the experiments.
    """
    from bench.tracking.store import connect, redacted

    client = connect(uri)
    found = _named(client, run_ids, experiments) if run_ids else every_run(client, _experiments(client, experiments))
    children = [run for run in found if run.data.tags.get("kind") == "run"]
    references = [run for run in every_run(client, _experiments(client, (REFERENCES,), missing_ok=True)) if _serves(run, children)]
    kept = children + references
    parents = [] if run_ids else [run for run in found if run.data.tags.get("kind") == "parent" and run.data.tags.get("study")]
    artifacts = Artifacts(client, {run.info.run_id: run.info.artifact_uri for run in (*kept, *parents)})
    ids = [run.info.run_id for run in kept]
    artifacts.warn_of_missing(run.info.run_id for run in kept if run.data.tags.get("status") in COMPLETE)
    protocols = {run_id: artifacts.read_json(run_id, PROTOCOL) or {} for run_id in ids}
    newest = sorted(kept, key=lambda run: (run.info.start_time or 0, run.info.run_id), reverse=True)
    recorded.register_recorded_cards(
        [(run.info.run_id, protocols[run.info.run_id].get("cards")) for run in newest]
    )  # before metrics are read
    return Results(
        uri=redacted(uri),
        experiments=_suites(children) or tuple(experiments),
        runs=_run_frame(kept, protocols),
        curves=_curve_frame(artifacts, ids),
        protocols=_protocol_frame(protocols),
        artifacts=artifacts,
        studies=_studies(parents, artifacts),
    )


def _suites(runs: Sequence[Any]) -> tuple[str, ...]:
    """The names of the suites, or studies, that runs belong to, sorted; runs without either have none."""
    names = {run.data.tags.get("suite") or run.data.tags.get("study", "") for run in runs}
    return tuple(sorted(names - {""}))


def _studies(parents: Sequence[Any], artifacts: Artifacts) -> tuple[Mapping[str, Any], ...]:
    """What the newest parent run of each study recorded of it, under the name that its runs know; one that recorded nothing is passed over."""
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
            there = nearest(name, suites) or ": the store has none at all"
            raise UserError(f"no results of a suite {'like ' if GLOB.search(name) else ''}{name!r}{there}")
        chosen |= {other: known[other] for other in found}
    return list(chosen.values())


def _matching(client: Any, known: Mapping[str, str], suites: Sequence[str], pattern: str) -> list[str]:
    """The suites whose names match a glob and that hold runs of ganbench; none for a plain name."""
    matching = [name for name in suites if GLOB.search(pattern) and fnmatch.fnmatchcase(name, pattern)]
    return [name for name in matching if first_run(client, known[name], "tags.kind = 'run'")]


def find_run(client: Any, run_id: str) -> Any:
    """The MLflow run of an id, or of the first digits (at least 6) of only one id. Anything else is a UserError."""
    from mlflow.exceptions import MlflowException

    if FULL_ID.fullmatch(run_id):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UserError(f"there is no run {run_id!r} in the store") from error
        found = [checked(run)] if run.info.lifecycle_stage == "active" else []
    else:
        everything = [experiment.experiment_id for experiment in every_experiment(client)] if PREFIX.fullmatch(run_id) else []
        found = [run for run in every_run(client, everything) if run.info.run_id.startswith(run_id)]
    if not found:
        short = "" if PREFIX.fullmatch(run_id) else ": give its id, or at least the first 6 of its digits (0-9, a-f)"
        raise UserError(f"there is no run {one_line(run_id, most=80)!r} in the store{short}")
    if len(found) > 1:
        ids = ", ".join(sorted(run.info.run_id[: len(run_id) + 6] for run in found)[:5])
        raise UserError(f"{run_id!r} are the first digits of {len(found)} runs: {ids}{', ...' if len(found) > 5 else ''}")
    return found[0]


def _named(client: Any, run_ids: Sequence[str], experiments: Sequence[str]) -> list[Any]:
    """The training runs of these ids, once each, checked to lie in the experiments where some are given."""
    inside = _experiments(client, experiments) if experiments else []
    runs = {run.info.run_id: run for run in (find_run(client, run_id) for run_id in run_ids)}
    for run_id, run in runs.items():
        kind = run.data.tags.get("kind", "")
        if kind != "run":
            words = {"parent": "stands for an execution of a suite", "reference": "is a reference row"}.get(kind, "is no run of ganbench")
            raise UserError(f"the run {run_id} {words}: name a training run")
        if experiments and run.info.experiment_id not in inside:
            raise UserError(
                f"the run {run_id} is of the suite {run.data.tags.get('suite', '')!r}, not of {' or '.join(map(repr, experiments))}"
            )
    return list(runs.values())


def _serves(reference: Any, children: Iterable[Any]) -> bool:
    """Whether a reference row was measured on the data and by the protocol of some run."""
    mine = (reference.data.tags.get("dataset"), reference.data.tags.get("protocol"))
    return any((run.data.tags.get("dataset"), run.data.tags.get("protocol")) == mine for run in children)


def _run_frame(runs: Sequence[Any], protocols: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    rows = [_run_row(run, protocols[run.info.run_id].get("all")) for run in runs]
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*RUN_COLUMNS, *(key for row in rows for key in row)])))
    for name, kind in RUN_COLUMNS.items():
        if kind == "str":
            frame[name] = frame[name].fillna("").astype(object)
    return frame.astype({"seed": "int64"})


def _run_row(run: Any, protocol: Any) -> dict[str, Any]:
    """The row of a run. The hash beside its protocols counts before its tag, which a measurement that was killed leaves as it was."""
    tags = run.data.tags
    row: dict[str, Any] = {name: tags.get(name, "") for name in RUN_COLUMNS}
    row |= {"run_id": run.info.run_id, "started": moment_of(run.info.start_time), "seed": seed_of(tags)}
    row |= {"protocol": protocol} if isinstance(protocol, str) else {}
    row |= {key: value for key, value in run.data.metrics.items() if is_metric(key)}
    return row | {f"param:{path}": value for path, value in run.data.params.items()}


def _curve_frame(artifacts: Artifacts, run_ids: Sequence[str]) -> pd.DataFrame:
    frames = {}
    for run_id in run_ids:
        content = artifacts.read(run_id, CURVES)
        if content is None:
            continue
        try:
            frames[run_id] = pd.read_parquet(io.BytesIO(content))[list(CURVE_COLUMNS[1:])].astype(CURVE_TYPES)
            if not all(isinstance(key, str) for key in frames[run_id]["key"].cat.categories):
                raise TypeError("its keys are no text")
        except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueErrors or TypeErrors
            frames.pop(run_id, None)
            log.warning("artifact %s of run %s cannot be read: %s", CURVES, run_id, one_line(error, most=120))
    return _joined(frames) if frames else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _joined(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The curves of runs, by id, in one frame whose texts are categoricals in alphabetical order."""
    ids = np.array(sorted(curves))
    keys = sorted({key for frame in curves.values() for key in frame["key"].cat.categories})
    run_codes = np.repeat(np.searchsorted(ids, list(curves)), [len(frame) for frame in curves.values()])
    key_codes = np.concatenate([frame["key"].cat.set_categories(keys).cat.codes for frame in curves.values()])
    return pd.DataFrame({
        "run_id": pd.Categorical.from_codes(run_codes, categories=pd.Index(ids.astype(object))),
        **{name: np.concatenate([frame[name] for frame in curves.values()]) for name in ("images", "seconds")},
        "key": pd.Categorical.from_codes(key_codes, categories=pd.Index(keys)),
        "value": np.concatenate([frame["value"] for frame in curves.values()]),
    })  # fmt: skip


def curve(curves: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The rows of `Results.curves` with one of these keys, run_id and key as plain text."""
    return curves[curves["key"].isin(list(keys))].astype({"run_id": object, "key": object})


def _protocol_frame(protocols: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    rows = []
    for run_id, protocol in protocols.items():
        metrics = protocol.get("metrics")
        rows += [(run_id, key, value) for key, value in metrics.items() if isinstance(value, str)] if isinstance(metrics, dict) else []
    return pd.DataFrame(rows, columns=list(PROTOCOL_COLUMNS))
