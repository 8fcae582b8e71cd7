"""A finished run measured again from its weights, where the protocol has changed since. Trains nothing.

The weights of its marks are gone, so what was measured there cannot be measured again. Numbers of two protocols share no curve:
mid-run points by another protocol than today's move to an artifact of their own, and come back when that protocol does.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.core.config import DATASETS, Evaluation, RunConfig, short_hash
from bench.core.errors import UserError, one_line
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator, Measurement, draw_samples, evaluator_for
from bench.evaluation.generator import RecordedGenerator, config_of, needed, restored
from bench.evaluation.grids import nearest_png
from bench.metrics.cards import BEST, SE
from bench.metrics.cards.recorded import described
from bench.runs.prepare import curve_protocol
from bench.runs.types import RunResult
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts, DamagedArtifact
from bench.tracking.journal import Journal
from bench.tracking.run_logger import RunLog
from bench.tracking.tags import seed_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

POINT = ["images", "seconds", "key", "value"]  # the columns of a curve


def score(run_id: str, uri: str, evaluation: Evaluation) -> RunResult:
    """Measure a finished run with as many samples as `evaluation` says, by today's protocol, and record that on the same run.

    A run whose artifacts are lost or damaged keeps what it has, and the result says why.
    """
    client = store.connect(uri)
    tracked = client.get_run(run_id)
    values: Mapping[str, float] = {}
    status, reason = "finished", ""
    try:
        values = _score(client, tracked, evaluation)
    except Exception as error:  # of whatever kind, the other runs are measured
        why = one_line(error, most=200) or type(error).__name__
        log.error("run %s cannot be measured again: %s", run_id, why)
        advice = ": delete it in MLflow to train it again" if isinstance(error, DamagedArtifact) else ""
        status, reason = "failed", f"it cannot be measured again ({why}){advice}"
    tags = tracked.data.tags
    return RunResult(
        run_id=run_id, variant=tags.get("variant", ""), dataset=tags.get("dataset", ""), seed=seed_of(tags), status=status,
        reason=reason, values=values,
    )  # fmt: skip


def _score(client: MlflowClient, tracked: Run, evaluation: Evaluation) -> Mapping[str, float]:
    run_id = tracked.info.run_id
    artifacts = Artifacts(client, {run_id: tracked.info.artifact_uri})
    config = _remeasured(config_of(run_id, artifacts), evaluation)
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if evaluator is None:
        raise UserError(f"nothing is measured on {config.dataset}")
    last = restored(tracked, artifacts)
    measurement = _measured(last, evaluator, config.evaluation)
    if artifacts.get(run_id, results.BEST_WEIGHTS) is not None:
        best = _measured(restored(tracked, artifacts, weights="best", device=str(last.device)), evaluator, config.evaluation)
        values = {**measurement.values, **{f"{BEST}{key}": value for key, value in best.values.items()}}
        measurement = replace(measurement, values=values, evidence={**measurement.evidence, "best": {"reasons": dict(best.reasons)}})
    protocol = _protocol(artifacts, run_id, evaluator, measurement)
    run_log = _open_log(client, artifacts, run_id, measurement, protocol, evaluator.headline)
    _withdraw(client, tracked, measurement)
    run_log.artifact(results.CONFIG, config.canonical().encode())
    run_log.json(results.EVIDENCE, _evidence(artifacts, run_id, measurement))
    if measurement.nearest is not None:
        run_log.artifact(results.NEAREST, nearest_png(measurement.nearest))
    run_log.finish("finished")
    run_log.json(results.PROTOCOL, protocol)
    run_log.tag(
        headline=evaluator.headline, protocol=evaluator.protocol_hash, curve_protocol=curve_protocol(evaluator)
    )  # last: a process killed before this is measured again
    return measurement.values


def _remeasured(config: RunConfig, evaluation: Evaluation) -> RunConfig:
    """The run's own configuration with what measuring again changes: which marks it had, and whether it kept the best, stays as it was."""
    settings = evaluation.model_dump(include={"samples", "batch_size", "standard_errors", "inception"})
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update=settings)})


def _measured(generator: RecordedGenerator, evaluator: Evaluator, evaluation: Evaluation) -> Measurement:
    with limited_threads(generator.config.threads):
        samples = draw_samples(
            evaluator, generator.networks, seed=generator.config.seed, batch_size=evaluation.batch_size, device=generator.device,
            stream=generator.stream,
        )  # fmt: skip
        return evaluator.full(samples.data, walks=samples.walks, labels=samples.labels)


def _open_log(
    client: MlflowClient, artifacts: Artifacts, run_id: str, measurement: Measurement, protocol: Mapping[str, Any], headline: str
) -> RunLog:
    """The run's log with its old curve, in which each metric has but one protocol, and the new values at its end."""
    curve = _curve(artifacts, run_id)
    end, seconds = int(curve["images"].max()), float(curve["seconds"].max())
    before = artifacts.read_json(run_id, results.PROTOCOL) or {}
    old, new = before.get("metrics", {}), protocol["metrics"]
    changed = [key for key in measurement.values if old.get(key) != new.get(key)]
    midway = curve["images"] < end
    replaced = {*measurement.values, *(f"{key}{SE}" for key in measurement.values)}  # an error that is not known any more goes too
    stay = curve[~curve["key"].isin(replaced) | (midway & ~curve["key"].isin(changed))]
    points = stay[POINT].to_numpy().tolist()
    if headline not in set(stay["key"]) and (back := _kept(artifacts, run_id, new, headline)):
        points = sorted(points + back, key=lambda point: int(point[0]))
    run_log = RunLog(client, Journal(run_id=run_id), resumed=True)
    if headline in changed:
        _keep(run_log, curve[midway & (curve["key"] == headline)], old, headline)
        # Until the new curve is there, nobody knows by which protocol the one that is there was measured.
        run_log.json(results.PROTOCOL, {**before, "metrics": {key: value for key, value in old.items() if key != headline}})
    run_log.load_state_dict({"run_id": run_id, "points": points, "seconds": 0.0})
    run_log.points(measurement.values, images=end, train_seconds=seconds)
    return run_log


def _curve(artifacts: Artifacts, run_id: str) -> pd.DataFrame:
    """The run's whole curve."""
    content = needed(artifacts, run_id, results.CURVES)
    try:
        return pd.read_parquet(io.BytesIO(content))[POINT]
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are among these
        raise DamagedArtifact(f"{results.CURVES} of the run {run_id} is damaged: {one_line(error, most=120)}") from error


def _history(protocols: Mapping[str, Any], headline: str) -> str:
    """The artifact with the mid-run points of these protocols."""
    return results.HISTORY.format(protocol=short_hash({headline: protocols.get(headline)}))


def _keep(run_log: RunLog, points: pd.DataFrame, protocols: Mapping[str, Any], headline: str) -> None:
    """Put mid-run points aside, if there are any: an empty artifact would hide what lies there."""
    if len(points):
        content = io.BytesIO()
        points[POINT].to_parquet(content, index=False)
        run_log.artifact(_history(protocols, headline), content.getvalue())


def _kept(artifacts: Artifacts, run_id: str, protocols: Mapping[str, Any], headline: str) -> list[list[Any]]:
    """The mid-run points that were put aside when these protocols went. A damaged artifact is said to be, and gives none."""
    path = _history(protocols, headline)
    content = artifacts.read(run_id, path)
    if content is None:
        return []
    try:
        points = pd.read_parquet(io.BytesIO(content))[POINT]
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        log.warning("run %s: %s is damaged, so its curve stays without those points: %s", run_id, path, one_line(error, most=120))
        return []
    return list(points[points["key"] == headline].to_numpy().tolist())


def _withdraw(client: MlflowClient, tracked: Run, measurement: Measurement) -> None:
    """Metrics that had a number and have none now become not-a-number: MLflow would go on showing the old one."""
    from mlflow.entities import Metric

    run_id, had = tracked.info.run_id, tracked.data.metrics
    now = measurement.values
    lost = [key for key, value in now.items() if not math.isfinite(value) and key in had]
    lost += [f"{key}{SE}" for key in now if f"{key}{SE}" in had and f"{key}{SE}" not in now]
    if lost:
        end = max(metric.step for key in lost for metric in client.get_metric_history(run_id, key))
        client.log_batch(run_id, metrics=[Metric(key, math.nan, int(time.time() * 1000), end) for key in lost], synchronous=True)


def _protocol(artifacts: Artifacts, run_id: str, evaluator: Evaluator, measurement: Measurement) -> dict[str, Any]:
    """Today's protocol; what else the run measured keeps its own."""
    before = artifacts.read_json(run_id, results.PROTOCOL) or {}
    today = {key: found for key, found in evaluator.protocol(conditional=True).items() if key in measurement.values}
    metrics, cards = {**before.get("metrics", {}), **today}, {**before.get("cards", {}), **described(today)}
    return {**before, "metrics": metrics, "all": evaluator.protocol_hash, "cards": cards}


def _evidence(artifacts: Artifacts, run_id: str, measurement: Measurement) -> dict[str, Any]:
    """The evidence of this measurement over what else is known of the run."""
    before = artifacts.read_json(run_id, results.EVIDENCE) or {}
    kept = {key: reason for key, reason in before.get("reasons", {}).items() if key not in measurement.values}
    chosen = {"best": {**before["best"], **measurement.evidence.get("best", {})}} if "best" in before else {}  # where, and by what
    return {**before, **measurement.evidence, **chosen, "reasons": {**kept, **measurement.reasons}}
